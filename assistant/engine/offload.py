"""GPUs that llama.cpp can offload to, and how much of a model they have room for."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

from assistant.engine.memory import WORKING_BYTES, ModelShape, cache_tokens
from assistant.engine.native import capture_log, llama_cpp

ALL_LAYERS = -1  # llama.cpp's own number for that

_GPU, _INTEGRATED = 1, 2  # ggml_backend_dev_type of ggml-backend.h
# Side by side, texts have a KV cache of their own, and a desktop draws on the same memory.
_SPARE_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU.

    Attributes:
        name: what its backend calls it, such as `CUDA0`.
        description: what it is.
        free, total: bytes of its memory; 0 where its backend does not say.
        integrated: whether its memory is the machine's.
    """

    name: str
    description: str
    free: int
    total: int
    integrated: bool


def gpus() -> list[Device]:
    """Those that llama.cpp takes: integrated ones where there is no other, as it does.

    Empty where llama.cpp was built for the CPU alone, or its backend finds no device.
    """
    capture_log()  # backends tell of what they find
    if not llama_cpp.llama_supports_gpu_offload():
        return []
    library = _library()
    if library is None:
        return [Device("GPU", "which one is not known", 0, 0, integrated=False)]
    found = []
    for index in range(library.ggml_backend_dev_count()):
        device = ctypes.c_void_p(library.ggml_backend_dev_get(ctypes.c_size_t(index)))
        kind = library.ggml_backend_dev_type(device)
        if kind not in (_GPU, _INTEGRATED):
            continue
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        library.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
        name, description = library.ggml_backend_dev_name(device), library.ggml_backend_dev_description(device)
        found.append(Device(_text(name), _text(description), free.value, total.value, kind == _INTEGRATED))
    return [each for each in found if not each.integrated] or found


def layers_that_fit(shape: ModelShape, context: int, devices: Sequence[Device]) -> int:
    """How many layers to offload, the output matrix being one, as llama.cpp counts: `ALL_LAYERS` if there is room.

    Args:
        shape: of the model, whose weights are unpacked on a GPU.
        context: tokens that it is opened with.
        devices: the GPUs, over which layers are spread by their free memory.
    """
    if not devices:
        return 0
    if not all(each.total for each in devices):
        return ALL_LAYERS  # nothing is known, so llama.cpp may try
    room = sum(each.free for each in devices) - len(devices) * (WORKING_BYTES + _SPARE_BYTES) - shape.output_bytes
    if room < 0:
        return 0
    fitting = room * shape.layers // (shape.block_bytes + shape.kv_bytes_per_token * cache_tokens(context))
    return ALL_LAYERS if fitting >= shape.layers else 1 + fitting


def offloaded_bytes(shape: ModelShape, context: int, layers: int, devices: Sequence[Device]) -> int:
    """What so many offloaded layers leave free in the machine's own memory: nothing where that is the GPU's, too."""
    if not devices or devices[0].integrated or layers == 0:
        return 0
    blocks = shape.layers if layers < 0 else min(layers - 1, shape.layers)
    return blocks * (shape.block_bytes + shape.kv_bytes_per_token * cache_tokens(context)) // shape.layers


def described(shape: ModelShape, layers: int, devices: Sequence[Device]) -> str:
    """Where so many offloaded layers are; empty if none is."""
    whole = shape.layers + 1
    there = whole if layers < 0 else min(layers, whole)
    return f"{there} of {whole} layers on {', '.join(each.name for each in devices)}" if there and devices else ""


def _library() -> ctypes.CDLL | None:
    library: ctypes.CDLL = llama_cpp.llama_cpp._lib
    if not hasattr(library, "ggml_backend_dev_count"):  # on Windows a library does not give what those it needs have
        return None
    library.ggml_backend_dev_count.restype = ctypes.c_size_t
    library.ggml_backend_dev_get.restype = ctypes.c_void_p
    library.ggml_backend_dev_name.restype = library.ggml_backend_dev_description.restype = ctypes.c_char_p
    library.ggml_backend_dev_memory.restype = None
    return library


def _text(name: bytes | None) -> str:
    return (name or b"").decode("utf-8", errors="replace")
