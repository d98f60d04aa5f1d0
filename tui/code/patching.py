"""Applying a diff that a model wrote: line numbers are not to be trusted, the lines around a change are."""

import re
from dataclasses import dataclass

from assistant.errors import AnswerError

_HEADER = re.compile(r"^(?:diff |index |--- |\+\+\+ |new file|deleted file|similarity |rename )")
_HUNK = re.compile(r"^@@(?: -(\d+))?")


@dataclass(slots=True)
class _Hunk:
    near: int
    before: list[str]
    after: list[str]


def is_diff(code: str) -> bool:
    """Whether a code block is a unified diff."""
    lines = code.splitlines()
    return any(_HUNK.match(line) for line in lines) and any(line[:1] in {"+", "-"} for line in lines)


def patched(before: str, diff: str) -> str:
    """The text with a unified diff applied.

    Raises:
        AnswerError: lines that the diff has are not in the text, or not only once.
    """
    lines = before.splitlines()
    shift = 0
    for number, hunk in enumerate(_hunks(diff), 1):
        place = _find(lines, hunk.before, hunk.near + shift)
        if place is None:
            raise AnswerError(
                f"Part {number} of the diff has lines that the file does not have, so nothing is changed; "
                "ask for the whole function."
            )
        lines[place : place + len(hunk.before)] = hunk.after
        shift += len(hunk.after) - len(hunk.before)
    return "".join(f"{line}\n" for line in lines)


def _hunks(diff: str) -> list[_Hunk]:
    hunks: list[_Hunk] = []
    for line in diff.splitlines():
        if (match := _HUNK.match(line)) is not None:
            hunks.append(_Hunk(int(match[1] or 1) - 1, [], []))
        elif not hunks or _HEADER.match(line) or line.startswith("\\"):
            continue
        elif line.startswith("+"):
            hunks[-1].after.append(line[1:])
        elif line.startswith("-"):
            hunks[-1].before.append(line[1:])
        else:
            hunks[-1].before.append(line[1:])
            hunks[-1].after.append(line[1:])
    return hunks


def _find(lines: list[str], wanted: list[str], near: int) -> int | None:
    """Where the wanted lines stand, nearest to where they are said to be; white space at their ends does not count."""
    if not wanted:
        return max(0, min(near, len(lines)))
    stripped, sought = [line.rstrip() for line in lines], [line.rstrip() for line in wanted]
    found = [
        place for place in range(len(stripped) - len(sought) + 1) if stripped[place : place + len(sought)] == sought
    ]
    return min(found, key=lambda place: abs(place - near), default=None)
