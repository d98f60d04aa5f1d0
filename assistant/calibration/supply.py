"""Documents to calibrate on, one after another: no near copies of each other, and no evaluation problems."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import TypeVar

from assistant.calibration.near_duplicates import SeenTexts
from assistant.corpus import Document
from assistant.corpus.evaluation import has_evaluation_problem

_Result = TypeVar("_Result")

# Documents looked through for one that a form can be made of, before there is said to be none.
_LOOKED_THROUGH = 100


class Screen:
    """What is left out of one calibration set.

    Attributes:
        refused: names of the documents that hold problems of evaluation sets, with where they come from.
    """

    def __init__(self) -> None:
        """Nothing was left out so far."""
        self.refused: list[str] = []
        self._seen = SeenTexts()

    def admits(self, document: Document) -> bool:
        """Whether a document may be calibrated on."""
        if has_evaluation_problem(document.text):
            self.refused.append(f"{document.origin}: {document.name}")
            return False
        return self._seen.is_new(document.text)


class Supply:
    """Documents of one kind; read as they are needed."""

    def __init__(self, documents: Iterable[Document], screen: Screen) -> None:
        """Nothing is read yet."""
        self._documents = filter(screen.admits, documents)
        self._waiting: deque[Document] = deque()

    def next(self) -> Document | None:
        """The next document; None when there are no more."""
        return self._waiting.popleft() if self._waiting else next(self._documents, None)

    def first(self, make: Callable[[Document], _Result | None]) -> tuple[Document, _Result] | None:
        """The next document that `make` makes something of, and that; the ones before it stay for others.

        None when there is none among the next hundred that are not read yet.
        """
        for _ in range(_LOOKED_THROUGH):
            document = next(self._documents, None)
            if document is None:
                return None
            made = make(document)
            if made is not None:
                return document, made
            self._waiting.append(document)
        return None
