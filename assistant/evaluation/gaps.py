"""Infilling: what a model writes where something is missing, beside what was there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from importlib.metadata import version
from typing import Any

from assistant.catalog import FimTokens
from assistant.completion import Completer, CompletionOptions, Place
from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine, Sampling, Wanted
from assistant.engine.side_by_side import SEQUENCES
from assistant.evaluation.gap_by_gap import GAPS_VERSION, Filled, Gap, GapByGap, likeness, likeness_scores, reset
from assistant.evaluation.journal import Result
from assistant.evaluation.judging import Outcome, judge
from assistant.evaluation.sandbox.sandbox import Sandbox
from assistant.evaluation.toolchains import Toolchain
from assistant.evaluation.truncation import goes_in_circles
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
            "writing": "one by one" if self.order is Order.SERVER else f"{SEQUENCES} side by side",
            "engine": version("llama-cpp-python"),
        }

    def fill(self, engine: Engine, gaps: Sequence[Gap], cancel: Cancellation) -> Iterator[Filled]:
        """Fills the gaps: one after the other as the server does, whose time is that of prompts, or many at once."""
        fim = find_fim_tokens(engine)
        if self.order is Order.SERVER:
            texts = _served(engine, fim, self.grammar, gaps, cancel)
        else:
            texts = _written(engine, fim.model_copy(update={"order": self.order.value}), gaps, cancel)
        for number, text in texts:
            yield gaps[number], partial(self._result, gaps[number], text)

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


def _served(
    engine: Engine, fim: FimTokens, grammar: Grammar | None, gaps: Sequence[Gap], cancel: Cancellation
) -> Iterator[tuple[int, str]]:
    """What an editor would be shown, by the gap's number."""
    completer, place = Completer(engine, fim), Place(grammar)
    for number, gap in enumerate(gaps):
        reset(engine, cancel)
        text = completer.complete(gap.before, gap.after, CompletionOptions(), cancel, place).text
        if cancel.is_set():
            return
        yield number, text


def _written(engine: Engine, fim: FimTokens, gaps: Sequence[Gap], cancel: Cancellation) -> Iterator[tuple[int, str]]:
    """What a model writes by itself, by the gap's number."""
    for written in engine.write_side_by_side([_wanted(fim, gap) for gap in gaps], cancel):
        line = gaps[written.number].line
        yield written.number, first_line(written.text) if line else written.text


def _wanted(fim: FimTokens, gap: Gap) -> Wanted:
    prompt = fim_prompt(fim, gap.before, gap.after)
    if gap.line:
        return Wanted(prompt, Sampling(_LINE_TOKENS), _line_ends)
    return Wanted(prompt, Sampling(_SPAN_TOKENS), goes_in_circles)


def first_line(text: str) -> str:
    """Up to the end of the first line that is not blank, with that end."""
    blank = len(text) - len(text.lstrip())
    end = text.find("\n", blank)
    return text if end < 0 else text[: end + 1]


def _line_ends(text: str) -> bool:
    return "\n" in text.lstrip()
