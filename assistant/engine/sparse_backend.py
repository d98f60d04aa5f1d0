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

from assistant.engine.native import capture_log, llama_cpp
from assistant.engine.packable import GROUPED, MATRIX, Packable, packable_matrices
from assistant.errors import CheckpointError

SparseBackend = Literal["auto", "on", "off"]

LIBRARY = Path(__file__).parent / "lib" / "libsned_sparse.so"
DENSE = "dense"

_INTERFACE = 7  # SNED_INTERFACE of native/packed.h

_log = logging.getLogger("sned.llama")


@dataclass(frozen=True, slots=True)
class Available:
    """What this machine offers.

    Attributes:
        kernel: the fastest kernel's name; empty where the backend cannot be used.
        fast: whether that kernel is faster than dense matrices, so that it is used unasked: those of 4:8 at least.
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
        saved_bytes: what they take less than as plain ones.
    """

    def __init__(self, matrices: Collection[Packable], parameters: Any) -> None:
        """Enters matrices, if there are any, into a `llama_model_params`."""
        self.matrices = [each.name for each in matrices]
        self.backend = DENSE
        self.saved_bytes = sum(each.dense_bytes - each.packed_bytes for each in matrices)
        if not matrices:
            return
        patterns = patterns_of(self.matrices)
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
        return Available(reason="it is not built (sned doctor --build compiles it, where there is a C++ compiler)")
    try:
        library = load_library()
    except OSError as error:
        return Available(reason=f"it cannot be loaded ({error})")
    if not hasattr(library, "sned_interface") or library.sned_interface() != _INTERFACE:
        return Available(reason="it was built from another version of sned; build it again: sned doctor --build")
    built, running = library.sned_sparse_ggml().decode(), _running_ggml()
    if built != running:
        _log.warning(
            "The sparse backend is off: it was built for ggml %s, and ggml %s runs (sned doctor --build).",
            built,
            running,
        )
        return Available(reason=f"it was built for ggml {built}, and ggml {running} runs")
    capture_log()  # ggml tells of it
    load = llama_cpp.llama_cpp._lib.ggml_backend_load
    load.argtypes, load.restype = (ctypes.c_char_p,), ctypes.c_void_p
    if not load(str(LIBRARY).encode()):
        return Available(reason="ggml refuses it")
    kernel = library.sned_best_kernel()
    return Available(library.sned_kernel_name(kernel).decode(), fast=bool(library.sned_is_faster(kernel, GROUPED)))


def is_faster(matrix: Packable) -> bool:
    """Whether the backend, which is available, is so much faster with this matrix that packing it pays."""
    library = load_library()
    return bool(library.sned_is_faster(library.sned_best_kernel(), matrix.layout))


def place(path: Path, mode: SparseBackend, parameters: Any) -> Placement:
    """Has the pruned matrices of the model at `path` packed when it is loaded with `parameters`, where that is wanted.

    Args:
        path: a plain or a sparse GGUF; of others nothing is packed.
        mode: `auto` packs what the model is faster with, `on` whatever can be packed.
        parameters: a `llama_model_params`.
    """
    if mode != "off":
        available()  # whatever the first model is: ggml's list of buffer types must not change while one computes
    # A GPU computes with plain matrices, and what is left to the CPU is plain then, too.
    if mode == "off" or (parameters.n_gpu_layers != 0 and llama_cpp.llama_supports_gpu_offload()):
        return Placement([], parameters)
    try:
        matrices = packable_matrices(path)
    except CheckpointError:
        return Placement([], parameters)  # who loads it says what is wrong
    if not matrices or not available().kernel:
        return Placement([], parameters)
    if mode == "auto":
        matrices = [each for each in matrices if is_faster(each)]
    # An output that has all its weights is no reason by itself.
    return Placement(matrices if any(each.zeros for each in matrices) else [], parameters)


def patterns_of(names: Collection[str]) -> list[str]:
    """Regular expressions that match these matrices and no others, one for each kind: llama.cpp tries every one."""
    blocks: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if match := MATRIX.fullmatch(name):
            blocks[match[2]].append(match[1])
    others = [f"^{re.escape(name)}$" for name in names if not MATRIX.fullmatch(name)]
    return others + [rf"^blk\.({'|'.join(numbers)})\.{kind}\.weight$" for kind, numbers in blocks.items()]


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
