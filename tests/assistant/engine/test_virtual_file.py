"""Made-up files, read by the C library as native code would."""

import ctypes
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.engine.native import llama_cpp
from assistant.engine.virtual_file import VirtualFile

pytestmark = pytest.mark.skipif(not VirtualFile.is_supported(), reason="the C library has no fopencookie")

C = ctypes.CDLL(None)
C.fread.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_void_p)
C.fread.restype = ctypes.c_size_t
C.fseeko.argtypes = (ctypes.c_void_p, ctypes.c_int64, ctypes.c_int)
C.ftello.argtypes = (ctypes.c_void_p,)
C.ftello.restype = ctypes.c_int64
C.ferror.argtypes = (ctypes.c_void_p,)


def of(data: bytes) -> VirtualFile:
    def read_into(offset: int, target: memoryview) -> int:
        size = min(len(target), 70_000 - offset % 70_000)  # no further than the end of a part
        target[:size] = data[offset : offset + size]
        return size

    return VirtualFile(len(data), read_into)


def read(file: VirtualFile, size: int) -> bytes:
    target = ctypes.create_string_buffer(size)
    length = C.fread(target, 1, size, file.pointer)
    return target.raw[:length]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1_000_000), st.lists(st.tuples(st.integers(0, 1_100_000), st.integers(1, 600_000)), max_size=8))
def test_what_is_read_is_what_the_function_gives(size: int, reads: list[tuple[int, int]]) -> None:
    data = bytes(range(251)) * (size // 251) + bytes(size % 251)
    with of(data) as file:
        for offset, length in reads:
            assert C.fseeko(file.pointer, offset, os.SEEK_SET) == 0
            assert read(file, length) == data[offset : offset + length]
        assert C.fseeko(file.pointer, 0, os.SEEK_END) == 0
        assert C.ftello(file.pointer) == size


def test_seeking_before_the_beginning_fails() -> None:
    with of(b"abc") as file:
        assert C.fseeko(file.pointer, -1, os.SEEK_SET) == -1
        assert C.fseeko(file.pointer, -1, os.SEEK_END) == 0
        assert read(file, 5) == b"c"


def test_an_error_of_the_function_is_kept_and_the_reader_s_too() -> None:
    def broken(offset: int, target: memoryview) -> int:
        raise ValueError(f"nothing at {offset}")

    with VirtualFile(10, broken) as file:
        assert read(file, 4) == b""
        assert C.ferror(file.pointer)
        assert str(file.error) == "nothing at 0"


def test_llama_cpp_loads_a_model_from_one(tiny_path: Path) -> None:
    data = tiny_path.read_bytes()
    parameters = llama_cpp.llama_model_default_params()
    parameters.load_mode = llama_cpp.LLAMA_LOAD_MODE_NONE
    with of(data) as file:
        model = llama_cpp.llama_model_load_from_file_ptr(file.pointer, parameters)
    assert model
    loaded = llama_cpp.llama_model_load_from_file(str(tiny_path).encode(), parameters)
    assert llama_cpp.llama_model_n_params(model) == llama_cpp.llama_model_n_params(loaded)
    assert llama_cpp.llama_model_size(model) == llama_cpp.llama_model_size(loaded)
    llama_cpp.llama_model_free(model)
    llama_cpp.llama_model_free(loaded)
