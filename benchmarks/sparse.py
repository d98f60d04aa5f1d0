"""What sparse GGUF takes: bits a weight, and MB/s of packing and unpacking.

Without a model, for one random matrix at 50%; MB are those of the plain matrix (Q8_0 or Q4_0) that is packed, or given
back, digest included. With a GGUF that has pruned matrices, for the whole plain file, which is packed, given back and
compared byte for byte; with `--values` and `--block` it is quantised anew, and the error is that of the survivors.

    python benchmarks/sparse.py [--rows 4864] [--columns 896]
    python benchmarks/sparse.py --model model.gguf [--values int4] [--block 128]
"""

import argparse
import filecmp
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from plain_models import plain_file

from export.sparse.choice import SparseOptions
from export.sparse.convert import dense_to_sparse, sparse_to_dense
from export.sparse.dense import coded, dense_bytes, exact_dense_type
from export.sparse.layout import Pattern, SparseFormat, ValueType
from export.sparse.packing import CodedMatrix, PackedMatrix, pack, unpack
from export.sparse.reader import SparseFile
from export.sparse.records import SparseTensor
from prune.gguf_file import GGUFFile
from prune.weights import read_tensor

REPEATS = 7


def best(work: Callable[[], object]) -> tuple[float, float]:
    """Least wall-clock and processor seconds of some calls."""
    walls, processors = [], []
    for _ in range(REPEATS):
        started = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - started[0])
        processors.append(time.process_time() - started[1])
    return min(walls), min(processors)


def half_matrix(shape: tuple[int, int], form: SparseFormat) -> CodedMatrix:
    """A random matrix, half of whose weights are zero: in each group, or in each row."""
    random = np.random.default_rng(0)
    rows, columns = shape
    group = form.pattern.group or columns
    limit = 127 if form.values is ValueType.INT8 else 7
    signs = random.integers(0, 2, shape, dtype=np.int8) * 2 - 1
    codes = (random.integers(1, limit + 1, shape) * signs).astype(np.int8)
    order = random.random((rows, columns // group, group)).argsort(axis=2).argsort(axis=2)
    codes[(order >= group // 2).reshape(shape)] = 0
    scales = random.random((rows, -(-columns // form.block))).astype(np.float16)
    return CodedMatrix(codes, scales.view(np.uint16), form.block)


def matrices(shape: tuple[int, int]) -> None:
    """A line for each pattern and value type."""
    print(f"{shape[0]} x {shape[1]}, half zeros    bits a weight at blocks of      MB/s wall (processor), blocks of 32")
    print("pattern       values       32    64   128   256           pack            unpack   to float32")
    for pattern in ("unstructured", "4:8", "2:4", "16:32"):
        for values in ValueType:
            forms = [SparseFormat(Pattern.parse(pattern), values, block) for block in (32, 64, 128, 256)]
            sizes = [pack(half_matrix(shape, form), form).data.size * 8 / shape[0] / shape[1] for form in forms]
            form, matrix = forms[0], half_matrix(shape, forms[0])
            dense_type = exact_dense_type(values, shape[1])
            plain = dense_bytes(matrix, dense_type).ravel()
            packed = pack(matrix, form)
            tensor = SparseTensor("blk.0.ffn_up.weight", packed.layout, dense_type)

            def packing(form: SparseFormat = form, plain: np.ndarray = plain, tensor: SparseTensor = tensor) -> None:
                tensor.digest_of(pack(coded(plain, shape, tensor.dense_type), form).data)

            def unpacking(packed: PackedMatrix = packed, tensor: SparseTensor = tensor) -> None:
                tensor.digest_of(packed.data)
                dense_bytes(unpack(packed), tensor.dense_type)

            def floats(packed: PackedMatrix = packed, tensor: SparseTensor = tensor) -> None:
                tensor.digest_of(packed.data)
                unpack(packed).values()

            speeds = [[plain.size / seconds / 1e6 for seconds in best(work)] for work in (packing, unpacking, floats)]
            shown = "   ".join(f"{wall:5.0f} ({processor:5.0f})" for wall, processor in speeds)
            print(f"{pattern:13} {values:6} " + " ".join(f"{size:5.2f}" for size in sizes) + f"   {shown}")


def clocks() -> tuple[float, float]:
    """Wall-clock and processor time."""
    return time.perf_counter(), time.process_time()


def whole_file(model: Path, options: SparseOptions) -> None:
    """Sizes and times for a whole file."""
    with tempfile.TemporaryDirectory(dir=model.parent) as folder:
        path = plain_file(model, Path(folder))
        sparse_path, back = Path(folder) / "sparse.gguf", Path(folder) / "back.gguf"
        times = [clocks()]
        dense_to_sparse(path, sparse_path, options)
        times.append(clocks())
        sparse_to_dense(sparse_path, back)
        times.append(clocks())
        size = path.stat().st_size
        print(f"plain {size:,} bytes, sparse {sparse_path.stat().st_size:,} bytes")
        for what, start, end in (("packing", *times[:2]), ("giving back", *times[1:])):
            wall, processor = (after - before for before, after in zip(start, end, strict=True))
            print(f"{what} the file, synced: {wall:.1f} s, {size / wall / 1e6:.0f} MB/s of the plain file", end="")
            print(f" ({processor:.1f} s of processor, {size / processor / 1e6:.0f} MB/s)")
        print(f"peak resident memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3:.0f} MB")
        print(f"the plain file came back byte for byte: {filecmp.cmp(path, back, shallow=False)}")
        with SparseFile(sparse_path) as sparse, GGUFFile(path) as plain:
            weights = sum(tensor.shape[0] * tensor.shape[1] for tensor in sparse.tensors.values())
            packed = sum(sparse.packed(name).size for name in sparse.tensors)
            print(f"{len(sparse.tensors)} matrices, {weights:,} weights, {packed * 8 / weights:.3f} bits each")
            squares = errors = 0.0
            for name in sparse.tensors:
                expected = read_tensor(plain, name)
                squares += float(np.vdot(expected, expected))
                errors += float(np.square(sparse.values(name) - expected).sum())
            print(f"relative squared error: {errors / squares:.2e}")


def main() -> None:
    """Prints one or the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=4864)
    parser.add_argument("--columns", type=int, default=896)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--pattern", type=Pattern.parse, default=Pattern())
    parser.add_argument("--values", type=ValueType)
    parser.add_argument("--block", type=int)
    arguments = parser.parse_args()
    if arguments.model:
        whole_file(arguments.model, SparseOptions(arguments.pattern, arguments.values, arguments.block))
    else:
        matrices((arguments.rows, arguments.columns))


if __name__ == "__main__":
    main()
