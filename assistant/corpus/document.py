"""What counts as a document: code that people wrote, and no evaluation set."""

import hashlib
import re
from dataclasses import dataclass

from assistant.corpus.secrets import has_secret, has_secret_name
from assistant.source_text import HEAD_BYTES, MAX_LINE, has_generated_name, is_machine_made

MIN_BYTES = 200
MAX_BYTES = 1 << 20

# The limits of the filter in arXiv 2107.03374, section 3.1 ("a small percentage" there; a quarter in arXiv 2211.15533).
_MAX_MEAN_LINE = 100
_MIN_ALPHANUMERIC = 0.25

_HELD_OUT_ONE_IN = 10
# Past most licence headers, so that one does not decide for a whole project.
_HELD_OUT_CHARACTERS = 4096

_FIRST_COMMENT = re.compile(r"(?:#!.*\n)?\s*(?:/\*(?s:.*?)\*/|(?:(?:#|//).*\n)+)\s*")
_LICENCE_WORD = re.compile(r"copyright|licen[cs]e|spdx", re.IGNORECASE)
_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")

# Calibrating on the problems a model is judged by would make the judgement worthless.
_EVALUATION_SETS = (
    r"human[-_ ]?eval|mbpp|multipl[-_]e(?![a-z])|evalplus|big[-_]?code[-_]?bench|live[-_]?code[-_]?bench"
    r"|cross[-_]?code[-_]?eval|repo[-_]?bench|safim|ds-?1000"
)
_EVALUATION_NAME = re.compile(_EVALUATION_SETS, re.IGNORECASE)
_EVALUATION_TEXT = re.compile(
    rf"(?<![A-Za-z0-9])(?:{_EVALUATION_SETS})(?![a-z])|canonical_solution|def check\(candidate\)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Document:
    """A file of code.

    Attributes:
        origin: the place it comes from: `project`, or a short name such as `Python standard library`.
        name: its path relative to that place, posix.
        text: what is in it, lines ended by a newline.
    """

    origin: str
    name: str
    text: str


def is_held_out(document: Document) -> bool:
    """Whether a document is among the tenth that is never calibrated on.

    The beginning of the text alone decides, so that a copy under another name or in another place falls on the same
    side.
    """
    digest = hashlib.sha256(document.text[:_HELD_OUT_CHARACTERS].encode()).digest()
    return int.from_bytes(digest[:8], "little") % _HELD_OUT_ONE_IN == 0


def document_of(origin: str, name: str, content: bytes) -> Document | None:
    """The document a file makes, without a licence at its top.

    None if it makes none: not UTF-8, tiny or huge, written by a program, more data than code, with a key or password in
    it, or called after an evaluation set.
    """
    machine_made = has_generated_name(name.rpartition("/")[2]) or is_machine_made(content[:HEAD_BYTES])
    if not MIN_BYTES <= len(content) <= MAX_BYTES or machine_made or has_secret_name(name):
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    text = _without_licence(text.replace("\r\n", "\n").replace("\r", "\n"))
    if (
        len(text) < MIN_BYTES
        or not _reads_as_code(text)
        or _EVALUATION_NAME.search(f"{origin}/{name}")
        or _EVALUATION_TEXT.search(text)
        or has_secret(text)
    ):
        return None
    return Document(origin, name, text)


def _without_licence(text: str) -> str:
    """`text` without a first comment that speaks of copyright: the same in each file, it would be learnt by heart."""
    comment = _FIRST_COMMENT.match(text)
    return text[comment.end() :] if comment and _LICENCE_WORD.search(comment.group()) else text


def _reads_as_code(text: str) -> bool:
    lines = text.split("\n")
    if "\0" in text or max(map(len, lines)) > MAX_LINE or len(text) / len(lines) > _MAX_MEAN_LINE:
        return False
    return len(_NOT_ALPHANUMERIC.sub("", text)) >= _MIN_ALPHANUMERIC * len(text)
