"""A text while a model writes it: what was chosen so far, and where it ends."""

import codecs

from assistant.engine.healing import Constraint
from assistant.engine.protocol import Sampling, StopReason
from assistant.engine.sampling import Logits, Sampler
from assistant.engine.vocabulary import Vocabulary


class Draft:
    """Chooses a text's tokens from logits, one after the other; holds native memory.

    Attributes:
        tokens: those chosen.
        ended: why nothing comes after them; None while something may.
    """

    def __init__(self, vocabulary: Vocabulary, constraint: Constraint, sampling: Sampling, room: int) -> None:
        """Nothing is chosen yet; `room` is how many tokens the context has for the text."""
        self.tokens: list[int] = []
        self.ended: StopReason | None = None
        self._vocabulary = vocabulary
        self._constraint = constraint
        self._room = room
        self._new_tokens_left = sampling.max_tokens
        self._sampler = Sampler(sampling)
        # A character whose bytes are not all there yet stays in the decoder.
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def choose(self, logits: Logits) -> str:
        """Chooses the next token; gives the text that is whole with it, or none where the text ends before it.

        Raises:
            EngineError: the logits are not numbers.
        """
        constraint = self._constraint
        token = self._sampler.choose(logits, constraint.allowed() if constraint.active else None)
        if self._vocabulary.ends(token):
            self.ended = StopReason.END_TOKEN
            return ""
        self.tokens.append(token)
        text = self._decoder.decode(constraint.accept(self._vocabulary.piece(token)))
        self._new_tokens_left -= not constraint.active
        if self._new_tokens_left <= 0:
            self.ended = StopReason.LIMIT
        elif len(self.tokens) > self._room:
            self.ended = StopReason.CONTEXT_FULL
        return text

    def close(self) -> None:
        """Frees what it holds."""
        self._sampler.close()
