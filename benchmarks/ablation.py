"""What each choice of a recipe does: score x pattern x reconstruction x calibration mix, judged by two kinds of text.

    python benchmarks/ablation.py --tasks humaneval_x/python.jsonl --results ablation.jsonl
    python benchmarks/ablation.py --sparsity 0.6 wanda/unstructured/none wanda/unstructured/none/owl

A variant is `score/pattern/reconstruction`, after that `/owl` for another allocation, and `@TEXT` for the calibration
set: `mixed` (the language, other languages and conversations in the shares of `balanced`, the default), `language`
(that alone), or the name of another language as a control. Without variants those of docs/pruning.md are measured.

Every variant is pruned, written as Q8_0 and judged as a file: by perplexity on code of the language that was held out
of every calibration set, and with `--tasks` by the nats a token of the tasks' own solutions (benchmarks/solutions.py),
text of another kind. Results are added to `--results` one by one; what it has already, measured in the same way, is
not measured again, so that a run that was stopped goes on.
"""

import argparse
import dataclasses
import hashlib
import json
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from gguf.constants import GGMLQuantizationType
from solutions import nats_a_token, read_tasks

from assistant.build_choices import base_to_build_from
from assistant.calibration import CalibrationSet, CalibrationText, collect
from assistant.corpus import corpus_advice, corpus_documents, other_documents
from assistant.engine.tokenizer import Tokenizer, open_tokenizer
from assistant.languages import Language, parse_language
from assistant.perplexity import perplexity
from assistant.recipe import RECIPE_VERSION, Recipe
from assistant.recipe_files import recipe_called
from assistant.settings import load_settings
from assistant.store import Store
from assistant.submodel_file import prune_options
from export.gguf_writer import GGUFRewriter
from export.quantise import quantise_q8_0
from prune.driver import prunable_tensors, prune_blocks
from prune.gguf_file import GGUFFile
from prune.patterns import UNSTRUCTURED

MIXED, LANGUAGE = "mixed", "language"
VARIANTS = [
    "magnitude/unstructured/none",
    "wanda/unstructured/none",
    "ria/unstructured/none",
    "wanda/unstructured/none/owl",
    "wanda/unstructured/none@language",
    "wanda/unstructured/none@java",
    "wanda/unstructured/least-squares",
    "wanda/unstructured/distillation",
    "wanda/unstructured/least-squares+distillation",
    "wanda/unstructured/distillation/owl",
    "wanda/unstructured/distillation@language",
    "wanda/16:32/none",
    "wanda/16:32/distillation",
    "wanda/4:8/none",
    "ria/4:8/none",
    "wanda/4:8/distillation",
]


def recipe_of(text: str, options: argparse.Namespace) -> tuple[Recipe, str]:
    """The recipe that a variant's text means, with the numbers given for all, and its calibration text."""
    choices, _, mix = text.partition("@")
    score, pattern, reconstruction, *allocation = choices.split("/")
    changes = {
        "score": score,
        "pattern": pattern,
        "reconstruction": reconstruction,
        "tokens": options.tokens,
        "sequence_length": options.sequence_length,
        "sparsity": options.sparsity if pattern == UNSTRUCTURED else None,
        "allocation": allocation[0] if allocation else "uniform",
        "training_tokens": options.training_tokens if "distillation" in reconstruction else 0,
        "project_share": 0.0,
    }
    alone = {"other_share": 0.0, "chat_share": 0.0} if mix not in ("", MIXED) else {}
    return recipe_called("balanced", changes | alone), mix or MIXED


def text_of(language: Language, recipe: Recipe, tokenizer: Tokenizer, *, held_out: bool = False) -> CalibrationSet:
    """Code of a language found on this machine, in the recipe's mix."""
    documents = corpus_documents(language, recipe.seed, held_out=held_out)
    other = () if held_out else other_documents(language, recipe.seed)
    return collect(CalibrationText(language, (), documents, corpus_advice(language), other), recipe, tokenizer)


class Bench:
    """Builds and judges variants of one base model in one language."""

    def __init__(self, options: argparse.Namespace, tokenizer: Tokenizer, base: Path, threads: int) -> None:
        """Collects the text that all are judged by, and judges the base."""
        self._tokenizer, self._base, self._threads = tokenizer, base, threads
        self._options, self._language = options, parse_language(options.language)
        alone = Recipe(
            tokens=options.held_out,
            sequence_length=options.window,
            seed=1,
            project_share=0,
            other_share=0,
            chat_share=0,
        )
        self.fresh = text_of(self._language, alone, tokenizer, held_out=True).tokens
        self._tasks = read_tasks(options.tasks, options.every) if options.tasks else None
        self.calibrated_on = cache(self._calibrated_on)

    def _calibrated_on(self, mix: str, recipe: Recipe) -> np.ndarray:
        language = self._language if mix in (MIXED, LANGUAGE) else parse_language(mix)
        return text_of(language, recipe, self._tokenizer).tokens

    def judged(self, path: Path) -> dict[str, float]:
        """The figures of a model file."""
        figures = {"perplexity": perplexity(path, self.fresh, self._threads)}
        if self._tasks is not None:
            figures["solutions"] = nats_a_token(path, self._tasks, self._threads)
        return figures

    def measure(self, text: str) -> dict[str, float]:
        """A variant built and judged, and the processor's seconds that its build took."""
        recipe, mix = recipe_of(text, self._options)
        masking = dataclasses.replace(recipe, score="wanda", pattern=UNSTRUCTURED, sparsity=0.5, allocation="uniform")
        plain = dataclasses.replace(masking, reconstruction="none", training_tokens=0)
        seen = self.calibrated_on(mix, plain)  # all variants with this mix have one calibration set
        with GGUFFile(self._base) as file, tempfile.TemporaryDirectory() as folder:
            path, started = Path(folder) / "model.gguf", time.process_time()
            names = dict.fromkeys(prunable_tensors(file), GGMLQuantizationType.Q8_0)
            with GGUFRewriter(file, path, names, {}) as writer:
                for matrix in prune_blocks(file, seen, prune_options(recipe)):
                    writer.write(matrix.name, quantise_q8_0(matrix.values))
                writer.finish()
            seconds = time.process_time() - started
            return self.judged(path) | {"seconds": seconds}


def key_of(options: argparse.Namespace, base: str, text: str) -> str:
    """Names a figure by all that it rests on."""
    fields = ("language", "tokens", "sequence_length", "training_tokens", "held_out", "window", "every", "sparsity")
    about: list[Any] = [RECIPE_VERSION, base, text, options.tasks and options.tasks.name]
    about += [getattr(options, field) for field in fields]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*", default=VARIANTS, metavar="VARIANT")
    parser.add_argument("--language", default="python")
    parser.add_argument("--base", help="a base model in the store; the default one otherwise")
    parser.add_argument("--sparsity", type=float, default=0.5, help="of unstructured variants")
    parser.add_argument("--tokens", type=int, default=4096, help="of each calibration set")
    parser.add_argument("--sequence-length", type=int, default=Recipe().sequence_length)
    parser.add_argument("--training-tokens", type=int, default=4096)
    parser.add_argument("--held-out", type=int, default=2048, help="tokens that the models are judged on")
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--tasks", type=Path, help="of HumanEval-X, for their solutions")
    parser.add_argument("--every", type=int, default=6, help="one task of so many")
    parser.add_argument("--results", type=Path, help="JSON lines that results are added to, and taken from")
    parser.add_argument("--threads", type=int)
    return parser.parse_args()


def main() -> int:
    """Prints a table."""
    options, settings = parsed(), load_settings()
    base = base_to_build_from(Store(settings.home), settings, options.base)
    for text in options.variants:
        recipe_of(text, options)  # a wrong one is refused before hours of work
    known: dict[str, dict[str, float]] = {}
    if options.results is not None and options.results.exists():
        known = dict(json.loads(line) for line in options.results.read_text(encoding="utf-8").splitlines())
    with open_tokenizer(base.path) as tokenizer:
        bench = Bench(options, tokenizer, base.path, options.threads or settings.threads)
        print(
            f"{options.language}: {options.tokens:,} tokens of calibration, {bench.fresh.size:,} held out; {base.name}"
        )
        print(f"{'variant':42} {'perplexity':>10} {'ratio':>7} {'solutions':>9} {'seconds':>8}")
        dense = None
        for text in ("base", *options.variants):
            key = key_of(options, base.name, text)
            if key not in known:
                known[key] = bench.judged(base.path) if text == "base" else bench.measure(text)
                if options.results is not None:
                    with options.results.open("a", encoding="utf-8") as file:
                        file.write(json.dumps([key, known[key]]) + "\n")
            found = known[key]
            dense = dense or found["perplexity"]
            ratio, solutions = found["perplexity"] / dense, found.get("solutions", float("nan"))
            row = f"{text:42} {found['perplexity']:>10.3f} {ratio:>7.3f} {solutions:>9.3f}"
            print(f"{row} {found.get('seconds', 0.0):>8.0f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
