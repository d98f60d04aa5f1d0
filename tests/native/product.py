"""One matrix product in ggml, as llama.cpp would compute it: in the layout that ggml chooses, or packed."""

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt
from gguf.constants import GGMLQuantizationType

from assistant.engine import sparse_backend
from assistant.engine.native import llama_cpp
from tests.native.kernels import load, numbers, pointer

_MEMORY = 1 << 20
_KERNELS = 5


class _Parameters(ctypes.Structure):  # ggml_init_params
    _fields_ = (("size", ctypes.c_size_t), ("buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool))


class Product:
    """A matrix in the layout that ggml chooses for it, or packed, and what it is multiplied with."""

    def __init__(
        self,
        kind: GGMLQuantizationType,
        data: npt.NDArray[np.uint8],
        shape: tuple[int, int],
        inputs: npt.NDArray[np.float32],
        *,
        packed: bool = False,
        threads: int = 1,
        times: int = 1,
    ) -> None:
        """Takes a matrix's bytes as `kind`, its shape (rows, columns), and inputs of shape (tokens, columns).

        The graph has the product so many times, one after another.
        """
        ggml = self._ggml = _library()
        rows, columns = shape
        self._shape = len(inputs), rows
        self._context = ctypes.c_void_p(ggml.ggml_init(_Parameters(_MEMORY, None, True)))
        weights = ctypes.c_void_p(ggml.ggml_new_tensor_2d(self._context, int(kind), *numbers(columns, rows)))
        x = ctypes.c_void_p(ggml.ggml_new_tensor_2d(self._context, 0, *numbers(columns, len(inputs))))
        self._graph = ctypes.c_void_p(ggml.ggml_new_graph(self._context))
        results = [ctypes.c_void_p(ggml.ggml_mul_mat(self._context, weights, x)) for _ in range(times)]
        for y in results:
            ggml.ggml_build_forward_expand(self._graph, y)
        self._y = results[-1]
        cpu = ctypes.c_void_p(ggml.ggml_backend_cpu_buffer_type())
        self._buffers = [self._place(tensor, cpu) for tensor in (x, *results)]
        self._backend = ctypes.c_void_p(ggml.ggml_backend_cpu_init())
        ggml.ggml_backend_cpu_set_n_threads(self._backend, threads)
        if packed:
            assert sparse_backend.available().kernel
            own = ctypes.c_void_p(sparse_backend.load_library().sned_sparse_buffer_type())
        else:
            own = self._repacking(weights) or cpu
        self._buffers.append(self._place(weights, own))
        ggml.ggml_backend_tensor_set(weights, pointer(data), ctypes.c_size_t(0), ctypes.c_size_t(data.size))
        ggml.ggml_backend_tensor_set(x, pointer(inputs), ctypes.c_size_t(0), ctypes.c_size_t(inputs.nbytes))

    def run(self) -> None:
        """Computes it."""
        assert self._ggml.ggml_backend_graph_compute(self._backend, self._graph) == 0

    def result(self) -> npt.NDArray[np.float32]:
        """What was computed, shape (tokens, rows)."""
        out = np.empty(self._shape, dtype=np.float32)
        self._ggml.ggml_backend_tensor_get(self._y, pointer(out), ctypes.c_size_t(0), ctypes.c_size_t(out.nbytes))
        return out

    def close(self) -> None:
        """Frees its memory."""
        self._ggml.ggml_backend_free(self._backend)
        for buffer in self._buffers:
            self._ggml.ggml_backend_buffer_free(buffer)
        self._ggml.ggml_free(self._context)

    def _place(self, tensor: ctypes.c_void_p, kind: ctypes.c_void_p) -> ctypes.c_void_p:
        ggml = self._ggml
        size = ctypes.c_size_t(ggml.ggml_backend_buft_get_alloc_size(kind, tensor))
        buffer = ctypes.c_void_p(ggml.ggml_backend_buft_alloc_buffer(kind, size))
        base = ctypes.c_void_p(ggml.ggml_backend_buffer_get_base(buffer))
        assert ggml.ggml_backend_tensor_alloc(buffer, tensor, base) == 0
        return buffer

    def _repacking(self, weights: ctypes.c_void_p) -> ctypes.c_void_p | None:
        """The buffer type of ggml's own layouts, if it has one for this matrix on this processor."""
        ggml = self._ggml
        device = ctypes.c_void_p(ggml.ggml_backend_get_device(self._backend))
        registry = ctypes.c_void_p(ggml.ggml_backend_dev_backend_reg(device))
        address = ggml.ggml_backend_reg_get_proc_address(registry, b"ggml_backend_dev_get_extra_bufts")
        function = ctypes.CFUNCTYPE(ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p)(address)
        for kind in function(device) or ():
            if kind is None:
                return None
            buffer = ctypes.c_void_p(kind)
            ggml.ggml_backend_buft_name.restype = ctypes.c_char_p
            if ggml.ggml_backend_buft_name(buffer) == b"CPU_REPACK" and self._takes(buffer, weights):
                return buffer
        return None

    def _takes(self, kind: ctypes.c_void_p, weights: ctypes.c_void_p) -> bool:
        """Whether ggml would compute with this matrix in a buffer of this type; asked as llama.cpp asks."""
        ggml = self._ggml
        empty = ctypes.c_void_p(ggml.ggml_backend_buft_alloc_buffer(kind, ctypes.c_size_t(0)))
        probe: Any = ctypes.cast(weights, ctypes.POINTER(_TensorHead)).contents
        probe.buffer = empty
        device = ctypes.c_void_p(ggml.ggml_backend_get_device(self._backend))
        takes = bool(ggml.ggml_backend_dev_supports_op(device, self._y) & 1)
        probe.buffer = None
        ggml.ggml_backend_buffer_free(empty)
        return takes


def use_kernel(name: str) -> None:
    """Has matrices packed for a certain kernel, and multiplied by it, from now on in this process.

    Raises:
        ValueError: there is no such kernel, or this processor does not run it.
    """
    libraries = [load(), sparse_backend.load_library()]
    for library in libraries:
        library.sned_kernel_name.restype = ctypes.c_char_p
        numbers_of = {library.sned_kernel_name(number).decode(): number for number in range(_KERNELS)}
        if name not in numbers_of or not library.sned_has_kernel(numbers_of[name]):
            raise ValueError(f"This processor does not run {name!r}; choose one of {[*numbers_of]}.")
        library.sned_use_kernel(numbers_of[name])
    sparse_backend.available.cache_clear()


class _TensorHead(ctypes.Structure):  # how ggml_tensor begins
    _fields_ = (("type", ctypes.c_int), ("buffer", ctypes.c_void_p))


def _library() -> ctypes.CDLL:
    ggml = llama_cpp.llama_cpp._lib
    for name in (
        *("init", "new_tensor_2d", "mul_mat", "new_graph", "backend_cpu_buffer_type", "backend_cpu_init"),
        *("backend_buft_alloc_buffer", "backend_buffer_get_base", "backend_get_device"),
        *("backend_dev_backend_reg", "backend_reg_get_proc_address"),
    ):
        getattr(ggml, f"ggml_{name}").restype = ctypes.c_void_p
    ggml.ggml_backend_buft_get_alloc_size.restype = ctypes.c_size_t
    return ggml
