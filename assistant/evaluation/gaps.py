"""Infilling: what a model writes where something is missing, beside what was there."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib.metadata import version
from typing import Any

from assistant.catalog import FimTokens
from assistant.completion import Completer, CompletionOptions, Place
from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine, Sampling
from assistant.evaluation.journal import Kept, OpenJournal, Result
from assistant.evaluation.judging import Outcome, judge
from assistant.evaluation.measurement import Advanced, OpenedModel
from assistant.evaluation.sandbox.sandbox import Sandbox
from assistant.evaluation.similarity import edit_similarity
from assistant.evaluation.toolchains import Toolchain
from assistant.evaluation.writing import reset, write
from assistant.fim import fim_prompt, find_fim_tokens
from assistant.grammars import Grammar

# Counts among what a result depends on: it is raised when prompts or the cutting of what is written change.
GAPS_VERSION = 1

_LINE_TOKENS, _SPAN_TOKENS = 64, 256


class Order(StrEnum):
    """How a model is asked for what is missing."""

    PREFIX_FIRST = "prefix-first"
    SUFFIX_FIRST = "suffix-first"
    SERVER = "server"


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


@dataclass(frozen=True, slots=True)
class Judge:
    """What runs programs."""

    sandbox: Sandbox
    toolchain: Toolchain


# Gives the result of a gap, but for its name; cancelled, it raises KeyboardInterrupt.
Filler = Callable[[Gap, Cancellation], Result]


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
        fill = self.filler(model.engine)
        for done, gap in enumerate(self.gaps):
            if (gap.name, 0) not in journal.results:
                advanced(done, len(self.gaps))
                journal.add({"task": gap.name, "sample": 0} | fill(gap, cancel))
        advanced(len(self.gaps), len(self.gaps))

    def results(self, kept: Kept) -> list[Result]:
        """A result for each gap, in order."""
        return [kept[gap.name, 0] for gap in self.gaps]

    @abstractmethod
    def filler(self, engine: Engine) -> Filler:
        """What gives a gap's result by this model."""


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


@dataclass(frozen=True, slots=True)
class GapMeasurement(GapByGap):
    """Has the gaps filled in one order of the prompt.

    Attributes:
        order: of the prompt; the server's own is that of suggestions in an editor, with all that filters them.
        judge: what runs programs, for gaps that have some.
        grammar: what the text can be parsed as, for the server.
    """

    order: Order
    judge: Judge | None = None
    grammar: Grammar | None = None

    @property
    def label(self) -> str:
        """The gaps and the order."""
        return f"{self.name}, {self.order.value}"

    @property
    def settings(self) -> Mapping[str, Any]:
        """Gaps, order, and what else decides."""
        return {
            "measurement": "gaps",
            "tasks": self.digest,
            "count": len(self.gaps),
            "order": self.order.value,
            "toolchain": None if self.judge is None else self.judge.toolchain.version,
            "version": GAPS_VERSION,
            "engine": version("llama-cpp-python"),
        }

    def filler(self, engine: Engine) -> Filler:
        """Fills the gap, and looks at what was written."""
        fill = _filler(engine, find_fim_tokens(engine), self)
        return lambda gap, cancel: self._result(gap, fill(gap, cancel))

    def summary(self, results: Sequence[Result]) -> dict[str, Any]:
        """Mean exact match, edit similarity, and pass@1 where programs test it."""
        means = {
            figure: sum(scores.values()) / len(scores) for figure, scores in self.scores(results).items() if scores
        }
        return {"tasks": len(results), **means}

    def scores(self, results: Sequence[Result]) -> dict[str, dict[str, float]]:
        """Each gap's figures."""
        found = likeness_scores(results)
        if self.judge is not None:
            found["pass@1"] = {
                result["task"]: float(result["outcome"] == Outcome.PASSED) for result in results if "outcome" in result
            }
        return found

    def _result(self, gap: Gap, text: str) -> Result:
        result = {"text": text} | likeness(text, gap.missing)
        if self.judge is not None and gap.program is not None:
            # A suggestion of a line leaves the line's end to the editor.
            whole = text if text.endswith("\n") or not gap.missing.endswith("\n") else text + "\n"
            found = judge(self.judge.sandbox, self.judge.toolchain, partial(gap.program, whole))
            result |= {"outcome": found.outcome.value, "reason": found.reason}
        return result


def _filler(engine: Engine, fim: FimTokens, measurement: GapMeasurement) -> Callable[[Gap, Cancellation], str]:
    if measurement.order is Order.SERVER:
        completer, place = Completer(engine, fim), Place(measurement.grammar)

        def suggested(gap: Gap, cancel: Cancellation) -> str:
            reset(engine, cancel)
            text = completer.complete(gap.before, gap.after, CompletionOptions(), cancel, place).text
            if cancel.is_set():
                raise KeyboardInterrupt
            return text

        return suggested
    ordered = fim.model_copy(update={"order": measurement.order.value})

    def written(gap: Gap, cancel: Cancellation) -> str:
        sampling = Sampling(_LINE_TOKENS if gap.line else _SPAN_TOKENS)
        prompt = fim_prompt(ordered, gap.before, gap.after)
        text = write(engine, prompt, sampling, lambda text: gap.line and _line_ends(text), cancel).text
        return first_line(text) if gap.line else text

    return written


def first_line(text: str) -> str:
    """Up to the end of the first line that is not blank, with that end."""
    blank = len(text) - len(text.lstrip())
    end = text.find("\n", blank)
    return text if end < 0 else text[: end + 1]


def _line_ends(text: str) -> bool:
    return "\n" in text.lstrip()
