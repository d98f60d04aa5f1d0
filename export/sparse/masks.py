"""Masks as bits: which weights of a row are stored."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from export.sparse.layout import Pattern

Mask = npt.NDArray[np.bool_]
Counts = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Places = npt.NDArray[np.intp]

_ONES = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(axis=1, dtype=np.uint8)


def mask_to_bits(mask: Mask, pattern: Pattern) -> npt.NDArray[np.uint8]:
    """A mask of shape (rows, columns) as bytes, shape (rows, bytes): bit i of byte j is weight 8 j + i.

    For patterns whose last bit is implied, each group of M gives M - 1 bits, the next group's right after them.
    """
    bits = np.packbits(mask, axis=1, bitorder="little")
    if not pattern.group or pattern.mask_bits == pattern.group:
        return bits
    size = -(-mask.shape[1] // pattern.group * pattern.mask_bits // 8)
    if bits.shape[1] % 8:
        bits = np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8)))
    words = bits.view("<u8")
    for width, low in reversed(_lanes(pattern)):
        words = words & low | (words >> np.uint64(width // 2 // pattern.group)) & (low << _half(width, pattern))
    stored = np.ascontiguousarray(words.view(_spaced(pattern))["bits"])
    return stored.view(np.uint8).reshape(len(mask), -1)[:, :size]


def bits_to_mask(bits: npt.NDArray[np.uint8], columns: int, pattern: Pattern) -> Mask:
    """The mask, of shape (rows, columns), that the bytes stand for.

    Raises:
        ValueError: a group has not N survivors, or bits after the last column are set.
    """
    _check_end(bits, columns // pattern.group * pattern.mask_bits if pattern.group else columns)
    if not pattern.group:
        return np.unpackbits(bits, axis=1, count=columns, bitorder="little").view(np.bool_)
    implied = pattern.mask_bits < pattern.group
    if implied:
        bits = _with_gaps(bits, pattern)
    mask = np.unpackbits(bits, axis=1, count=columns, bitorder="little").view(np.bool_)
    missing = pattern.kept - group_counts(mask, pattern.group)
    if missing.min() < 0 or missing.max() > implied:
        raise _wrong_group(pattern)
    if implied:
        word = np.dtype(f"<u{pattern.group}")
        last = missing.astype(word) << word.type(8 * (pattern.group - 1))
        mask.reshape(-1).view(word)[:] |= last  # as whole words: writing every eighth byte is slower
    return mask


def bits_to_places(bits: npt.NDArray[np.uint8], columns: int, pattern: Pattern) -> Places:
    """Where `bits_to_mask` has ones, counted through the rows laid end to end, ascending.

    Raises:
        ValueError: as there.
    """
    if pattern.mask_bits == pattern.group or columns % 8:
        return np.flatnonzero(bits_to_mask(bits, columns, pattern))
    _check_end(bits, columns // pattern.group * pattern.mask_bits)
    eights = _with_gaps(bits, pattern)[:, : columns // 8].ravel()
    table, whole = _places_of_eights(pattern)
    if not whole.take(eights).all():
        raise _wrong_group(pattern)
    places = table.take(eights, axis=0)
    places += _first_of_eights(*places.shape)  # a column would be added row by row, which numpy is slow at
    return places.ravel()


@lru_cache
def _places_of_eights(pattern: Pattern) -> tuple[Places, Mask]:
    """For each byte of a mask whose implied bits are zero: where its survivors are, and whether it can be one."""
    bytes_of_mask = np.arange(256, dtype=np.uint8)[:, None]
    mask = np.unpackbits(bytes_of_mask, axis=1, bitorder="little").view(np.bool_)
    groups = mask.reshape(256, -1, pattern.group)
    missing = pattern.kept - np.count_nonzero(groups, axis=2)
    whole = ((missing == 0) | (missing == 1)).all(axis=1) & ~groups[:, :, -1].any(axis=1)
    groups[:, :, -1] = missing == 1
    places = np.zeros((256, 8 // pattern.group * pattern.kept), dtype=np.intp)
    places[whole] = np.nonzero(mask[whole])[1].reshape(-1, places.shape[1])
    return places, whole


@lru_cache(maxsize=4)
def _first_of_eights(count: int, kept: int) -> Places:
    """The first of each eight columns, once for each survivor among them."""
    return np.repeat(np.arange(0, 8 * count, 8), kept).reshape(count, kept)


def group_counts(mask: Mask, group: int) -> Counts:
    """How many weights of each group the mask holds, for groups of 4, 8, 16 or 32; shape (groups,)."""
    flat = np.ascontiguousarray(mask).ravel()
    if group == 4:
        return ((flat.view("<u4") * np.uint32(0x01010101)) >> np.uint32(24)).astype(np.int64)
    eights = ((flat.view("<u8") * np.uint64(0x0101010101010101)) >> np.uint64(56)).astype(np.int64)
    parts = eights.reshape(-1, group // 8)
    counts = parts[:, 0]
    for column in range(1, parts.shape[1]):
        counts = counts + parts[:, column]
    return counts


def row_counts(bits: npt.NDArray[np.uint8]) -> Counts:
    """How many ones each row of bytes has; shape (rows,)."""
    counts: Counts = _ONES.take(bits).sum(axis=1, dtype=np.int64)
    return counts


def filled(mask: Mask, counts: Counts, kept: int) -> Mask:
    """The mask with as many more weights, the first of each row, as `kept` in every row takes.

    Args:
        mask: shape (rows, columns).
        counts: what it holds in each row; at most `kept`.
        kept: what each row is to hold.
    """
    return _filled(mask, kept - counts)


def filled_groups(mask: Mask, pattern: Pattern) -> Mask:
    """The mask with exactly N weights in every group of M.

    Raises:
        ValueError: a group has more.
    """
    missing = pattern.kept - group_counts(mask, pattern.group)
    if missing.min() < 0:
        row, group = divmod(int(np.argmin(missing)), mask.shape[1] // pattern.group)
        raise ValueError(f"more than {pattern} weights survive in row {row} from column {group * pattern.group} on")
    return _filled(mask.reshape(-1, pattern.group), missing).reshape(mask.shape)


def _check_end(bits: npt.NDArray[np.uint8], stored: int) -> None:
    if stored % 8 and (bits[:, -1] >> (stored % 8)).any():
        raise ValueError("its mask has bits after the last column")


def _wrong_group(pattern: Pattern) -> ValueError:
    return ValueError(f"its mask has a group that does not hold {pattern} survivors")


def _filled(mask: Mask, missing: Counts) -> Mask:
    (short,) = np.nonzero(missing)
    if not short.size:
        return mask
    full = mask.copy()
    free = ~mask[short]
    full[short] |= free & (np.cumsum(free, axis=1) <= missing[short, None])
    return full


def _lanes(pattern: Pattern) -> list[tuple[int, np.uint64]]:
    """For words of 64 mask bits, from the widest lane to the narrowest: width, and stored bits of the lower half.

    A lane holds whole groups.
    """
    lanes = []
    width = 64
    while width > pattern.group:
        lane = (1 << int(_half(width, pattern))) - 1
        lanes.append((width, np.uint64(sum(lane << shift for shift in range(0, 64, width)))))
        width //= 2
    return lanes


def _half(width: int, pattern: Pattern) -> np.uint64:
    """Bits stored for half a lane."""
    return np.uint64(width // 2 // pattern.group * pattern.mask_bits)


def _spaced(pattern: Pattern) -> np.dtype[np.void]:
    """Eight bytes of whole masks, and how many of them are stored: as items, as numpy is slow on short rows."""
    used = 8 * pattern.mask_bits // pattern.group
    return np.dtype([("bits", f"V{used}"), ("gap", f"V{8 - used}")])


def _with_gaps(bits: npt.NDArray[np.uint8], pattern: Pattern) -> npt.NDArray[np.uint8]:
    """The bytes of masks whose implied bits are there, as zeros; there may be bytes too many."""
    used = 8 * pattern.mask_bits // pattern.group
    rows, size = bits.shape
    if size % used:
        bits = np.pad(bits, ((0, 0), (0, -size % used)))
    spaced = np.zeros((rows, -(-size // used)), dtype=_spaced(pattern))
    spaced["bits"] = np.ascontiguousarray(bits).view(spaced.dtype["bits"])
    words = spaced.view("<u8")
    for width, low in _lanes(pattern):
        words = words & low | (words & (low << _half(width, pattern))) << np.uint64(width // 2 // pattern.group)
    return words.view(np.uint8).reshape(rows, -1)
