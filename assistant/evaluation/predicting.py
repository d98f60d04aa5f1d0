"""How well a model predicts code: perplexity, document by document."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from assistant.corpus import Document
from assistant.engine.cancellation import Cancellation
from assistant.engine.tokenizer import open_tokenizer
from assistant.evaluation.journal import Kept, OpenJournal, Result
from assistant.evaluation.measurement import Advanced, OpenedModel
from assistant.languages import Language
from assistant.perplexity import losses

# Of each document; enough for its head and some of its functions.
_CHARACTERS = 4000

PERPLEXITY = "perplexity"
BITS = "bits per byte"


def found_here_label(language: Language) -> str:
    """What predictions of code found on the machine are called."""
    return f"{language.value} found here"


@dataclass(frozen=True, slots=True)
class PredictionMeasurement:
    """Perplexity of the beginnings of documents.

    Each begins its sequence itself, so that its first token is given: after `<|endoftext|>` all models predict badly,
    which squeezes what lies between them (docs/figures.md, "What a sequence begins with").

    Bits per byte compare models whose vocabularies differ, as a trimmed one cuts the same text into more tokens.
    """

    name: str
    documents: tuple[Document, ...]
    threads: int

    @property
    def label(self) -> str:
        """What is predicted."""
        return self.name

    @property
    def settings(self) -> Mapping[str, Any]:
        """The texts."""
        texts = [hashlib.sha256(text.encode()).hexdigest() for text in self._texts().values()]
        return {
            "measurement": "prediction",
            "texts": texts,
            "begins": "with the text",
            "engine": version("llama-cpp-python"),
        }

    def missing(self, kept: Kept) -> int:
        """Documents that have still to be predicted."""
        return sum((name, 0) not in kept for name in self._texts())

    def run(self, model: OpenedModel, journal: OpenJournal, advanced: Advanced, cancel: Cancellation) -> None:
        """Predicts what is missing.

        Raises:
            EngineError: the model fails.
            KeyboardInterrupt: it was cancelled.
        """
        texts = self._texts()
        with open_tokenizer(model.path) as tokenizer:
            tokens = {name: tokenizer.tokenize(text) for name, text in texts.items()}
        missing = [name for name in texts if (name, 0) not in journal.results]
        sequences = [np.array(tokens[name], dtype=np.int32) for name in missing]
        with closing(losses(model.path, sequences, self.threads)) as found:  # which loads the model once
            for name in missing:
                if cancel.is_set():
                    raise KeyboardInterrupt
                advanced(len(journal.results), len(texts))
                result = {"task": name, "sample": 0, "loss": float(next(found).sum()), "tokens": len(tokens[name]) - 1}
                journal.add(result | {"bytes": len(texts[name].encode())})
        advanced(len(texts), len(texts))

    def results(self, kept: Kept) -> list[Result]:
        """A result for each document, in order."""
        return [kept[name, 0] for name in self._texts()]

    def summary(self, results: Sequence[Result]) -> dict[str, Any]:
        """Perplexity a token of the model's own, and bits a byte of UTF-8, over all documents together."""
        loss = sum(result["loss"] for result in results)
        return {
            "tasks": len(results),
            PERPLEXITY: math.exp(loss / sum(result["tokens"] for result in results)),
            BITS: loss / math.log(2) / sum(result["bytes"] for result in results),
        }

    def scores(self, results: Sequence[Result]) -> dict[str, dict[str, float]]:
        """Each document's bits per byte."""
        return {BITS: {result["task"]: result["loss"] / math.log(2) / result["bytes"] for result in results}}

    def _texts(self) -> dict[str, str]:
        return {f"{document.origin}/{document.name}": document.text[:_CHARACTERS] for document in self.documents}
