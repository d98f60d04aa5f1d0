"""Places where something is missing, and what every measurement at such places shares."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine, Prompt, Segment
from assistant.evaluation.beside import keep_beside
from assistant.evaluation.journal import Kept, OpenJournal, Result
from assistant.evaluation.measurement import Advanced, OpenedModel
from assistant.evaluation.similarity import edit_similarity

# Counts among what a result depends on: it is raised when prompts or the cutting of what is written change.
GAPS_VERSION = 1


@dataclass(frozen=True, slots=True)
class Gap:
    """A place where something is missing.

    Attributes:
        name: its task's.
        before: the text before it.
        after: the text after it.
        missing: what was there.
        line: that is one line, or the rest of one.
        program: gives a program that tests what is written there, for its word of a verdict; None if nothing does.
    """

    name: str
    before: str
    after: str
    missing: str
    line: bool
    program: Callable[[str, str], str] | None = None


# A gap that is filled, and what looks at what was written there: it gives the result, but for the gap's name.
Filled = tuple[Gap, Callable[[], Result]]


@dataclass(frozen=True, slots=True)
class GapByGap(ABC):
    """Something that is measured at each gap.

    Attributes:
        name: what the gaps are called.
        digest: of all of them.
        gaps: each with a name of its own.
    """

    name: str
    digest: str
    gaps: tuple[Gap, ...]

    def missing(self, kept: Kept) -> int:
        """Gaps without a result."""
        return sum((gap.name, 0) not in kept for gap in self.gaps)

    def run(self, model: OpenedModel, journal: OpenJournal, advanced: Advanced, cancel: Cancellation) -> None:
        """Makes the results that are missing.

        Raises:
            EngineError: the model fails, or has no FIM tokens.
            KeyboardInterrupt: it was cancelled.
        """
        missing = [gap for gap in self.gaps if (gap.name, 0) not in journal.results]

        def named(gap: Gap, look: Callable[[], Result]) -> Result:
            return {"task": gap.name, "sample": 0} | look()

        def keep(result: Result) -> None:
            journal.add(result)
            advanced(len(journal.results), len(self.gaps))

        advanced(len(journal.results), len(self.gaps))
        keep_beside((partial(named, *filled) for filled in self.fill(model.engine, missing, cancel)), keep)
        if cancel.is_set():
            raise KeyboardInterrupt

    def results(self, kept: Kept) -> list[Result]:
        """A result for each gap, in order."""
        return [kept[gap.name, 0] for gap in self.gaps]

    @abstractmethod
    def fill(self, engine: Engine, gaps: Sequence[Gap], cancel: Cancellation) -> Iterator[Filled]:
        """Fills gaps by this model, in any order; cancelled, it stops."""


def reset(engine: Engine, cancel: Cancellation | None = None) -> None:
    """Has the engine forget its last prompt, so that the next one is evaluated whole.

    What prompts have in common would be kept from the last one, evaluated in other batches, and in its last digits a
    result would depend on what came before it.
    """
    engine.prefill(Prompt((Segment("\n"),)), cancel)


def likeness(text: str, missing: str) -> Result:
    """Whether a text is what was there, but for white space at both ends, and how similar to it."""
    return {
        "exact": text.strip() == missing.strip(),
        "similarity": round(edit_similarity(text.strip(), missing.strip()), 6),
    }


def likeness_scores(results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """Exact match and edit similarity by task."""
    return {
        "exact match": {result["task"]: float(result["exact"]) for result in results},
        "edit similarity": {result["task"]: float(result["similarity"]) for result in results},
    }
