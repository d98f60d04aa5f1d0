"""Values of 4 bits, two to a byte: neighbours, or the halves of 32.

All is done in wide integers and items, as numpy is slow on short rows and on single bytes that lie apart.
"""

import numpy as np
import numpy.typing as npt

_Bytes = npt.NDArray[np.uint8]
_Codes = npt.NDArray[np.int8]

NIBBLE_ZERO = 8  # what stands for 0
_LOW = np.uint64(0x0F0F0F0F0F0F0F0F)
_FOUR = np.uint64(4)
_HALF = np.dtype("V16")


def nibbles_of(codes: _Codes) -> _Bytes:
    """Codes from -8 to 7 as 0 to 15, a byte each."""
    return (codes + np.int8(NIBBLE_ZERO)).view(np.uint8)


def join_neighbours(nibbles: _Bytes) -> _Bytes:
    """An even number of nibbles, each with its neighbour: the first in the low half of their byte."""
    wide = nibbles.view("<u2")
    joined: npt.NDArray[np.uint16] = wide | (wide >> 4)
    return joined.astype(np.uint8)


def split_neighbours(stored: _Bytes) -> _Codes:
    """The codes whose nibbles `join_neighbours` gave these bytes for."""
    wide = stored.astype("<u2")
    wide |= wide << 4
    wide &= 0x0F0F
    return _codes_in(wide.view(np.uint8))


def join_halves(nibbles: _Bytes) -> _Bytes:
    """Chunks of 32 nibbles as 16 bytes: the first 16 in the low halves, the others in the high ones; flat."""
    halves = nibbles.reshape(-1).view(_HALF).reshape(-1, 2)
    joined = np.ascontiguousarray(halves[:, 0]).view("<u8")
    high = np.ascontiguousarray(halves[:, 1]).view("<u8")
    high <<= _FOUR
    joined |= high
    return joined.view(np.uint8)


def split_halves(stored: _Bytes) -> _Codes:
    """The codes whose nibbles `join_halves` gave these bytes for; flat."""
    wide = stored.reshape(-1).view("<u8")
    halves = np.empty((wide.size // 2, 2), dtype=_HALF)
    part = wide & _LOW
    halves[:, 0] = part.view(_HALF)
    np.right_shift(wide, _FOUR, out=part)
    part &= _LOW
    halves[:, 1] = part.view(_HALF)
    return _codes_in(halves.reshape(-1).view(np.uint8))


def _codes_in(nibbles: _Bytes) -> _Codes:
    codes = nibbles.view(np.int8)
    codes -= np.int8(NIBBLE_ZERO)
    return codes
