"""Keystrokes as a person makes them, from the history of a file: each commit's changes are typed again."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from random import Random

# Changes of a line with less between them are made as one.
_NEAR_CHARACTERS = 10
# What is longer is selected and deleted at once.
_BACKSPACED = 20
# Wrong letters, each noticed at the next glance and deleted.
_MISTYPED = 0.02
# Words before which the person looks at what is suggested; so do all lines.
_LOOKS_UP = 0.3


@dataclass(frozen=True)
class Edit:
    """A change of a text: at `offset`, `removed` characters make place for `inserted`."""

    offset: int
    removed: int
    inserted: str


@dataclass(frozen=True)
class Stroke:
    """One key: `removed` characters before the cursor make place for `inserted`, after a pause in seconds.

    Attributes:
        looks: in the pause the person looks at what is suggested, and takes it if it is right.
        mistyped: is deleted again by the next.
    """

    pause: float
    removed: int = 0
    inserted: str = ""
    looks: bool = False
    mistyped: bool = False


def versions(repository: Path, file: str, most: int) -> list[tuple[str, str]]:
    """The commits that changed a file, each with its text then: the last `most`, the oldest first.

    Raises:
        ValueError: there are not two.
    """
    commits = _git(repository, "log", f"-{most}", "--format=%H", "--reverse", "--", file).split()
    if len(commits) < 2:
        raise ValueError(f"{file} has {len(commits)} commits in {repository}; name a file with at least two.")
    return [(commit, _git(repository, "show", f"{commit}:{file}")) for commit in commits]


def edits(old: str, new: str) -> list[Edit]:
    """What is to be typed and deleted, from top to bottom, to make `new` of `old`."""
    found: list[Edit] = []
    before, after = _words(old), _words(new)
    position = 0  # in the text as changed so far
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    for kind, begin, end, first, last in matcher.get_opcodes():
        removed, inserted = "".join(before[begin:end]), "".join(after[first:last])
        if kind == "equal":
            position += len(removed)
            continue
        gap = position - (found[-1].offset + len(found[-1].inserted)) if found else _NEAR_CHARACTERS
        if found and gap < _NEAR_CHARACTERS:
            last_edit = found.pop()
            between = new[position - gap : position]
            found.append(
                Edit(
                    last_edit.offset,
                    last_edit.removed + gap + len(removed),
                    last_edit.inserted + between + inserted,
                )
            )
        else:
            found.append(Edit(position, len(removed), inserted))
        position += len(inserted)
    return found


def arriving(random: Random) -> float:
    """The seconds until somebody who has come to another place begins to type there: 4 or so, now and then 15."""
    return random.lognormvariate(1.4, 0.7)


def deleting(edit: Edit, random: Random) -> Iterator[Stroke]:
    """The strokes that remove what an edit removes; the cursor is behind it."""
    if edit.removed > _BACKSPACED:
        yield Stroke(random.uniform(0.8, 1.5), removed=edit.removed)
    else:
        for number in range(edit.removed):
            yield Stroke(random.uniform(0.08, 0.15) if number else 0.5, removed=1)


def typing(text: str, position: int, random: Random) -> Iterator[Stroke]:
    """The next stroke of typing `text` from `position`, now and then after a mistyped one and its deletion."""
    pause, looks = _rhythm(text, position, random)
    if text[position].isalpha() and random.random() < _MISTYPED:
        yield Stroke(pause, inserted=random.choice("etaoins"), mistyped=True)
        yield Stroke(random.uniform(0.25, 0.5), removed=1)
        pause, looks = random.uniform(0.1, 0.3), False
    yield Stroke(pause, inserted=first_key(text[position:]), looks=looks)


def first_key(text: str) -> str:
    """What one key types of `text`: an editor indents a new line by itself."""
    return (re.match(r"\n[ \t]*", text) or re.match(r".", text, re.DOTALL) or [""])[0]


def _rhythm(text: str, position: int, random: Random) -> tuple[float, bool]:
    """The seconds before the key at `position`, and whether the person looks up meanwhile."""
    key = random.lognormvariate(-1.8, 0.4)  # 0.17 s, for 70 words a minute
    if not text[:position].rpartition("\n")[2].strip():
        return key + random.uniform(0.5, 1.5), True  # what is this line to be?
    begins_word = text[position].isalnum() and not text[position - 1].isalnum()
    if begins_word and random.random() < _LOOKS_UP:
        return key + random.uniform(0.3, 0.9), True
    return key, False


def _words(text: str) -> list[str]:
    return re.findall(r"\w+|[ \t]+|\n|[^\w\s]", text)


def _git(repository: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", repository, *arguments], check=True, capture_output=True, encoding="utf-8"
    ).stdout
