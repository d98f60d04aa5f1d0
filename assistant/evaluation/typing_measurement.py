"""Keystrokes that a model's suggestions save on the rests of lines (see `typing_model`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from assistant.completion import Completer, CompletionOptions, Place
from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine
from assistant.evaluation.gap_by_gap import GAPS_VERSION, Filler, Gap, GapByGap, likeness, likeness_scores
from assistant.evaluation.journal import Result
from assistant.evaluation.typing_model import MOST_SUGGESTIONS, type_text
from assistant.evaluation.writing import reset
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

    def filler(self, engine: Engine) -> Filler:
        """Types the line, and looks at the first suggestion."""
        completer, place = Completer(engine, find_fim_tokens(engine)), Place(self.grammar)

        def fill(gap: Gap, cancel: Cancellation) -> Result:
            reset(engine, cancel)
            shown: list[str] = []

            def suggest(typed: str) -> str:
                done = completer.complete(gap.before + typed, gap.after, CompletionOptions(), cancel, place)
                if cancel.is_set():
                    raise KeyboardInterrupt
                shown.append(done.text)
                return done.text

            typed = type_text(gap.missing, suggest)
            return {
                "shown": shown,
                **likeness(shown[0], gap.missing),
                "keystrokes": typed.keystrokes,
                "characters": typed.characters,
            }

        return fill

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
