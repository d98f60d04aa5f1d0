"""The KV cache of a model: a sequence for each document, within one budget of tokens."""

import ctypes
import time
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.engine.cache_file import CacheKey, SavedSequence, read_cache_file, write_cache_file
from assistant.engine.cancellation import Cancellation
from assistant.engine.evaluation import Evaluator
from assistant.engine.native import llama_cpp
from assistant.engine.sampling import Logits
from assistant.engine.sequence import CachedSequence, common_length
from assistant.engine.shifting import Block, moved_blocks, moving_order
from assistant.errors import EngineError


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


@dataclass(frozen=True, slots=True)
class Saving:
    """What to save.

    Attributes:
        most_bytes: what the states may take together.
        names: the sequences that may be saved; all when None.
        seconds: after which it is given up.
    """

    most_bytes: int
    names: Collection[str] | None = None
    seconds: float = float("inf")


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

    def reusable(self, request: Prefill) -> int:
        """How many tokens of the prompt, but for its last, a prefill would not evaluate."""
        prompt, shift = request.tokens, request.shift
        common = max((each.common(prompt, shifted=shift) for each in self._sequences.values()), default=0)
        own = self._sequences.get(request.sequence)
        if not shift or own is None:
            return common
        moved = sum(block.length for block in self._movable(own, prompt))
        return max(common, own.common(prompt, shifted=True) + moved)

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

    def extend(self, request: Prefill, cancel: Cancellation) -> Logits | None:
        """Evaluates the last of the tokens after the others; gives the logits after it, or None when cancelled.

        The others are evaluated again where something else has taken their place in the sequence.

        Raises:
            EngineError: as `prefill`.
        """
        sequence = self._sequences.get(request.sequence)
        if sequence is None or sequence.tokens != request.tokens[:-1]:
            return self.prefill(request, cancel).logits
        return self.evaluate(self._use(request.sequence), request.tokens[-1:], cancel)

    def evaluate(self, sequence: CachedSequence, tokens: list[int], cancel: Cancellation) -> Logits | None:
        """Appends `tokens` to the sequence used last; see `Evaluator.evaluate`."""
        return self._evaluator.evaluate(sequence, tokens, cancel)

    def save(self, path: Path, key: CacheKey, what: Saving) -> int:
        """Saves the most recently used sequences; gives how many tokens they have.

        Of one with shifted tokens, those before them are saved: no file holds what is not exact.

        Raises:
            EngineError: the file cannot be written, or not in time.
        """
        deadline = time.monotonic() + what.seconds
        room, chosen = what.most_bytes, list[SavedSequence]()
        for name in reversed(self._sequences):
            if what.names is not None and name not in what.names:
                continue
            entry = self._entry(name, chosen)
            room -= entry.size
            if room < 0:
                break
            if entry.tokens:
                chosen.append(entry)
        write_cache_file(path, key, chosen, self._states(chosen, deadline))
        return sum(len(entry.tokens) for entry in chosen)

    def restore(self, path: Path, key: CacheKey, most_bytes: int) -> int:
        """Adds what a file has, as what was used least recently; gives how many tokens that is.

        Sequences that are there stay as they are, and those that find no room are left out.

        Raises:
            UnusableFile: the file cannot be used; the cache is then as it was.
        """
        restored: dict[str, CachedSequence] = {}
        with read_cache_file(path, key, most_bytes) as saved:
            for entry, state in saved:
                if entry.name not in self._sequences and (loaded := self._load(entry, state, restored)) is not None:
                    restored[entry.name] = loaded
        self._sequences = dict(reversed(restored.items())) | self._sequences
        return sum(len(sequence.tokens) for sequence in restored.values())

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

    def _entry(self, name: str, before: list[SavedSequence]) -> SavedSequence:
        """What is saved of a sequence: all of it, or what follows the longest beginning that one before it has."""
        sequence = self._sequences[name]
        tokens = sequence.tokens[: sequence.shifted_from]
        shared, source = max(((common_length(each.tokens, tokens), each.name) for each in before), default=(0, ""))
        start = max(0, min(shared, len(tokens) - 1))  # a state has at least a token
        with self._exact_part(sequence, start) as part:
            size = llama_cpp.llama_state_seq_get_size(self._context, part.identity)
            if llama_cpp.llama_memory_seq_pos_min(self._memory, part.identity) == 0:
                start = 0
            return SavedSequence(name, part.tokens, size, source if start else "", start)

    @contextmanager
    def _exact_part(self, sequence: CachedSequence, start: int) -> Iterator[CachedSequence]:
        """The sequence's tokens before those that were shifted; memory has those from `start` on, if it can be cut."""
        try:
            self._parked.copy(sequence, min(len(sequence.tokens), sequence.shifted_from))
            if start:
                llama_cpp.llama_memory_seq_rm(self._memory, self._parked.identity, 0, start)
            yield self._parked
        finally:
            self._parked.clear()

    def _states(self, entries: list[SavedSequence], deadline: float) -> Iterator[memoryview]:
        for entry in entries:
            if time.monotonic() > deadline:
                raise EngineError("The cache was not saved: that took too long.")
            state = (ctypes.c_uint8 * entry.size)()
            with self._exact_part(self._sequences[entry.name], entry.shared) as part:
                llama_cpp.llama_state_seq_get_data(self._context, state, entry.size, part.identity)
            yield memoryview(state).cast("B")

    def _load(self, entry: SavedSequence, state: bytes, before: dict[str, CachedSequence]) -> CachedSequence | None:
        """Makes a sequence of a saved one; None when there is no room for it, or what it shares is not there."""
        source = before.get(entry.source)
        if not self._unused or (entry.shared and (source is None or source.common(entry.tokens) < entry.shared)):
            return None
        sequence = CachedSequence(self._memory, self._unused.pop())
        data = (ctypes.c_uint8 * len(state)).from_buffer_copy(state)
        read = llama_cpp.llama_state_seq_set_data(self._context, data, len(state), sequence.identity)
        if source is not None and entry.shared:
            llama_cpp.llama_memory_seq_cp(self._memory, source.identity, sequence.identity, 0, entry.shared)
        sequence.settle(entry.tokens)
        if read == len(state) and len(sequence.tokens) == len(entry.tokens):
            return sequence
        sequence.clear()
        self._unused.append(sequence.identity)
        return None

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
