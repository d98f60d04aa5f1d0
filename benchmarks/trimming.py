"""A model with its vocabulary trimmed beside the one it was made of: size, tokens, predictions, text and speed.

    python benchmarks/trimming.py --language python MODEL [MODEL ...]

Models are names of the store or GGUF files. Tokens are counted in the language's corpus as calibration sees it; what
both are compared on is held out of it. Predictions are compared by bits a byte of the same text, as the two may cut it
into other tokens. For speeds the two take turns token by token, and the tenth of the times that was quickest is
compared: other work on the machine then slows both alike.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from plain_models import plain_file

from assistant.corpus import Document, corpus_documents
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.native import capture_log, llama_cpp
from assistant.engine.protocol import Prompt, Sampling
from assistant.engine.tokenizer import Tokenizer, open_tokenizer
from assistant.fim import fim_prompt, find_fim_tokens
from assistant.languages import Language, parse_language
from assistant.perplexity import perplexity
from assistant.selection import select_model
from assistant.settings import load_settings
from assistant.token_counts import count_tokens
from export.vocabulary import KeptVocabulary, TrimOptions, trim, trim_vocabulary

_TURNS = 200
_BATCH = 64
_WRITTEN = 24
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
    capture_log()
    settings, language = load_settings(), parse_language(options.language)
    with open_tokenizer(select_model(settings, None, options.models[0]).path) as tokenizer:
        started = time.perf_counter()
        counts = count_tokens(corpus_documents(language, seed=0), tokenizer, options.counted)
        seconds = time.perf_counter() - started
        held_out = _some(language, tokenizer, options.held_out)
    different = np.count_nonzero(counts)
    print(f"{counts.sum():,} tokens of {language.label} counted in {seconds:.1f} s, {different:,} different")
    with tempfile.TemporaryDirectory() as folder:
        plain = {name: plain_file(select_model(settings, None, name).path, Path(folder)) for name in options.models}
        _print_sizes(plain[options.models[0]], counts, options.sizes, held_out, Path(folder))
        for name, base in plain.items():
            trimmed = Path(folder) / "trimmed.gguf"
            kept = trim_vocabulary(base, counts)
            trim(base, kept, trimmed)
            print(f"\n{name}: {base.stat().st_size:,} bytes, trimmed {trimmed.stat().st_size:,}", end=" ")
            print(f"({trimmed.stat().st_size / base.stat().st_size:.3f})")
            _print_predictions(base, trimmed, held_out[: options.predicted], settings.threads)
            _print_text(base, trimmed, held_out, settings.threads)
            _print_logits(base, trimmed, kept, held_out[0].text[:1000])
            _print_speeds(base, trimmed, settings.threads)
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
            # Not after <|endoftext|> or a newline alone, after which pruned models predict badly whatever the rest is.
            start = tokenizer.tokenize("# Python\n")
            sequences = [[*start, *tokenizer.tokenize(text)] for text in texts]
        for text, ids in zip(texts, sequences, strict=True):
            loss += (len(ids) - 1) * math.log(perplexity(model, np.array([ids], dtype=np.int32), threads))
            size += len(text.encode())
        bits.append(loss / math.log(2) / size)
    print(f"bits a byte of {size:,.0f} held-out bytes: {bits[0]:.4f}, trimmed {bits[1]:.4f} ({bits[1] / bits[0]:.4f})")


def _print_text(base: Path, trimmed: Path, held_out: Sequence[Document], threads: int) -> None:
    engines = [LlamaEngine(path, LlamaOptions(threads=threads)) for path in (base, trimmed)]
    prompts = [_cut(engines[0], document) for document in held_out if len(document.text) > 2 * _PROMPT_CHARACTERS][:20]
    texts = [[_written(engine, prompt) for prompt in prompts] for engine in engines]
    same = sum(one == two for one, two in zip(*texts, strict=True))
    print(f"greedy fill-in-the-middle completions that are equal: {same} of {len(prompts)}")
    for engine in engines:
        engine.close()


def _cut(engine: LlamaEngine, document: Document) -> Prompt:
    """A prompt for a place in the midst of a document."""
    at = len(document.text) // 2
    before, after = document.text[max(0, at - _PROMPT_CHARACTERS) : at], document.text[at : at + 200]
    return fim_prompt(find_fim_tokens(engine), before, after)


def _written(engine: LlamaEngine, prompt: Prompt) -> str:
    with closing(engine.generate(prompt, Sampling(max_tokens=_WRITTEN))) as generation:
        return "".join(generation)


def _print_logits(base: Path, trimmed: Path, kept: KeptVocabulary, text: str) -> None:
    """The largest difference between logits of kept tokens after the same text."""
    with open_tokenizer(base) as tokenizer:
        ids = tokenizer.tokenize(text)
    ids = ids[: next((place for place, token in enumerate(ids) if kept.new_ids[token] < 0), len(ids))]
    before, after = _logits(base, ids)[kept.ids], _logits(trimmed, kept.new_ids[ids].tolist())
    print(f"largest difference of a logit after {len(ids)} tokens: {np.abs(before - after).max():.3g}")


def _print_speeds(base: Path, trimmed: Path, threads: int) -> None:
    with _context(base, threads) as one, _context(trimmed, threads) as two:
        for name, size, turns in (("prefill", _BATCH, 10), ("decoding", 1, _TURNS)):
            for context in (one, two):
                _evaluate(context, [500] * size)
            times = [[_evaluate(context, [500] * size) for context in (one, two)] for _ in range(turns)]
            before, after = (size / float(np.quantile(each, 0.1)) for each in zip(*times, strict=True))
            print(f"{name}: {before:.1f} tokens/s, trimmed {after:.1f} ({after / before:.2f})")


def _logits(model: Path, ids: list[int]) -> np.ndarray:
    with _context(model, threads=2) as context:
        _evaluate(context, ids)
        size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(llama_cpp.llama_get_model(context)))
        return np.ctypeslib.as_array(llama_cpp.llama_get_logits(context), shape=(size,)).copy()


def _evaluate(context: Any, ids: list[int]) -> float:
    """The seconds that a batch after what came before it takes."""
    tokens = (llama_cpp.llama_token * len(ids))(*ids)
    started = time.perf_counter()
    assert llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(tokens, len(ids))) == 0
    llama_cpp.llama_synchronize(context)
    return time.perf_counter() - started


@contextmanager
def _context(model: Path, threads: int) -> Iterator[Any]:
    handle = llama_cpp.llama_model_load_from_file(str(model).encode(), llama_cpp.llama_model_default_params())
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx, parameters.n_threads, parameters.n_threads_batch = 2048, threads, threads
    context = llama_cpp.llama_init_from_model(handle, parameters)
    try:
        yield context
    finally:
        llama_cpp.llama_free(context)
        llama_cpp.llama_model_free(handle)


if __name__ == "__main__":
    main()
