"""The KV cache of a model: a sequence for each document, within one budget of tokens."""

import ctypes
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.engine.cache_file import SavedSequence, read_cache_file, write_cache_file
from assistant.engine.cancellation import Cancellation
from assistant.engine.evaluation import Evaluator
from assistant.engine.native import llama_cpp
from assistant.engine.sampling import Logits
from assistant.engine.sequence import CachedSequence, common_length
from assistant.engine.shifting import Block, moved_blocks, moving_order


@dataclass(frozen=True, slots=True)
class Prefill:
    """A prompt to have in memory.

    Attributes:
        tokens: the prompt.
        sequence: the name of its sequence.
        shift: also use tokens again that were evaluated at other positions, after other tokens.
    """

    tokens: list[int]
    sequence: str = ""
    shift: bool = False


@dataclass(frozen=True, slots=True)
class Prefilled:
    """A sequence with the prompt, how many of its tokens were not evaluated, and the logits; None when cancelled."""

    sequence: CachedSequence
    cached: int
    logits: Logits | None


class KVCache:
    """Sequences by name. Those that begin alike share that beginning's memory; the least recently used make room.

    The context's memory is one pool of cells, a token each, allocated when the model is opened. A cell belongs to all
    sequences that begin with the tokens up to it: ten documents below the same chunks of other files hold these once.
    """

    def __init__(self, context: Any, vocabulary_size: int, batch_size: int) -> None:
        """No sequences yet; the context says how many there may be."""
        self._context = context
        self._memory = llama_cpp.llama_get_memory(context)
        self._evaluator = Evaluator(context, vocabulary_size, batch_size, self._make_room)
        self._can_shift = bool(llama_cpp.llama_memory_can_shift(self._memory))
        self._unused = list(range(llama_cpp.llama_n_seq_max(context)))
        self._parked = CachedSequence(self._memory, self._unused.pop())  # holds blocks while they are moved
        self._sequences: dict[str, CachedSequence] = {}  # least recently used first

    @property
    def names(self) -> tuple[str, ...]:
        """The sequences there are, the least recently used first."""
        return tuple(self._sequences)

    @property
    def evaluated_tokens(self) -> int:
        """Tokens evaluated so far."""
        return self._evaluator.evaluated_tokens

    def close(self) -> None:
        """Frees what is not the context's."""
        self._evaluator.close()

    def common(self, prompt: list[int]) -> int:
        """How many tokens of `prompt`, but for its last, some sequence begins with."""
        return max((sequence.common(prompt) for sequence in self._sequences.values()), default=0)

    def prefill(self, request: Prefill, cancel: Cancellation) -> Prefilled:
        """Has the named sequence hold the prompt and nothing else, evaluating what no sequence has.

        Cancelled, what it has evaluated stays.

        Raises:
            EngineError: the model fails, or the prompt is longer than the cache.
        """
        sequence, prompt = self._use(request.sequence), request.tokens
        source = self._best_source(sequence, request)
        common = source.common(prompt, shifted=request.shift)
        blocks = self._movable(sequence, prompt) if request.shift else []
        own, moved = sequence.common(prompt, shifted=request.shift), sum(block.length for block in blocks)
        if own + moved < common:
            sequence.copy(source, common)
            blocks, moved = [], 0
        else:
            self._park(sequence, blocks)
            sequence.truncate(own)
        cached = len(sequence.tokens) + moved
        if not self._insert(sequence, prompt, blocks, cancel):
            return Prefilled(sequence, cached, None)
        return Prefilled(sequence, cached, self.evaluate(sequence, prompt[len(sequence.tokens) :], cancel))

    def stoppable(self, cancel: Cancellation) -> AbstractContextManager[None]:
        """While it lasts, setting `cancel` stops evaluation."""
        return self._evaluator.stoppable(cancel)

    def evaluate(self, sequence: CachedSequence, tokens: list[int], cancel: Cancellation) -> Logits | None:
        """Appends `tokens` to the sequence used last; see `Evaluator.evaluate`."""
        return self._evaluator.evaluate(sequence, tokens, cancel)

    def save(self, path: Path, model: str, most_bytes: int) -> int:
        """Saves the most recently used sequences that take no more bytes together; gives how many tokens they have.

        Of one with shifted tokens, those before them are saved: no file holds what is not exact.

        Raises:
            EngineError: the file cannot be written.
        """
        chosen: list[tuple[CachedSequence, SavedSequence]] = []
        for name, sequence in reversed(self._sequences.items()):
            with self._exact_part(sequence) as part:
                size = llama_cpp.llama_state_seq_get_size(self._context, part.identity)
                most_bytes -= size
                if most_bytes < 0:
                    break
                if part.tokens:
                    chosen.insert(0, (sequence, SavedSequence(name, part.tokens, size)))
        saved = [entry for _, entry in chosen]
        write_cache_file(path, model, saved, (self._state(sequence, entry.size) for sequence, entry in chosen))
        return sum(len(entry.tokens) for entry in saved)

    def restore(self, path: Path, model: str, most_bytes: int) -> int:
        """Adds what a file has to an empty cache; gives how many tokens that is.

        Raises:
            UnusableFile: the file cannot be used; the cache is then as it was.
        """
        restored = 0
        with read_cache_file(path, model, most_bytes) as saved:
            for entry, state in saved:
                if self._unused and entry.name not in self._sequences and self._load(entry, state):
                    restored += len(entry.tokens)
        return restored

    def _best_source(self, sequence: CachedSequence, request: Prefill) -> CachedSequence:
        """The sequence that has most of the prompt's beginning; the prompt's own where others have no more."""

        def common(each: CachedSequence) -> tuple[int, bool]:
            return each.common(request.tokens, shifted=request.shift), each is sequence

        return max(self._sequences.values(), key=common)

    def _movable(self, sequence: CachedSequence, prompt: list[int]) -> list[Block]:
        """What can be moved within the sequence: of what it has no other one does, as a cell has one position."""
        if not self._can_shift:
            return []
        common = sequence.common(prompt, shifted=True)
        others = (each for each in self._sequences.values() if each is not sequence)
        shared = max((common_length(each.tokens, sequence.tokens) for each in others), default=0)
        return moved_blocks(sequence.tokens, prompt, max(common, shared), common)

    def _park(self, sequence: CachedSequence, blocks: list[Block]) -> None:
        """Puts blocks at their new positions, in a sequence of their own."""
        if not blocks:
            return
        parked, memory = self._parked.identity, self._memory
        llama_cpp.llama_memory_seq_cp(memory, sequence.identity, parked, blocks[0].source, -1)
        ends = [block.source + block.length for block in blocks]
        starts = [*(block.source for block in blocks[1:]), -1]
        for end, start in zip(ends, starts, strict=True):
            if start != end:
                llama_cpp.llama_memory_seq_rm(memory, parked, end, start)
        sequence.truncate(blocks[0].source)
        for block in moving_order(blocks):
            self._move(block.source, block.target, block.length)

    def _insert(self, sequence: CachedSequence, prompt: list[int], blocks: list[Block], cancel: Cancellation) -> bool:
        """Evaluates what is before each parked block and appends the block; False when cancelled.

        Then the blocks follow what has been evaluated, to be moved again when the prompt comes again.
        """
        try:
            running = True
            for block in blocks:
                start, end = len(sequence.tokens), block.target + block.length
                if running and start < block.target:
                    running = self.evaluate(sequence, prompt[start : block.target], cancel) is not None
                self._move(block.target, len(sequence.tokens), block.length)
                sequence.append_shifted(self._parked, prompt[block.target : end])
            return running
        finally:
            self._parked.clear()

    def _move(self, source: int, target: int, length: int) -> None:
        """Moves tokens of the parked sequence to other positions."""
        if source != target:
            llama_cpp.llama_memory_seq_add(
                self._memory, self._parked.identity, source, source + length, target - source
            )
            self._evaluator.positions_moved()

    @contextmanager
    def _exact_part(self, sequence: CachedSequence) -> Iterator[CachedSequence]:
        """The sequence's tokens before those that were shifted."""
        try:
            self._parked.copy(sequence, min(len(sequence.tokens), sequence.shifted_from))
            yield self._parked
        finally:
            self._parked.clear()

    def _state(self, sequence: CachedSequence, size: int) -> memoryview:
        state = (ctypes.c_uint8 * size)()
        with self._exact_part(sequence) as part:
            llama_cpp.llama_state_seq_get_data(self._context, state, size, part.identity)
        return memoryview(state).cast("B")

    def _load(self, entry: SavedSequence, state: bytes) -> bool:
        """Makes a sequence of a saved one, as the most recently used; False when there is no room for it."""
        sequence = self._use(entry.name)
        data = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        read = llama_cpp.llama_state_seq_set_data(self._context, data, len(state), sequence.identity)
        sequence.settle(entry.tokens)
        if read == len(state) and len(sequence.tokens) == len(entry.tokens):
            return True
        del self._sequences[entry.name]
        sequence.clear()
        self._unused.append(sequence.identity)
        return False

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
