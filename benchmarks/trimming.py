"""A model with its vocabulary trimmed beside the one it was made of: size, tokens, predictions, text and speed.

    python benchmarks/trimming.py --language python MODEL [MODEL ...]

Models are names of the store or GGUF files. Tokens are counted in the language's corpus as calibration sees it; what
both are compared on is held out of it. Predictions are compared by bits a byte of the same text, as the two may cut it
into other tokens. Speeds are measured in turns, and the best turn of each counts.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from assistant.corpus import Document, corpus_documents
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.native import llama_cpp
from assistant.engine.protocol import Prompt, Sampling, Segment, Usage
from assistant.engine.tokenizer import Tokenizer, open_tokenizer
from assistant.fim import fim_prompt, find_fim_tokens
from assistant.languages import Language, parse_language
from assistant.perplexity import perplexity
from assistant.selection import select_model
from assistant.settings import load_settings
from assistant.token_counts import count_tokens
from export.vocabulary import KeptVocabulary, TrimOptions, trim, trim_vocabulary

_TURNS = 5
_DECODED = 96
_PROMPT_CHARACTERS = 1200


def main() -> None:
    """Prints a block for each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--language", default="python")
    parser.add_argument("--counted", type=int, default=5_000_000, help="tokens of the corpus that are counted")
    parser.add_argument("--held-out", type=int, default=1_000_000, help="tokens of held-out text")
    parser.add_argument("--sizes", type=int, nargs="+", default=[32_768, 40_960, TrimOptions().size, 65_536])
    parser.add_argument("--predicted", type=int, default=8, help="held-out files, 4,000 characters each")
    options = parser.parse_args()
    settings, language = load_settings(), parse_language(options.language)
    first = select_model(settings, None, options.models[0]).path
    with open_tokenizer(first) as tokenizer:
        started = time.perf_counter()
        counts = count_tokens(corpus_documents(language, seed=0), tokenizer, options.counted)
        seconds = time.perf_counter() - started
        held_out = _some(language, tokenizer, options.held_out)
    different = np.count_nonzero(counts)
    print(f"{counts.sum():,} tokens of {language.label} counted in {seconds:.1f} s, {different:,} different")
    with tempfile.TemporaryDirectory() as folder:
        _print_sizes(first, counts, options.sizes, held_out, Path(folder))
        for name in options.models:
            base, trimmed = select_model(settings, None, name).path, Path(folder) / "trimmed.gguf"
            kept = trim_vocabulary(base, counts)
            trim(base, kept, trimmed)
            print(f"\n{name}: {base.stat().st_size:,} bytes, trimmed {trimmed.stat().st_size:,}", end=" ")
            print(f"({trimmed.stat().st_size / base.stat().st_size:.3f})")
            _print_predictions(base, trimmed, held_out[: options.predicted], settings.threads)
            _print_text_and_speed(base, trimmed, kept, held_out, settings.threads)
            trimmed.unlink()


def _some(language: Language, tokenizer: Tokenizer, limit: int) -> list[Document]:
    """Held-out documents of so many tokens."""
    documents, total = [], 0
    for document in corpus_documents(language, seed=1, held_out=True):
        documents.append(document)
        total += len(tokenizer.tokenize(document.text))
        if total >= limit:
            break
    return documents


def _print_sizes(
    base: Path, counts: np.ndarray, sizes: Sequence[int], held_out: Sequence[Document], folder: Path
) -> None:
    origins = sorted({document.origin for document in held_out})
    before = _tokens(base, held_out)
    print(f"{'kept':>8} {'bytes':>12} {'of counted':>11}  " + "  ".join(f"more in {origin}" for origin in origins))
    for size in sizes:
        kept = trim_vocabulary(base, counts, TrimOptions(size=size, coverage=0.0))
        trimmed = folder / f"{size}.gguf"
        trim(base, kept, trimmed)
        after = _tokens(trimmed, held_out)
        more = [100 * (after[origin] / before[origin] - 1) for origin in origins]
        print(f"{len(kept.ids):>8,} {trimmed.stat().st_size:>12,} {kept.coverage:>11.3%}  ", end="")
        print("  ".join(f"{value:>{len(origin) + 7}.2f}%" for value, origin in zip(more, origins, strict=True)))
        trimmed.unlink()


def _tokens(model: Path, documents: Sequence[Document]) -> dict[str, int]:
    """How many tokens the documents of each origin have."""
    totals: dict[str, int] = {}
    with open_tokenizer(model) as tokenizer:
        for document in documents:
            totals[document.origin] = totals.get(document.origin, 0) + len(tokenizer.tokenize(document.text))
    return totals


def _print_predictions(base: Path, trimmed: Path, documents: Sequence[Document], threads: int) -> None:
    bits = []
    for model in (base, trimmed):
        loss = size = 0.0
        with open_tokenizer(model) as tokenizer:
            texts = [document.text[:4000] for document in documents]
            sequences = [[tokenizer.separator, *tokenizer.tokenize(text)] for text in texts]
        for text, ids in zip(texts, sequences, strict=True):
            loss += (len(ids) - 1) * math.log(perplexity(model, np.array([ids], dtype=np.int32), threads))
            size += len(text.encode())
        bits.append(loss / math.log(2) / size)
    print(f"bits a byte of {size:,.0f} held-out bytes: {bits[0]:.4f}, trimmed {bits[1]:.4f} ({bits[1] / bits[0]:.4f})")


def _print_text_and_speed(
    base: Path, trimmed: Path, kept: KeptVocabulary, held_out: Sequence[Document], threads: int
) -> None:
    engines = [LlamaEngine(path, LlamaOptions(threads=threads)) for path in (base, trimmed)]
    prompts = [_cut(engines[0], document) for document in held_out if len(document.text) > 2 * _PROMPT_CHARACTERS][:20]
    texts = [[_written(engine, prompt, 24)[0] for prompt in prompts] for engine in engines]
    same = sum(one == two for one, two in zip(*texts, strict=True))
    print(f"greedy fill-in-the-middle completions that are equal: {same} of {len(prompts)}")
    _print_logits(base, trimmed, kept, held_out[0].text[:1000])
    usages = [[_written(engine, _uncached(turn), _DECODED)[1] for engine in engines] for turn in range(_TURNS)]
    for name, rates in (
        ("decoding", [[usage.decode_rate for usage in turn] for turn in usages]),
        ("prefill", [[usage.prefill_rate for usage in turn] for turn in usages]),
    ):
        before, after = (max(turn[index] for turn in rates) for index in (0, 1))
        print(f"{name}: {before:.1f} tokens/s, trimmed {after:.1f} ({after / before:.2f})")
    for engine in engines:
        engine.close()


def _cut(engine: LlamaEngine, document: Document) -> Prompt:
    """A prompt for a place in the midst of a document."""
    at = len(document.text) // 2
    before, after = document.text[max(0, at - _PROMPT_CHARACTERS) : at], document.text[at : at + 200]
    return fim_prompt(find_fim_tokens(engine), before, after)


def _uncached(turn: int) -> Prompt:
    lines = "".join(f"    total += values[{turn}] * {number}\n" for number in range(30))
    return Prompt((Segment(f"def weigh_{turn}(values):\n    total = 0\n{lines}    return total\n\n\ndef"),))


def _written(engine: LlamaEngine, prompt: Prompt, tokens: int) -> tuple[str, Usage]:
    with closing(engine.generate(prompt, Sampling(max_tokens=tokens))) as generation:
        text = "".join(generation)
        return text, generation.usage


def _print_logits(base: Path, trimmed: Path, kept: KeptVocabulary, text: str) -> None:
    """The largest difference between logits of kept tokens after the same text."""
    with open_tokenizer(base) as tokenizer:
        ids = tokenizer.tokenize(text)
    ids = ids[: next((place for place, token in enumerate(ids) if kept.new_ids[token] < 0), len(ids))]
    before, after = _logits(base, ids)[kept.ids], _logits(trimmed, kept.new_ids[ids].tolist())
    print(f"largest difference of a logit after {len(ids)} tokens: {np.abs(before - after).max():.3g}")


def _logits(model: Path, ids: list[int]) -> np.ndarray:
    handle = llama_cpp.llama_model_load_from_file(str(model).encode(), llama_cpp.llama_model_default_params())
    context = llama_cpp.llama_init_from_model(handle, llama_cpp.llama_context_default_params())
    tokens = (llama_cpp.llama_token * len(ids))(*ids)
    assert llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(tokens, len(ids))) == 0
    size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(handle))
    logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits(context), shape=(size,)).copy()
    llama_cpp.llama_free(context)
    llama_cpp.llama_model_free(handle)
    return logits


if __name__ == "__main__":
    main()
