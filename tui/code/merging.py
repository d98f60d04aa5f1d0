"""What becomes of a file when a code block of an answer is applied to it; the user sees the difference before it is."""

import difflib
import re
from pathlib import Path

from assistant.grammars import Grammar, grammar_of
from tui.code.definitions import Place, places
from tui.code.patching import is_diff, patched

# A block this much like the whole file is the whole file.
_ALIKE = 0.6
_LINES_COMPARED = 4_000


def merged(before: str, code: str, path: Path) -> str:
    """The text of the file at `path` after a code block was applied.

    A diff is applied as one. Functions and classes take the place of those with the same names, and others go where
    they stand in relation to them. Anything else takes the place of the stretch that begins and ends like it, or of
    all.

    Raises:
        AnswerError: a diff does not fit the file.
    """
    code = code.rstrip() + "\n"
    if is_diff(code):
        return patched(before, code)
    if not before.strip():
        return code
    grammar = grammar_of(path=path)
    by_definitions = _by_definitions(before, code, grammar) if grammar is not None else None
    if by_definitions is not None:
        return by_definitions
    return _by_likeness(before, code)


def _by_definitions(before: str, code: str, grammar: Grammar) -> str | None:
    """The file with what the block defines; None when the block is the whole file, or defines nothing of it."""
    old, new = _outer(places(before, grammar)), _outer(places(code, grammar))
    old_names, new_names = [each.name for each in old], [each.name for each in new]
    shared = [name for name in new_names if name in old_names]
    members = {each.name.rpartition(".")[2]: each for each in places(before, grammar) if "." in each.name}
    if not shared and len(new) == 1 and new[0].name in members and _is_only(code, new):
        return _with_member(before, code, members[new[0].name])
    if not shared or (set(old_names) <= set(new_names) and _has_more_than(code, new, before, old)):
        return None
    lines, added = before.splitlines(), code.splitlines()
    # From the end on, so that earlier places stay where they are.
    for name in sorted(shared, key=lambda name: -_named(old, name).begin):
        there, here = _named(old, name), _named(new, name)
        lines[there.begin : there.end] = added[here.begin : here.end]
    text = "\n".join(lines) + "\n"
    text = _with_imports(text, _around(added, new), grammar)
    for number, name in enumerate(new_names):
        if name not in old_names:
            here = _named(new, name)
            known = {place.name for place in _outer(places(text, grammar))}
            after = next((each for each in reversed(new_names[:number]) if each in known), None)
            text = _with_definition(text, "\n".join(added[here.begin : here.end]), after, grammar)
    return text


def _with_member(before: str, code: str, there: Place) -> str:
    lines = before.splitlines()
    indentation = re.match(r"\s*", lines[there.begin])[0]  # type: ignore[index]
    own = re.match(r"\s*", code)[0]  # type: ignore[index]
    added = [indentation + line.removeprefix(own) if line.strip() else "" for line in code.rstrip().splitlines()]
    lines[there.begin : there.end] = added
    return "\n".join(lines) + "\n"


def _with_definition(text: str, code: str, after: str | None, grammar: Grammar) -> str:
    lines = text.splitlines()
    gap = ["", ""] if grammar is Grammar.PYTHON else [""]
    there = next((each for each in _outer(places(text, grammar)) if each.name == after), None)
    if there is None:
        return "\n".join([*lines, *gap, *code.splitlines()]) + "\n"
    return "\n".join([*lines[: there.end], *gap, *code.splitlines(), *lines[there.end :]]) + "\n"


def _with_imports(text: str, around: list[str], grammar: Grammar) -> str:
    """The text with the imports of a block that it does not have, after its own."""
    pattern = re.compile(r"^(?:import|from|#include|using)\b")
    lines = text.splitlines()
    missing = [
        line for line in around if pattern.match(line) and line.rstrip() not in {each.rstrip() for each in lines}
    ]
    if not missing:
        return text
    last = max((number for number, line in enumerate(lines) if pattern.match(line)), default=-1)
    gap = [] if last >= 0 else [""]
    return "\n".join([*lines[: last + 1], *missing, *gap, *lines[last + 1 :]]) + "\n"


def _by_likeness(before: str, code: str) -> str:
    """The file with the stretch replaced that begins and ends like the block; else the block alone."""
    old, new = before.splitlines(), code.splitlines()
    matcher = difflib.SequenceMatcher(None, old[:_LINES_COMPARED], new[:_LINES_COMPARED], autojunk=False)
    if matcher.ratio() < _ALIKE:
        firsts = [number for number, line in enumerate(old) if line == new[0]]
        lasts = [number for number, line in enumerate(old) if line == new[-1]]
        if len(firsts) == 1 and lasts and len(new) > 1 and (end := min((e for e in lasts if e > firsts[0]), default=0)):
            return "\n".join([*old[: firsts[0]], *new, *old[end + 1 :]]) + "\n"
    return code


def _outer(found: tuple[Place, ...]) -> list[Place]:
    return [place for place in found if "." not in place.name]


def _named(found: list[Place], name: str) -> Place:
    return next(place for place in found if place.name == name)


def _around(lines: list[str], found: list[Place]) -> list[str]:
    """The lines that are in no definition."""
    inside = {number for place in found for number in range(place.begin, place.end)}
    return [line for number, line in enumerate(lines) if number not in inside]


def _is_only(code: str, found: list[Place]) -> bool:
    return not any(line.strip() for line in _around(code.splitlines(), found))


def _has_more_than(code: str, new: list[Place], before: str, old: list[Place]) -> bool:
    """Whether a block has all that the file has besides its definitions, so that it is the file written anew."""
    kept = {line.strip() for line in _around(code.splitlines(), new)}
    had = {line.strip() for line in _around(before.splitlines(), old)} - {""}
    return had <= kept
