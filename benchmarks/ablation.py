"""Perplexity by score, pattern and reconstruction, on code of a language that was held out of calibration.

    python benchmarks/ablation.py --language python wanda/unstructured/none wanda/4:8/distillation
    python benchmarks/ablation.py --sparsity 0.6 wanda/unstructured/none wanda/unstructured/none/owl

A variant is `score/pattern/reconstruction`, and `/owl` after it for OWL's allocation; all have the same calibration
set. Ratios are to the base model, in the windows of `--window` tokens that held-out text is cut into.
"""

import argparse
import dataclasses
import sys
import tempfile
import time
from pathlib import Path

from gguf.constants import GGMLQuantizationType

from assistant.build_choices import base_to_build_from
from assistant.calibration import CalibrationText, collect
from assistant.corpus import corpus_advice, corpus_documents
from assistant.engine.tokenizer import open_tokenizer
from assistant.languages import parse_language
from assistant.perplexity import perplexity
from assistant.recipe import Recipe
from assistant.recipe_files import recipe_called
from assistant.settings import load_settings
from assistant.store import Store
from assistant.submodel_file import prune_options
from export.gguf_writer import GGUFRewriter
from export.quantise import quantise_q8_0
from prune.driver import prunable_tensors, prune_blocks
from prune.gguf_file import GGUFFile
from prune.patterns import UNSTRUCTURED


def variant(text: str, options: argparse.Namespace) -> Recipe:
    """The recipe that a variant's text means, with the numbers given for all."""
    score, pattern, reconstruction, *allocation = text.split("/")
    changes = {
        "score": score,
        "pattern": pattern,
        "reconstruction": reconstruction,
        "tokens": options.tokens,
        "sequence_length": options.sequence_length,
        "sparsity": options.sparsity if pattern == UNSTRUCTURED else None,
        "allocation": allocation[0] if allocation else None,
        "training_tokens": options.training_tokens if reconstruction == "distillation" else 0,
    }
    return recipe_called("balanced", changes)


def main() -> int:
    """Prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="+", metavar="SCORE/PATTERN/RECONSTRUCTION[/ALLOCATION]")
    parser.add_argument("--language", default="python")
    parser.add_argument("--base", help="a base model in the store; the default one otherwise")
    parser.add_argument("--sparsity", type=float, help="of unstructured variants")
    parser.add_argument("--tokens", type=int, default=Recipe().tokens)
    parser.add_argument("--sequence-length", type=int, default=Recipe().sequence_length)
    parser.add_argument("--training-tokens", type=int, default=Recipe().training_tokens)
    parser.add_argument("--held-out", type=int, default=8192, help="tokens that the models are judged on")
    parser.add_argument("--window", type=int, default=1024)
    options = parser.parse_args()
    settings, language = load_settings(), parse_language(options.language)
    base = base_to_build_from(Store(settings.home), settings, options.base)
    recipes = [(text, variant(text, options)) for text in options.variants]
    judged = dataclasses.replace(Recipe(), tokens=options.held_out, sequence_length=options.window)
    with open_tokenizer(base.path) as tokenizer:

        def code(recipe: Recipe, *, held_out: bool) -> CalibrationText:
            documents = corpus_documents(language, seed=recipe.seed, held_out=held_out)
            return CalibrationText(language, (), documents, corpus_advice(language))

        fresh = collect(code(judged, held_out=True), judged, tokenizer).tokens
        seen = collect(code(recipes[0][1], held_out=False), recipes[0][1], tokenizer).tokens
    dense = perplexity(base.path, fresh, settings.threads)
    print(f"{language.label}, {seen.size:,} tokens of calibration, {fresh.size:,} held out; {base.name}: {dense:.3f}")
    print(f"{'variant':40} {'perplexity':>10} {'ratio':>7} {'seconds':>8}")
    with GGUFFile(base.path) as file, tempfile.TemporaryDirectory() as folder:
        names = dict.fromkeys(prunable_tensors(file), GGMLQuantizationType.Q8_0)
        for text, recipe in recipes:
            path = Path(folder) / "model.gguf"
            path.unlink(missing_ok=True)
            started = time.perf_counter()
            with GGUFRewriter(file, path, names, {}) as writer:
                for matrix in prune_blocks(file, seen, prune_options(recipe)):
                    writer.write(matrix.name, quantise_q8_0(matrix.values))
                writer.finish()
            seconds = time.perf_counter() - started
            value = perplexity(path, fresh, settings.threads)
            print(f"{text:40} {value:>10.3f} {value / dense:>7.3f} {seconds:>8.0f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
