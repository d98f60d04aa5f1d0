"""Perplexity of models on code of a language that was held out of calibration, side by side.

    python benchmarks/perplexity.py --language python MODEL [MODEL ...]

Models are names of the store or GGUF files; ratios are to the first. One file in ten of the language's corpus is held
out of every calibration set, so sub-models built on this machine have not seen this text. Models with another
vocabulary, such as a trimmed one, have other tokens: `sned eval --perplexity` compares them, by the bits a byte takes.
"""

import argparse
import sys
import time

from assistant.calibration import CalibrationText, collect
from assistant.corpus import corpus_advice, corpus_documents
from assistant.engine.tokenizer import open_tokenizer
from assistant.languages import parse_language
from assistant.perplexity import perplexity
from assistant.recipe import Recipe
from assistant.selection import select_model
from assistant.settings import load_settings


def main() -> int:
    """Prints a table; the exit status comes back: 1 when a model is over the limit given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--language", default="python")
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--limit", type=float, help="fail when a ratio to the first model is above this")
    options = parser.parse_args()
    settings, language = load_settings(), parse_language(options.language)
    paths = [(name, select_model(settings, None, name).path) for name in options.models]
    held_out = Recipe(tokens=options.sequences * options.length, sequence_length=options.length)
    with open_tokenizer(paths[0][1]) as tokenizer:
        for name, path in paths[1:]:
            with open_tokenizer(path) as other:
                if other.separator != tokenizer.separator:
                    parser.error(f"{name} has other tokens than {paths[0][0]}; use sned eval --perplexity.")
        documents = corpus_documents(language, seed=1, held_out=True)
        texts = collect(CalibrationText(language, (), documents, corpus_advice(language)), held_out, tokenizer)
    print(f"{texts.tokens.size:,} held-out tokens of {language.label}, {texts.record.digest[:12]}")
    print(f"{'model':<60} {'perplexity':>10} {'ratio':>7} {'seconds':>8}")
    first, worst = None, 0.0
    for name, path in paths:
        started = time.perf_counter()
        value = perplexity(path, texts.tokens, settings.threads)
        first = first or value
        worst = max(worst, value / first)
        print(f"{name:<60} {value:>10.3f} {value / first:>7.3f} {time.perf_counter() - started:>8.1f}", flush=True)
    return 1 if options.limit is not None and worst > options.limit else 0


if __name__ == "__main__":
    sys.exit(main())
