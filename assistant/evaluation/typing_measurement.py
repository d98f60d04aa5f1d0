"""Keystrokes that a model's suggestions save on the rests of lines (see `typing_model`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from assistant.completion import Completer, CompletionOptions, Place
from assistant.engine.cancellation import Cancellation
from assistant.evaluation.gaps import GAPS_VERSION, Gap
from assistant.evaluation.journal import OpenJournal, Result
from assistant.evaluation.measurement import Advanced, OpenedModel
from assistant.evaluation.similarity import edit_similarity
from assistant.evaluation.typing_model import MOST_SUGGESTIONS, type_text
from assistant.evaluation.writing import reset
from assistant.fim import find_fim_tokens
from assistant.grammars import Grammar

_SAVED = "keystrokes saved"


@dataclass(frozen=True, slots=True)
class TypingMeasurement:
    """Types lines of a project with the server's suggestions; the first suggestion also tells exact match."""

    name: str
    digest: str
    gaps: tuple[Gap, ...]
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

    def missing(self, journal: OpenJournal) -> int:
        """Lines that have still to be typed."""
        return sum((gap.name, 0) not in journal.results for gap in self.gaps)

    def run(self, model: OpenedModel, journal: OpenJournal, advanced: Advanced, cancel: Cancellation) -> None:
        """Types what is missing.

        Raises:
            EngineError: the model fails, or has no FIM tokens.
            KeyboardInterrupt: it was cancelled.
        """
        engine = model.engine
        completer, place = Completer(engine, find_fim_tokens(engine)), Place(self.grammar)
        for done, gap in enumerate(self.gaps):
            if (gap.name, 0) in journal.results:
                continue
            advanced(done, len(self.gaps))
            reset(engine, cancel)
            shown: list[str] = []

            def suggest(typed: str, gap: Gap = gap, shown: list[str] = shown) -> str:
                done = completer.complete(gap.before + typed, gap.after, CompletionOptions(), cancel, place)
                if cancel.is_set():
                    raise KeyboardInterrupt
                shown.append(done.text)
                return done.text

            typed = type_text(gap.missing, suggest)
            journal.add(
                {
                    "task": gap.name,
                    "sample": 0,
                    "shown": shown,
                    "exact": shown[0].strip() == gap.missing.strip(),
                    "similarity": round(edit_similarity(shown[0].strip(), gap.missing.strip()), 6),
                    "keystrokes": typed.keystrokes,
                    "characters": typed.characters,
                }
            )
        advanced(len(self.gaps), len(self.gaps))

    def results(self, journal: OpenJournal) -> list[Result]:
        """A result for each line, in order."""
        return [journal.results[gap.name, 0] for gap in self.gaps]

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
        return {
            "exact match": {result["task"]: float(result["exact"]) for result in results},
            "edit similarity": {result["task"]: float(result["similarity"]) for result in results},
            _SAVED: {result["task"]: 1.0 - result["keystrokes"] / result["characters"] for result in results},
        }
