"""What rounding the survivors of a pruned model costs, with and without the importance of their inputs.

    python benchmarks/rounding.py MODEL [--base BASE] [--language python] [--windows 40] [--forms int4/128 int4/32]

The importance of an input is its mean squared activation on calibration text: in the pruned model, and in the dense
base, where a build that trains takes it from. Every form reads the same windows of held-out code in turns, so that
ratios to the model as it is are told by pairs: their standard error is over groups of four windows.
"""

import argparse
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from plain_models import plain_file

from assistant.corpus import corpus_documents
from assistant.engine.tokenizer import open_tokenizer
from assistant.languages import parse_language
from assistant.perplexity import perplexity
from assistant.selection import select_model
from assistant.settings import load_settings
from export.sparse.convert import SparseOptions, dense_to_sparse
from export.sparse.layout import ValueType
from export.sparse.reader import SparseFile
from prune.driver import prune_blocks
from prune.gguf_file import GGUFFile
from prune.options import PruneOptions
from prune.weights import read_tensor

Importance = Mapping[str, np.ndarray]

_LENGTH = 512
_GROUP = 4


def main() -> None:
    """Prints a row for each form, again as more windows are read."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL")
    parser.add_argument("--base", help="the dense model whose inputs count, too")
    parser.add_argument("--language", default="python")
    parser.add_argument("--calibrated", type=int, default=8, help="sequences that give the importance")
    parser.add_argument("--windows", type=int, default=40, help=f"of {_LENGTH} held-out tokens each")
    parser.add_argument("--forms", nargs="*", default=["int8/128", "int4/128", "int4/32"], metavar="VALUES/BLOCK")
    options = parser.parse_args()
    settings = load_settings()
    model = select_model(settings, None, options.model).path
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = plain_file(model, folder)
        own = importance_of(plain, options.language, options.calibrated)
        weights: dict[str, Importance] = {"": {}, ", by importance": own}
        if options.base:
            base = select_model(settings, None, options.base).path
            weights[", by that of the base"] = importance_of(base, options.language, options.calibrated)
        files = {"as it is": plain}
        for form in options.forms:
            values, _, block = form.partition("/")
            for label, given in weights.items():
                files[f"{form}{label}"] = out = folder / f"{len(files)}.gguf"
                packed = SparseOptions(values=ValueType(values), block=int(block), importance=given)
                dense_to_sparse(plain, out, packed)
        errors = {label: _errors(plain, path, own) for label, path in files.items()}
        held_out = _windows(plain, options.language, options.windows, held_out=True)
        losses: dict[str, list[float]] = {label: [] for label in files}
        for start in range(0, len(held_out), _GROUP):
            group = held_out[start : start + _GROUP]
            for label, path in files.items():
                losses[label].append(math.log(perplexity(path, group, settings.threads)))
            _report(losses, errors)


def importance_of(model: Path, language: str, sequences: int) -> Importance:
    """The mean squared input of every matrix of a model's blocks by name, on calibration text.

    That is what pruning measures; none of it is pruned here.
    """
    tokens = _windows(model, language, sequences, held_out=False)
    with GGUFFile(model) as file:
        return {each.name: each.importance for each in prune_blocks(file, tokens, PruneOptions(sparsity=0.0))}


def _windows(model: Path, language: str, count: int, *, held_out: bool) -> np.ndarray:
    """Windows of tokens, three of a file at most; shape (count, tokens).

    None begins with <|endoftext|>: what follows it is predicted badly by the base too, and less so by rounded weights.
    """
    return np.array(list(_cut(model, language, count, held_out)), dtype=np.int32)


def _cut(model: Path, language: str, count: int, held_out: bool) -> Iterator[list[int]]:
    documents = corpus_documents(parse_language(language), seed=int(held_out), held_out=held_out)
    with open_tokenizer(model) as tokenizer:
        for document in documents:
            ids = tokenizer.tokenize(document.text[: 16 * _LENGTH])
            for start in range(0, min(len(ids), 3 * _LENGTH) - _LENGTH + 1, _LENGTH):
                if not count:
                    return
                yield ids[start : start + _LENGTH]
                count -= 1
    sys.exit(f"There is too little text of {language}: {count} windows are missing.")


def _errors(plain: Path, path: Path, importance: Importance) -> tuple[float, float]:
    """The squared error relative to the weights, and both weighted with the importance of inputs."""
    if path == plain:
        return 0.0, 0.0
    sums = np.zeros((2, 2))
    with GGUFFile(plain) as file, SparseFile(path) as sparse:
        for name in sparse.tensors:
            expected = read_tensor(file, name)
            for row, values in enumerate((sparse.values(name) - expected, expected)):
                squares = np.square(values).sum(axis=0, dtype=np.float64)
                sums[row] += squares.sum(), squares @ importance[name]
    return float(sums[0, 0] / sums[1, 0]), float(sums[0, 1] / sums[1, 1])


def _report(losses: dict[str, list[float]], errors: dict[str, tuple[float, float]]) -> None:
    first = np.array(next(iter(losses.values())))
    print(f"\n{len(first)} groups, {len(first) * _GROUP * _LENGTH:,} tokens")
    print(f"{'':32} {'error':>9} {'weighted':>9} {'perplexity':>11} {'ratio':>7} {'s.e.':>7} {'better in':>10}")
    for label, found in losses.items():
        values = np.array(found)
        difference = values - first
        ratio = math.exp(difference.mean())
        spread = ratio * difference.std(ddof=1) / math.sqrt(len(values)) if len(values) > 1 else math.nan
        error, weighted = errors[label]
        print(
            f"{label:32} {error:9.2e} {weighted:9.2e} {math.exp(values.mean()):11.3f} {ratio:7.4f} {spread:7.4f} "
            f"{(difference < 0).mean():10.0%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
