"""The text around a place in a document, and the line its chunk would start at."""

from dataclasses import dataclass

# A longer line is data or minified: it is cut, as a chunk of it would fill a prompt.
_MAX_LINE = 400


@dataclass(frozen=True, slots=True)
class Extent:
    """How many lines to take before and after a place; its own line comes in addition."""

    before: int
    after: int


def text_around(text: str, offset: int, extent: Extent) -> str:
    """The lines around `offset`, whole but for very long ones. Costs what it returns, however large the document."""
    start = offset
    for _ in range(extent.before + 1):
        found = text.rfind("\n", max(0, start - _MAX_LINE), start)
        if found < 0:
            start = max(0, start - _MAX_LINE) if start > _MAX_LINE else -1
            break
        start = found
    start += 1
    end = offset
    for _ in range(extent.after + 1):
        found = text.find("\n", end, end + _MAX_LINE)
        if found < 0:
            end = min(len(text), end + _MAX_LINE)
            break
        end = found + 1
    return text[start:end].replace("\r\n", "\n")
