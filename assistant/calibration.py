"""The calibration set: which text a model is pruned on, as token ids.

Documents come in the order the corpus gives them, which a seed decides. Each gives one stretch of at most a sequence's
length, so that a set shows many files rather than much of one; the stretches are packed end to end, without padding.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assistant.corpus import Document
from assistant.engine.tokenizer import Tokenizer
from assistant.errors import BuildError
from assistant.languages import Language
from assistant.manifest import CalibrationRecord
from assistant.recipe import Recipe

# A token of code is three to four characters; twice that is read, so that a stretch seldom comes out short.
_CHARACTERS_A_TOKEN = 8


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """Token ids of shape (sequences, tokens a sequence), and what they were made from."""

    tokens: npt.NDArray[np.int32]
    record: CalibrationRecord


@dataclass(frozen=True, slots=True)
class CalibrationText:
    """What a calibration set may be made from.

    Attributes:
        language: what the text is written in.
        project: the project's own files.
        corpus: other code.
        advice: how to get more of it, for an error message.
    """

    language: Language
    project: Iterable[Document]
    corpus: Iterable[Document]
    advice: str


def collect(text: CalibrationText, recipe: Recipe, tokenizer: Tokenizer) -> CalibrationSet:
    """The calibration set of a recipe: the project's own files up to their share, then the corpus.

    Where the corpus is too small, more of the project is taken than its share.

    Raises:
        BuildError: both together do not fill the set; the message says how much there is and what to do.
    """
    project_stretches = _stretches(text.project, recipe, tokenizer)
    packing = _Packing(recipe.tokens)
    packing.fill(project_stretches, round(recipe.tokens * recipe.project_share))
    packing.fill(_stretches(text.corpus, recipe, tokenizer), recipe.tokens)
    packing.fill(project_stretches, recipe.tokens)
    sequences = packing.size // recipe.sequence_length
    if sequences < recipe.sequences:
        raise BuildError(_too_little(text, recipe, sequences * recipe.sequence_length))
    tokens = packing.tokens()[: recipe.sequences * recipe.sequence_length]
    tokens = tokens.reshape(recipe.sequences, recipe.sequence_length)
    record = CalibrationRecord(
        digest=hashlib.sha256(tokens.astype("<i4").tobytes()).hexdigest(),
        tokens=tokens.size,
        sequence_length=recipe.sequence_length,
        sources=packing.sources,
    )
    return CalibrationSet(tokens, record)


class _Packing:
    """Stretches end to end, and how many tokens each place gave."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._stretches: list[npt.NDArray[np.int32]] = []
        self.size = 0
        self.sources: dict[str, int] = {}

    def fill(self, stretches: Iterator[tuple[str, npt.NDArray[np.int32]]], until: int) -> None:
        while self.size < until:
            origin, stretch = next(stretches, ("", None))
            if stretch is None:
                return
            stretch = stretch[: until - self.size]
            self._stretches.append(stretch)
            self.size += len(stretch)
            self.sources[origin] = self.sources.get(origin, 0) + len(stretch)

    def tokens(self) -> npt.NDArray[np.int32]:
        return np.concatenate(self._stretches)


def _stretches(
    documents: Iterable[Document], recipe: Recipe, tokenizer: Tokenizer
) -> Iterator[tuple[str, npt.NDArray[np.int32]]]:
    for document in documents:
        excerpt = _excerpt(document, recipe.sequence_length * _CHARACTERS_A_TOKEN, recipe.seed)
        ids = [*tokenizer.tokenize(excerpt)[: recipe.sequence_length - 1], tokenizer.separator]
        yield document.origin, np.array(ids, dtype=np.int32)


def _excerpt(document: Document, length: int, seed: int) -> str:
    """At most `length` characters of a document from the beginning of a line; where, the seed decides."""
    if len(document.text) <= length:
        return document.text
    choice = hashlib.sha256(f"{seed}\0{document.name}".encode()).digest()
    start = int.from_bytes(choice[:8], "little") % (len(document.text) - length + 1)
    line_start = document.text.rfind("\n", 0, start) + 1
    return document.text[line_start : line_start + length]


def _too_little(text: CalibrationText, recipe: Recipe, found: int) -> str:
    smaller = f", or build from less with --tokens {found}" if found >= recipe.sequence_length else ""
    return (
        f"Only {found:,} tokens of {text.language.label} were found for calibration, of {recipe.tokens:,} wanted: "
        f"{text.advice}{smaller}."
    )
