"""Computing with pruned matrices in packed form: whether that is possible here, and giving a model's matrices to it.

The library is built from `native/` beside the installed llama.cpp, whose internal structures it shares: it is used only
with the very ggml that it was built for. docs/sparse-backend.md tells of it.
"""

import ctypes
import functools
import logging
import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from assistant.engine.native import capture_log, llama_cpp
from assistant.errors import CheckpointError
from export.sparse.dense import Q8_0, VALUES_OF, coded
from export.sparse.records import is_sparse, read_records
from prune.gguf_file import GGUFFile, TensorInfo

SparseBackend = Literal["auto", "on", "off"]

LIBRARY = Path(__file__).parent / "lib" / "libsned_sparse.so"
DENSE = "dense"

# The one kernel that is faster than llama.cpp's own for 8-bit values in order; others have to be asked for.
_FAST_KERNEL = 2
_INTERFACE = 3  # SNED_INTERFACE of native/packed.h
_MATRIX = re.compile(r"blk\.(\d+)\.((?:attn|ffn)_\w+)\.weight")
_OUTPUT = "output.weight"
_MOST_COLUMNS = 1 << 17
_SAMPLE_BLOCKS = 2048
_FEW_ZEROS = 0.3  # with fewer, a mask and its bookkeeping cost what they save

_log = logging.getLogger("sned.llama")


@dataclass(frozen=True, slots=True)
class Available:
    """What this machine offers.

    Attributes:
        kernel: the fastest kernel's name; empty where the backend cannot be used.
        fast: whether that kernel is faster than dense matrices, so that it is used unasked.
        reason: why the backend cannot be used; empty where it can.
    """

    kernel: str = ""
    fast: bool = False
    reason: str = ""


class _Override(ctypes.Structure):
    """`llama_model_tensor_buft_override`."""

    _fields_ = (("pattern", ctypes.c_char_p), ("buffer_type", ctypes.c_void_p))


class Placement:
    """Where a model's matrices go when it is loaded; has to live until then.

    Attributes:
        matrices: the names of those that are packed.
        backend: what computes with them: `dense`, or `sparse` and the kernel's name.
    """

    def __init__(self, matrices: Collection[str], parameters: Any) -> None:
        """Enters matrices, if there are any, into a `llama_model_params`."""
        self.matrices = matrices
        self.backend = DENSE
        if not matrices:
            return
        patterns = patterns_of(matrices)
        buffer_type = load_library().sned_sparse_buffer_type()
        self._overrides = (_Override * (len(patterns) + 1))(
            *(_Override(pattern.encode(), buffer_type) for pattern in patterns)
        )
        parameters.tensor_buft_overrides = ctypes.addressof(self._overrides)
        parameters.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE  # mapped pages of what is packed would count as memory
        self.backend = f"sparse ({available().kernel})"


@functools.cache
def available() -> Available:
    """Whether the backend can be used here; warns once if it is there and was built for another ggml."""
    if not LIBRARY.is_file():
        return Available(reason="it is not built")
    try:
        library = load_library()
    except OSError as error:
        return Available(reason=f"it cannot be loaded ({error})")
    if not hasattr(library, "sned_interface") or library.sned_interface() != _INTERFACE:
        return Available(reason="it was built from another version of sned; build it again: python native/build.py")
    built, running = library.sned_sparse_ggml().decode(), _running_ggml()
    if built != running:
        _log.warning(
            "The sparse backend is off: it was built for ggml %s, and ggml %s runs; build it again.", built, running
        )
        return Available(reason=f"it was built for ggml {built}, and ggml {running} runs")
    capture_log()  # ggml tells of it
    load = llama_cpp.llama_cpp._lib.ggml_backend_load
    load.argtypes, load.restype = (ctypes.c_char_p,), ctypes.c_void_p
    if not load(str(LIBRARY).encode()):
        return Available(reason="ggml refuses it")
    kernel = library.sned_best_kernel()
    return Available(library.sned_kernel_name(kernel).decode(), fast=kernel == _FAST_KERNEL)


def place(path: Path, mode: SparseBackend, parameters: Any) -> Placement:
    """Has the pruned matrices of the model at `path` packed when it is loaded with `parameters`, where that is wanted.

    Args:
        path: a plain or a sparse GGUF; of others nothing is packed.
        mode: `auto` packs where it makes the model faster, `on` wherever it is possible.
        parameters: a `llama_model_params`.
    """
    layers = parameters.n_gpu_layers  # those below 0 are all of them
    if mode == "off" or layers > 0 or (layers < 0 and llama_cpp.llama_supports_gpu_offload()):
        return Placement([], parameters)
    try:
        matrices = placed_matrices(path)
    except CheckpointError:
        return Placement([], parameters)  # who loads it says what is wrong
    if not matrices or not (found := available()).kernel or (mode == "auto" and not found.fast):
        return Placement([], parameters)
    return Placement(matrices, parameters)


def placed_matrices(path: Path) -> list[str]:
    """The names of the matrices that the backend computes with: those of `pruned_matrices`, and with them the output.

    That one has all its weights. It is as large as a quarter of a small model, read for every token, and from panels in
    large pages that is done sooner than from rows.

    Raises:
        CheckpointError: the file is damaged.
    """
    matrices = pruned_matrices(path)
    with GGUFFile(path) as file:
        output = file.tensors.get(_OUTPUT)
        if matrices and output is not None and output.type is Q8_0 and output.shape[-1] <= _MOST_COLUMNS:
            matrices.append(_OUTPUT)
    return matrices


def pruned_matrices(path: Path) -> list[str]:
    """The names of a model's matrices that have many zeros and are of a type that can be packed.

    Raises:
        CheckpointError: the file is damaged.
    """
    with GGUFFile(path) as file:
        if is_sparse(file):
            packed = read_records(file).values()
            shapes = [(each.name, each.shape, each.dense_type) for each in packed]
            return [name for name, shape, kind in shapes if _can_pack(name, shape, kind)]
        tensors = [each for each in file.tensors.values() if _can_pack(each.name, each.shape, each.type)]
        return [each.name for each in tensors if _zeros(file, each) >= _FEW_ZEROS]


def patterns_of(names: Collection[str]) -> list[str]:
    """Regular expressions that match these matrices and no others, one for each kind: llama.cpp tries every one."""
    blocks: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if match := _MATRIX.fullmatch(name):
            blocks[match[2]].append(match[1])
    others = [f"^{re.escape(name)}$" for name in names if not _MATRIX.fullmatch(name)]
    return others + [rf"^blk\.({'|'.join(numbers)})\.{kind}\.weight$" for kind, numbers in blocks.items()]


def _can_pack(name: str, shape: tuple[int, ...], kind: GGMLQuantizationType) -> bool:
    fits = kind in VALUES_OF and len(shape) == 2 and shape[-1] <= _MOST_COLUMNS
    return fits and _MATRIX.fullmatch(name) is not None


def _zeros(file: GGUFFile, tensor: TensorInfo) -> float:
    """The share of zeros in the matrix's first blocks."""
    block, block_bytes = GGML_QUANT_SIZES[tensor.type]
    data = np.frombuffer(next(iter(file.copy_chunks(tensor, _SAMPLE_BLOCKS * block_bytes))), dtype=np.uint8)
    blocks = data[: data.size // block_bytes * block_bytes].reshape(-1, block_bytes)
    matrix = coded(blocks.ravel(), (len(blocks), block), tensor.type)
    return 1 - np.count_nonzero(matrix.codes) / matrix.codes.size


@functools.cache
def load_library() -> ctypes.CDLL:
    """The library, which need not be usable: `available` tells.

    Raises:
        OSError: it is not there, or cannot be loaded.
    """
    library = ctypes.CDLL(str(LIBRARY))
    library.sned_sparse_ggml.restype = ctypes.c_char_p
    library.sned_kernel_name.restype = ctypes.c_char_p
    library.sned_sparse_buffer_type.restype = ctypes.c_void_p
    for name in ("sned_pack_bound", "sned_pack_file"):
        if hasattr(library, name):  # `available` tells of a library that is older
            getattr(library, name).restype = ctypes.c_size_t
    return library


def _running_ggml() -> str:
    library = llama_cpp.llama_cpp._lib
    library.ggml_version.restype = library.ggml_commit.restype = ctypes.c_char_p
    return f"{library.ggml_version().decode()} {library.ggml_commit().decode()}"
