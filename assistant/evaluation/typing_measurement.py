"""Keystrokes that a model's suggestions save on the rests of lines (see `typing_model`)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

from assistant.completion import Completer, CompletionOptions, Place
from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine
from assistant.evaluation.gap_by_gap import GAPS_VERSION, Filled, Gap, GapByGap, likeness, likeness_scores, reset
from assistant.evaluation.journal import Result
from assistant.evaluation.typing_model import MOST_SUGGESTIONS, Typed, type_text
from assistant.fim import find_fim_tokens
from assistant.grammars import Grammar

_SAVED = "keystrokes saved"


@dataclass(frozen=True, slots=True)
class TypingMeasurement(GapByGap):
    """Types lines of a project with the server's suggestions; the first suggestion also tells exact match."""

    grammar: Grammar | None

    @property
    def label(self) -> str:
        """What is typed."""
        return self.name

    @property
    def settings(self) -> Mapping[str, Any]:
        """The lines, and the model of typing."""
        return {
            "measurement": "typing",
            "tasks": self.digest,
            "count": len(self.gaps),
            "suggestions": MOST_SUGGESTIONS,
            "version": GAPS_VERSION,
            "engine": version("llama-cpp-python"),
        }

    def fill(self, engine: Engine, gaps: Sequence[Gap], cancel: Cancellation) -> Iterator[Filled]:
        """Types the lines, and looks at the first suggestion of each."""
        completer, place = Completer(engine, find_fim_tokens(engine)), Place(self.grammar)
        for gap in gaps:
            reset(engine, cancel)
            shown: list[str] = []

            def suggest(typed: str, gap: Gap = gap, shown: list[str] = shown) -> str:
                done = completer.complete(gap.before + typed, gap.after, CompletionOptions(), cancel, place)
                shown.append(done.text)
                return done.text

            typed = type_text(gap.missing, suggest)
            if cancel.is_set():
                return
            yield gap, partial(_result, gap, shown, typed)

    def summary(self, results: Sequence[Result]) -> dict[str, Any]:
        """Exact match and edit similarity of the first suggestion, and the share of all keystrokes saved."""
        scores = self.scores(results)
        characters = sum(result["characters"] for result in results)
        return {
            "tasks": len(results),
            **{name: sum(scores[name].values()) / len(results) for name in ("exact match", "edit similarity")},
            _SAVED: 1.0 - sum(result["keystrokes"] for result in results) / characters,
        }

    def scores(self, results: Sequence[Result]) -> dict[str, dict[str, float]]:
        """Each line's figures; keystrokes saved are a share of its own."""
        saved = {result["task"]: 1.0 - result["keystrokes"] / result["characters"] for result in results}
        return likeness_scores(results) | {_SAVED: saved}


def _result(gap: Gap, shown: list[str], typed: Typed) -> Result:
    return {
        "shown": shown,
        **likeness(shown[0], gap.missing),
        "keystrokes": typed.keystrokes,
        "characters": typed.characters,
    }
