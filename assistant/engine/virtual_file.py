"""Files that are made up while they are read, for native code that takes a C `FILE *`."""

import ctypes
import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

# Reads come in pieces of the stream's buffer, and begin at multiples of its size: the C library's own 4 KiB would call
# Python 100,000 times a model.
BLOCK_BYTES = 1 << 20

_Read = ctypes.CFUNCTYPE(ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_Seek = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int64), ctypes.c_int)


class _Functions(ctypes.Structure):
    """`cookie_io_functions_t` of fopencookie(3)."""

    _fields_ = (("read", _Read), ("write", ctypes.c_void_p), ("seek", _Seek), ("close", ctypes.c_void_p))


class VirtualFile:
    """A `FILE *` for reading whose bytes a function gives. Usable where the C library has fopencookie(3), as Linux has.

    Attributes:
        pointer: the `FILE *`; valid until `close`.
        error: what the function raised last, if it did: the reader then sees a failing disk.
    """

    def __init__(self, size: int, read_into: Callable[[int, memoryview], int]) -> None:
        """A file of `size` bytes. `read_into` is given an offset and a buffer, and gives how much of it it has filled.

        Raises:
            OSError: the C library cannot open it.
        """
        self.error: BaseException | None = None
        self._size = size
        self._read_into = read_into
        self._position = 0
        self._functions = _Functions(_Read(self._read), None, _Seek(self._seek), None)
        self._buffer = ctypes.create_string_buffer(BLOCK_BYTES)
        library = _library()
        self._close = library.fclose
        self.pointer: int | None = library.fopencookie(None, b"rb", self._functions)
        if not self.pointer:
            raise OSError(ctypes.get_errno(), f"no virtual file: {os.strerror(ctypes.get_errno())}")
        library.setvbuf(self.pointer, self._buffer, 0, BLOCK_BYTES)  # 0 is _IOFBF, buffered, on all systems

    @staticmethod
    def is_supported() -> bool:
        """Whether this system has such files."""
        return sys.platform != "win32" and hasattr(ctypes.CDLL(None), "fopencookie")

    def close(self) -> None:
        """Closes the stream; closed again, it does nothing."""
        if self.pointer:
            self._close(self.pointer)
            self.pointer = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, _cookie: int | None, target: int, size: int) -> int:
        size = max(0, min(size, self._size - self._position))
        if not size:
            return 0
        try:
            size = self._read_into(self._position, memoryview((ctypes.c_char * size).from_address(target)).cast("B"))
        except BaseException as error:  # noqa: BLE001 - native code cannot pass it on
            self.error = error
            return -1
        self._position += size
        return size

    def _seek(self, _cookie: int | None, offset: Any, whence: int) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}.get(whence)
        if base is None or base + offset[0] < 0:
            return -1
        self._position = offset[0] = base + offset[0]
        return 0


def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(None, use_errno=True)
    library.fopencookie.argtypes = (ctypes.c_void_p, ctypes.c_char_p, _Functions)
    library.fopencookie.restype = ctypes.c_void_p
    library.setvbuf.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.c_size_t)
    library.fclose.argtypes = (ctypes.c_void_p,)
    return library
