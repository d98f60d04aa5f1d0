"""Perplexity of models on held-out text in each of the forms a calibration set has: plain, FIM format, chat.

    python benchmarks/calibration.py --language python MODEL [MODEL ...]

Models are names of the store or GGUF files; the first gives the tokens, and ratios are to it. One file in ten of the
language's corpus is held out of every calibration set. For builds with different mixes, see docs/calibration.md.
"""

import argparse
import dataclasses
import time

import numpy as np

from assistant.calibration import CalibrationText, collect
from assistant.calibration_mix import CalibrationMix
from assistant.corpus import corpus_advice, corpus_documents
from assistant.engine.tokenizer import Tokenizer, open_tokenizer
from assistant.languages import Language, parse_language
from assistant.perplexity import perplexity
from assistant.recipe import Recipe
from assistant.selection import select_model
from assistant.settings import load_settings

# The rest of the last is plain text: a conversation ends in the sequence it begins in.
FORMS = {
    "plain": CalibrationMix(project_share=0.0),
    "FIM": CalibrationMix(project_share=0.0, fim_share=1.0),
    "chat": CalibrationMix(project_share=0.0, chat_share=0.9),
}


def held_out(language: Language, mix: CalibrationMix, sequences: int, tokenizer: Tokenizer) -> np.ndarray:
    """Token ids of shape (sequences, 1024) of text that no calibration set has."""
    documents = corpus_documents(language, seed=1, held_out=True)
    text = CalibrationText(language, (), documents, corpus_advice(language))
    return collect(
        text, Recipe(tokens=sequences * 1024, sequence_length=1024, seed=1, **dataclasses.asdict(mix)), tokenizer
    ).tokens


def main() -> None:
    """Prints a line a model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--language", default="python")
    parser.add_argument("--sequences", type=int, default=8)
    parser.add_argument("--forms", nargs="+", choices=FORMS, default=list(FORMS))
    options = parser.parse_args()
    settings, language = load_settings(), parse_language(options.language)
    paths = [(name, select_model(settings, None, name).path) for name in options.models]
    with open_tokenizer(paths[0][1]) as tokenizer:
        texts = {
            form: held_out(language, mix, options.sequences, tokenizer)
            for form, mix in FORMS.items()
            if form in options.forms
        }
    print(f"{'model':<60} " + " ".join(f"{form:>14}" for form in texts))
    first: dict[str, float] = {}
    for name, path in paths:
        started, columns = time.perf_counter(), []
        for form, tokens in texts.items():
            value = perplexity(path, tokens, settings.threads)
            columns.append(f"{value:>7.3f} {value / first.setdefault(form, value):>6.3f}")
        print(f"{name:<60} {' '.join(columns)}  {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
