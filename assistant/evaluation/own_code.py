"""Gaps in a project's own files, those that are held out of calibration: lines and spans that its authors wrote."""

import hashlib
import random
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from assistant.corpus import Document, corpus_documents, project_documents
from assistant.errors import EvaluationError
from assistant.evaluation.gap_by_gap import Gap
from assistant.languages import Language

_LINES_A_FILE, _SPANS_A_FILE = 4, 2
_SPAN_LINES = (2, 6)
# A line shorter than this is a bracket or `else:`; nobody waits for a suggestion of it.
_LEAST_CHARACTERS = 8


def own_documents(root: Path, language: Language, seed: int, most: int) -> list[Document]:
    """The project's files that no sub-model was calibrated on, at most so many.

    Raises:
        EvaluationError: there are none.
        OSError: the folder cannot be listed.
    """
    documents = list(islice(project_documents(root, language, seed, held_out=True), most))
    if not documents:
        raise EvaluationError(
            f"No {language.label} file of {root} is held out of calibration (one in ten is, chosen by its content), so "
            "nothing can be measured on it; name a folder with more code."
        )
    return documents


def held_out_documents(language: Language, seed: int, most: int) -> list[Document]:
    """Code found on this machine that no sub-model was calibrated on, at most so many; there may be none."""
    return list(islice(corpus_documents(language, seed, held_out=True), most))


def masked(documents: Iterable[Document], seed: int, *, lines: bool) -> tuple[Gap, ...]:
    """Gaps in the documents, drawn by the seed: rests of lines, from a place where a word begins; or spans of lines."""
    gaps: list[Gap] = []
    for document in documents:
        generator = random.Random(f"{seed}/{document.name}/{hashlib.sha256(document.text.encode()).hexdigest()}")
        gaps += _lines(document, generator) if lines else _spans(document, generator)
    return tuple(gaps)


def digest_of(gaps: Iterable[Gap]) -> str:
    """SHA-256 of all that the gaps are."""
    digest = hashlib.sha256()
    for gap in gaps:
        for text in (gap.name, gap.before, gap.missing, gap.after):
            digest.update(f"{len(text)}:{text}".encode())
    return digest.hexdigest()


def _lines(document: Document, generator: random.Random) -> list[Gap]:
    lines = document.text.splitlines(keepends=True)
    long = [number for number, line in enumerate(lines) if number and len(line.strip()) >= _LEAST_CHARACTERS]
    gaps = []
    for number in sorted(generator.sample(long, min(_LINES_A_FILE, len(long)))):
        line = lines[number].rstrip("\n")
        indentation = len(line) - len(line.lstrip())
        words = [
            place
            for place in range(indentation, len(line.rstrip()))
            if line[place].isalnum() and (place == indentation or not line[place - 1].isalnum())
        ]
        cut = generator.choice(words) if words else indentation
        before = "".join(lines[:number]) + line[:cut]
        after = "\n" + "".join(lines[number + 1 :])
        gaps.append(Gap(f"{document.name}:{number + 1}:{cut + 1}", before, after, line[cut:], line=True))
    return gaps


def _spans(document: Document, generator: random.Random) -> list[Gap]:
    lines = document.text.splitlines(keepends=True)
    gaps: list[Gap] = []
    for _ in range(_SPANS_A_FILE):
        length = generator.randint(*_SPAN_LINES)
        if len(lines) < length + 2:
            break
        first = generator.randrange(1, len(lines) - length)
        missing = "".join(lines[first : first + length])
        indentation = len(missing) - len(missing.lstrip(" \t"))
        name = f"{document.name}:{first + 1}-{first + length}"
        if len(missing.strip()) < _LEAST_CHARACTERS or any(gap.name == name for gap in gaps):
            continue
        before = "".join(lines[:first]) + missing[:indentation]
        gaps.append(Gap(name, before, "".join(lines[first + length :]), missing[indentation:], line=False))
    return gaps
