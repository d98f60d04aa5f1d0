"""The KV cache of a model: a sequence for each document, within one budget of tokens."""

from contextlib import AbstractContextManager
from typing import Any

from assistant.engine.cancellation import Cancellation
from assistant.engine.evaluation import Evaluator
from assistant.engine.native import llama_cpp
from assistant.engine.sampling import Logits
from assistant.engine.sequence import CachedSequence


class KVCache:
    """Sequences by name. Those that begin alike share that beginning's memory; the least recently used make room.

    The context's memory is one pool of cells, a token each, allocated when the model is opened. A cell belongs to all
    sequences that begin with the tokens up to it: ten documents below the same chunks of other files hold these once.
    """

    def __init__(self, context: Any, vocabulary_size: int, batch_size: int) -> None:
        """No sequences yet; the context says how many there may be."""
        self._memory = llama_cpp.llama_get_memory(context)
        self._evaluator = Evaluator(context, vocabulary_size, batch_size, self._make_room)
        self._unused = list(range(llama_cpp.llama_n_seq_max(context)))
        self._sequences: dict[str, CachedSequence] = {}  # least recently used first

    @property
    def names(self) -> tuple[str, ...]:
        """The sequences there are, the least recently used first."""
        return tuple(self._sequences)

    def close(self) -> None:
        """Frees what is not the context's."""
        self._evaluator.close()

    def prepare(self, name: str, prompt: list[int]) -> CachedSequence:
        """The named sequence, holding as much of the beginning of `prompt` as any sequence does, and nothing else."""
        sequence = self._use(name)
        source = max(self._sequences.values(), key=lambda each: (each.common(prompt), each is sequence))
        if source is sequence:
            sequence.truncate(sequence.common(prompt))
        else:
            sequence.copy(source, source.common(prompt))
        return sequence

    def stoppable(self, cancel: Cancellation) -> AbstractContextManager[None]:
        """While it lasts, setting `cancel` stops evaluation."""
        return self._evaluator.stoppable(cancel)

    def evaluate(self, sequence: CachedSequence, tokens: list[int], cancel: Cancellation) -> Logits | None:
        """Appends `tokens` to the sequence prepared last; see `Evaluator.evaluate`."""
        return self._evaluator.evaluate(sequence, tokens, cancel)

    def _use(self, name: str) -> CachedSequence:
        """The named sequence, new if need be, as the most recently used."""
        sequence = self._sequences.pop(name, None)
        if sequence is None:
            if not self._unused:
                self._evict()
            sequence = CachedSequence(self._memory, self._unused.pop())
        self._sequences[name] = sequence
        return sequence

    def _make_room(self) -> bool:
        """Forgets the least recently used sequence; False when only the one in use is left."""
        if len(self._sequences) < 2:
            return False
        self._evict()
        return True

    def _evict(self) -> None:
        sequence = self._sequences.pop(next(iter(self._sequences)))
        sequence.clear()
        self._unused.append(sequence.identity)
