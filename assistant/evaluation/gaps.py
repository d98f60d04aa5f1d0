"""Infilling: what a model writes where something is missing, beside what was there."""

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
from assistant.evaluation.gap_by_gap import GAPS_VERSION, Filler, Gap, GapByGap, likeness, likeness_scores
from assistant.evaluation.journal import Result
from assistant.evaluation.judging import Outcome, judge
from assistant.evaluation.sandbox.sandbox import Sandbox
from assistant.evaluation.toolchains import Toolchain
from assistant.evaluation.writing import reset, write
from assistant.fim import fim_prompt, find_fim_tokens
from assistant.grammars import Grammar

_LINE_TOKENS, _SPAN_TOKENS = 64, 256


class Order(StrEnum):
    """How a model is asked for what is missing."""

    PREFIX_FIRST = "prefix-first"
    SUFFIX_FIRST = "suffix-first"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Judge:
    """What runs programs."""

    sandbox: Sandbox
    toolchain: Toolchain


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
