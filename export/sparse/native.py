"""Unpacking by native code, where it was built: what numpy does, in an eighth of the time."""

import ctypes
import functools
import sys
from pathlib import Path

import numpy as np
from gguf.constants import GGMLQuantizationType

from export.sparse.layout import SparseLayout, ValueType
from export.sparse.packing import PackedMatrix
from export.sparse.values import Bytes

LIBRARY = Path(__file__).parent / "lib" / "libsned_unpacking.so"
_INTERFACE = 1  # SNED_UNPACKING_INTERFACE of native/unpacking.h
_BITS = {ValueType.INT8: 8, ValueType.INT4: 4}
_DENSE_BITS = {GGMLQuantizationType.Q8_0: 8, GGMLQuantizationType.Q4_0: 4}


class FileForm(ctypes.Structure):
    """`sned_file_form` of native/packed.h: a packed matrix's layout."""

    _fields_ = tuple(
        (name, ctypes.c_int64) for name in ("rows", "columns", "bits", "block", "group", "kept_of", "kept")
    )

    @classmethod
    def of(cls, layout: SparseLayout) -> "FileForm":
        """A layout in the library's words."""
        form, pattern = layout.format, layout.format.pattern
        kept = -1 if layout.kept is None else layout.kept
        return cls(layout.rows, layout.columns, _BITS[form.values], form.block, pattern.group, pattern.kept, kept)


def is_available() -> bool:
    """Whether the library is there and can be used."""
    return _library() is not None


def can_unpack(dense_type: GGMLQuantizationType) -> bool:
    """Whether there is native code that gives packed matrices as this type."""
    return dense_type in _DENSE_BITS and is_available()


def unpack_part(packed: PackedMatrix, dense_type: GGMLQuantizationType, start: int, out: Bytes) -> bool:
    """Fills `out` with what the matrix has from byte `start` on as a plain GGUF stores it; for several threads at once.

    Whether that was possible: if not, numpy says what is wrong with the bytes, and what was written is of no use.
    """
    library = _library()
    if library is None or dense_type not in _DENSE_BITS:
        return False
    data = np.ascontiguousarray(packed.data)
    return bool(
        library.sned_unpack_file(
            ctypes.byref(FileForm.of(packed.layout)),
            ctypes.c_void_p(data.ctypes.data),
            ctypes.c_size_t(data.size),
            ctypes.c_int64(_DENSE_BITS[dense_type]),
            ctypes.c_int64(start),
            ctypes.c_int64(start + out.size),
            ctypes.c_void_p(out.ctypes.data),
        )
    )


@functools.cache
def _library() -> ctypes.CDLL | None:
    """The library, if it is there and of this version."""
    if sys.byteorder != "little" or not LIBRARY.is_file():
        return None
    try:
        library = ctypes.CDLL(str(LIBRARY))
    except OSError:
        return None
    if not hasattr(library, "sned_unpacking_interface") or library.sned_unpacking_interface() != _INTERFACE:
        return None
    return library
