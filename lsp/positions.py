"""Columns as a client counts them: UTF-8, UTF-16 or UTF-32 code units, against Python's code points."""

from lsprotocol.types import PositionEncodingKind

_CODECS = {
    PositionEncodingKind.Utf8: ("utf-8", 1),
    PositionEncodingKind.Utf16: ("utf-16-le", 2),
}


def code_points(line: str, units: int, encoding: PositionEncodingKind) -> int:
    """Code points in the first `units` code units of `line`: all of them when it is shorter.

    A place inside a character counts as the place before it.
    """
    head = line[:units]  # no character is less than one unit
    if encoding is PositionEncodingKind.Utf32 or head.isascii():
        return len(head)
    codec, width = _CODECS[encoding]
    return len(head.encode(codec)[: units * width].decode(codec, errors="ignore"))


def code_units(text: str, encoding: PositionEncodingKind) -> int:
    """Code units that `text` takes."""
    if encoding is PositionEncodingKind.Utf32 or text.isascii():
        return len(text)
    codec, width = _CODECS[encoding]
    return len(text.encode(codec)) // width
