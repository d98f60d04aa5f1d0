"""Loading a model file with llama.cpp, as it is or unpacked while it is read."""

import tempfile
from collections.abc import Collection
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from assistant.engine.memory import ModelShape
from assistant.engine.native import capture_log, first_error, forget_errors, llama_cpp
from assistant.engine.packed_matrices import PackedMatrices
from assistant.engine.page_making import PageMaking
from assistant.engine.virtual_file import BLOCK_BYTES, VirtualFile
from assistant.errors import EngineError, SnedError
from export.sparse.convert import sparse_to_dense
from export.sparse.dense_view import DenseView


def load_model(path: Path, shape: ModelShape, parameters: Any, packed: Collection[str] = ()) -> Any:
    """llama.cpp's handle of the model at `path`, which its receiver has to free.

    A sparse GGUF is unpacked a tensor at a time while llama.cpp reads it: what is in memory then is what the plain file
    would have put there, in the CPU's own layouts or on a GPU. `llama_model_init_from_user`, which is made for models
    that are no file, would leave those layouts out, and hold a matrix that is both embedding and output twice.

    Args:
        path: the file.
        shape: what `read_shape` told of it.
        parameters: a `llama_model_params`.
        packed: matrices of a sparse GGUF that the sparse backend computes with: it gets them packed, so that there is
            never a plain copy of them.

    Raises:
        EngineError: the file is damaged, of a kind llama.cpp cannot run, or there is no memory for it.
    """
    capture_log()
    llama_cpp.llama_backend_init()
    forget_errors()
    if not shape.sparse:
        handle = llama_cpp.llama_model_load_from_file(str(path).encode("utf-8"), parameters)
    else:
        parameters.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE  # there is no file to be mapped
        try:
            handle = _load_unpacked(path, parameters, packed)
        except SnedError as error:
            raise EngineError(str(error)) from error
    if not handle:
        reason = first_error() or "no reason given"
        is_room = "alloc" in reason or "memory" in reason.lower()
        remedy = "offload fewer layers with --gpu-layers" if is_room else "fetch or build the model again"
        if is_room and not parameters.n_gpu_layers:
            remedy = "close other programs, or choose a smaller model"
        raise EngineError(f"llama.cpp cannot load {path}: {reason}; {remedy}.")
    return handle


def _load_unpacked(path: Path, parameters: Any, packed: Collection[str]) -> Any:
    if not VirtualFile.is_supported():
        return _load_from_copy(path, parameters)
    weights = not parameters.vocab_only
    offloads = parameters.n_gpu_layers != 0 and llama_cpp.llama_supports_gpu_offload()
    if offloads:
        # llama.cpp uploads in the background, unless it looks at what it uploads. Where a read fails then, as that of a
        # damaged file does, it frees buffers that are still copied from, and the process ends.
        parameters.check_tensors = True
    with (
        PackedMatrices(path, packed) if packed and weights else nullcontext() as taken,
        DenseView(path, BLOCK_BYTES, ahead=weights, taken=taken) as view,
        # A GPU's driver reserves large stretches of memory, too, which are not to be made.
        PageMaking(0 if taken is not None or offloads else view.size + BLOCK_BYTES) as pages,
    ):

        def read_into(offset: int, target: memoryview) -> int:
            if offset >= view.data_start:
                pages.filled(offset - view.data_start)
            return view.read_into(offset, target)

        with VirtualFile(view.size, read_into) as file:
            handle = llama_cpp.llama_model_load_from_file_ptr(file.pointer, parameters)
            if file.error is not None:
                raise file.error
            view.check_unchanged()
    return handle


def _load_from_copy(path: Path, parameters: Any) -> Any:
    """Loads a plain copy, which is deleted at once, where native code cannot read from Python."""
    with tempfile.TemporaryDirectory(prefix="sned-") as folder:
        copy = Path(folder) / "model.gguf"
        sparse_to_dense(path, copy)
        return llama_cpp.llama_model_load_from_file(str(copy).encode("utf-8"), parameters)
