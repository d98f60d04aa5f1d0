"""What a sub-model weighs and gives in each form, beside dense models of the base: bytes, memory, speed, predictions.

    python benchmarks/size.py SUBMODEL [--base BASE] [--language python] [--rivals Q8_0 Q4_0 Q5_K_M Q3_K_S]
                              [--folder FOLDER]

Models are names of the store or GGUF files. The rivals are what llama.cpp's quantiser gives from the base, which is
quantised already: those with more bits than it are no better than it. The base with its vocabulary trimmed is what the
recipe `trimmed` builds. Each file is measured in a process of its own, in
turns, page cache warm; the best turn of each counts. Perplexity is of held-out code of the language, counted by the
base's tokens, as a trimmed vocabulary cuts the same text into more. A sub-model that is sparse is packed as it was
built, a plain one as it is and in 8-bit blocks of 128; those and 4-bit ones are rounded by the importance of inputs in
the sub-model. With a folder, the files and what they predict are kept there for a later call to go on from.
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import cache, partial
from pathlib import Path

import numpy as np
import psutil
from plain_models import plain_file

from assistant.corpus import corpus_documents
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt, Sampling, Segment
from assistant.engine.requantising import FILE_TYPES, requantise
from assistant.engine.sparse_backend import SparseBackend
from assistant.engine.tokenizer import open_tokenizer
from assistant.languages import parse_language
from assistant.perplexity import perplexity
from assistant.selection import select_model
from assistant.settings import load_settings
from assistant.token_counts import count_tokens
from export.sparse.convert import SparseOptions, dense_to_sparse
from export.sparse.layout import ValueType
from export.vocabulary import trim, trim_vocabulary

_MEASURE = "--measure"
_HEADS = ("MB", "load s", "CPU s", "resident MB", "peak MB", "prefill/s", "decode/s")
_PROMPT_LINES, _DECODED = 40, 64


def main() -> None:
    """Prints a row for each file, again with each turn, and then what each predicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("submodel", metavar="SUBMODEL")
    parser.add_argument("--base", metavar="BASE")
    parser.add_argument("--language", default="python")
    parser.add_argument("--rivals", nargs="*", choices=list(FILE_TYPES), default=["Q8_0", "Q4_0", "Q5_K_M", "Q3_K_S"])
    parser.add_argument("--counted", type=int, default=5_000_000, help="tokens of the corpus that trimming counts")
    parser.add_argument("--calibrated", type=int, default=8, help="sequences that say what 4-bit rounding is to spare")
    parser.add_argument("--predicted", type=int, default=8, help="held-out files, 4,000 characters each")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    settings = load_settings()
    base = select_model(settings, None, options.base).path
    model = select_model(settings, None, options.submodel).path
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        submodel = plain_file(model, folder)
        files = {"base": base, "base, trimmed": _made(folder / "base trimmed.gguf", partial(_trim, base, options))}
        files |= {name: _made(folder / f"{name}.gguf", partial(requantise, base, name)) for name in options.rivals}
        forms = _forms(submodel, folder, options, as_built=submodel != model)
        files |= forms
        if not (texts := folder / "texts.json").exists():
            texts.write_text(json.dumps(_held_out(base, options)))
        rows = [(name, "off") for name in files] + [(name, "auto") for name in forms]
        turns: dict[tuple[str, str], list[dict[str, float]]] = {row: [] for row in rows}
        for _ in range(options.turns):
            print(f"{'':26}" + "".join(f"{head:>12}" for head in _HEADS))
            for name, backend in rows:
                turns[name, backend].append(_measured(files[name], backend))
                _report(name if backend == "off" else f"{name}*", files[name], turns[name, backend])
        print("* with the sparse backend where it is faster\n\nperplexity")
        for name in files:
            if name == _twin(name):
                print(f"{name:26}{_perplexity_of(name, files[name], texts):12.3f}", flush=True)


def _made(path: Path, make: Callable[[Path], object]) -> Path:
    """A file of the folder, made if it is not there."""
    if not path.exists():
        beginning = path.with_suffix(".part")
        beginning.unlink(missing_ok=True)
        make(beginning)
        beginning.rename(path)
    return path


def _forms(submodel: Path, folder: Path, options: argparse.Namespace, *, as_built: bool) -> dict[str, Path]:
    """The sub-model plain, sparse and with 4-bit values, with its whole vocabulary and with a trimmed one.

    If its 8-bit values are those that it was built with, they are not rounded again.
    """
    from rounding import importance_of  # which brings torch: what is measured is to be without

    trimmed = _made(folder / "trimmed.gguf", partial(_trim, submodel, options))
    importance = cache(lambda: importance_of(submodel, options.language, options.calibrated))
    rounded = {} if as_built else {"8-bit by 128": ValueType.INT8}
    files = {}
    for label, plain in (("sub-model", submodel), ("trimmed", trimmed)):
        files[f"{label}, plain"] = plain
        files[f"{label}, sparse 8-bit"] = _made(folder / f"{label} sparse 8-bit.gguf", partial(dense_to_sparse, plain))
        for form, values in {**rounded, "4-bit by 128": ValueType.INT4}.items():

            def pack(out: Path, plain: Path = plain, values: ValueType = values) -> None:
                dense_to_sparse(plain, out, SparseOptions(values=values, block=128, importance=importance()))

            files[f"{label}, {form}"] = _made(folder / f"{label} {form}.gguf", pack)
    return files


def _trim(submodel: Path, options: argparse.Namespace, out: Path) -> None:
    with open_tokenizer(submodel) as tokenizer:
        documents = corpus_documents(parse_language(options.language), seed=0)
        counts = count_tokens(documents, tokenizer, options.counted)
    trim(submodel, trim_vocabulary(submodel, counts), out)


def _held_out(base: Path, options: argparse.Namespace) -> dict[str, object]:
    documents = corpus_documents(parse_language(options.language), seed=1, held_out=True)
    texts = [document.text[:4000] for document, _ in zip(documents, range(options.predicted), strict=False)]
    with open_tokenizer(base) as tokenizer:
        return {"texts": texts, "tokens": sum(len(tokenizer.tokenize(text)) for text in texts)}


def _measured(path: Path, backend: str) -> dict[str, float]:
    command = [sys.executable, __file__, _MEASURE, path, backend]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {key: float(value) for key, value in json.loads(done.stdout).items()}


def measure(path: Path, backend: SparseBackend) -> None:
    """Prints what one model gives, as JSON."""
    threads = load_settings().threads
    cpu, wall = time.process_time(), time.perf_counter()
    with closing(LlamaEngine(path, LlamaOptions(threads=threads, sparse_backend=backend))) as engine:
        found = {"load": time.perf_counter() - wall, "load CPU": time.process_time() - cpu}
        lines = "".join(f"    total += values[{number}] * {number}\n" for number in range(_PROMPT_LINES))
        prompt = Prompt((Segment(f"def weigh(values):\n    total = 0\n{lines}    return total\n\n\ndef"),))
        generation = engine.generate(prompt, Sampling(max_tokens=_DECODED))
        list(generation)
        found |= {"prefill": generation.usage.prefill_rate, "decode": generation.usage.decode_rate}
        found |= {"resident": psutil.Process().memory_info().rss}
        found |= {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
    print(json.dumps(found))


def _perplexity_of(name: str, path: Path, texts: Path) -> float:
    """A model's perplexity of the held-out texts, kept beside them."""
    kept = texts.with_name(f"{name} perplexity.json")
    if not kept.exists():
        held_out, threads = json.loads(texts.read_text()), load_settings().threads
        loss = sum(_loss(path, text, threads) for text in held_out["texts"])
        kept.write_text(json.dumps(math.exp(loss / held_out["tokens"])))
    return float(json.loads(kept.read_text()))


def _loss(path: Path, text: str, threads: int) -> float:
    """The negative log-likelihood of all of a text's tokens."""
    with open_tokenizer(path) as tokenizer:
        # After words: what follows <|endoftext|> is predicted badly by the base, too, and what follows a newline that
        # begins a sequence badly by pruned models, rounded ones less so.
        ids = [*tokenizer.tokenize("# Python\n"), *tokenizer.tokenize(text)]
    return (len(ids) - 1) * math.log(perplexity(path, np.array([ids], dtype=np.int32), threads))


def _twin(name: str) -> str:
    """The form whose weights are the same to the last bit, and so its predictions: they are measured once."""
    return name.replace("sparse 8-bit", "plain")


def _report(name: str, path: Path, turns: list[dict[str, float]]) -> None:
    """Prints the best of a file's turns so far."""
    best = {"load": min, "load CPU": min, "resident": min, "peak": min, "prefill": max, "decode": max}
    found = {key: choose(turn[key] for turn in turns) for key, choose in best.items()}
    row = [path.stat().st_size / 1e6, found["load"], found["load CPU"]]
    row += [found["resident"] / 1e6, found["peak"] / 1e6, found["prefill"], found["decode"]]
    print(f"{name:26}" + "".join(f"{value:12.2f}" for value in row), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == [_MEASURE]:
        measure(Path(sys.argv[2]), "auto" if sys.argv[3] == "auto" else "off")
    else:
        main()
