"""The order of chunks in a prompt: they keep their places, so that the KV cache keeps what was evaluated of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from assistant.context.similarity import LIKE_ANOTHER, LIKE_SURROUNDINGS, Lines, contained, line_set
from assistant.context.types import Chunk

# What is filled of the budget at first and by a rebuild. The rest is kept for what turns out later to be no less
# useful, so that the next rebuild is far.
_FILLED = 0.75
# A rebuild makes all of the prompt be evaluated again: what it brings in has to be so much better than what it drops.
_WORTH = 2.0
# A chunk that nothing speaks for any more loses half of its worth each time.
_AGEING = 0.5
# More than this share of the budget would leave too little for others.
_LARGEST = 0.5


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk that could be in a prompt, and how useful it is; scores are positive, larger is better."""

    chunk: Chunk
    score: float
    lines: Lines = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lines", line_set(self.chunk.text))


@dataclass(frozen=True, slots=True)
class _Placed:
    candidate: Candidate
    tokens: int


class Layout:
    """The chunks in the prompts of one document. Not for several threads at once.

    Attributes:
        rebuilds: how often chunks were dropped; between two rebuilds each prompt's chunks begin with the last one's.
    """

    def __init__(self, cost: Callable[[Chunk], int], beginning: Sequence[Candidate] = ()) -> None:
        """`cost` counts a chunk's tokens. Prompts begin with `beginning`, as another document's do, whose part of the
        KV cache can then be copied, or as the same one's did in an earlier run."""
        self.rebuilds = 0
        self._cost = cost
        self._placed = [_Placed(candidate, cost(candidate.chunk)) for candidate in beginning]

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """In the order of the prompt."""
        return tuple(placed.candidate.chunk for placed in self._placed)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The chunks with their scores, in the order of the prompt."""
        return tuple(placed.candidate for placed in self._placed)

    @property
    def tokens(self) -> int:
        """What they cost in all."""
        return sum(placed.tokens for placed in self._placed)

    def copy(self) -> "Layout":
        """Another one that begins as this is."""
        other = Layout(self._cost)
        other.rebuilds, other._placed = self.rebuilds, list(self._placed)
        return other

    def update(self, candidates: Sequence[Candidate], surroundings: Lines, budget: int) -> None:
        """Appends what is new among `candidates` (best first), or rebuilds where that is worth it or cannot be avoided.

        Nothing that the cursor's `surroundings` say is added, or stays. Afterwards the chunks cost `budget` at most.
        """
        self._score_again(candidates)
        kept = [each for each in self._placed if contained(each.candidate.lines, surroundings) < LIKE_SURROUNDINGS]
        fresh = self._fresh(candidates, kept, surroundings, round(budget * _LARGEST))
        added = self._appended(fresh, kept, budget)
        left_out = [each for each in fresh if each not in added]
        too_many = sum(each.tokens for each in kept) > budget
        chosen = _best([*kept, *fresh], round(budget * _FILLED))
        gained = [each for each in left_out if each in chosen]
        if too_many or (gained and gained[0].candidate.score > _worst(kept) * _WORTH):
            kept = [each for each in kept if each in chosen]
            added = [each for each in fresh if each in chosen]
        if len(kept) < len(self._placed):
            self.rebuilds += 1
        self._placed = [*kept, *added]

    def _score_again(self, candidates: Sequence[Candidate]) -> None:
        scores = {candidate.chunk: candidate.score for candidate in candidates}
        for index, placed in enumerate(self._placed):
            old = placed.candidate
            score = scores.get(old.chunk, old.score * _AGEING)
            # Counted again as well: the model may be another one now.
            self._placed[index] = _Placed(replace(old, score=score), self._cost(old.chunk))

    def _fresh(
        self, candidates: Sequence[Candidate], kept: Sequence[_Placed], surroundings: Lines, largest: int
    ) -> list[_Placed]:
        """Candidates that say something new, best first."""
        said = [placed.candidate.lines for placed in kept]
        fresh = []
        for candidate in candidates:
            lines = candidate.lines
            if contained(lines, surroundings) >= LIKE_SURROUNDINGS:
                continue
            if any(contained(lines, other) >= LIKE_ANOTHER for other in said):
                continue
            tokens = self._cost(candidate.chunk)
            if tokens <= largest:
                said.append(lines)
                fresh.append(_Placed(candidate, tokens))
        return fresh

    @staticmethod
    def _appended(fresh: Sequence[_Placed], kept: Sequence[_Placed], budget: int) -> list[_Placed]:
        used, worst = sum(each.tokens for each in kept), _worst(kept)
        added = []
        for each in fresh:
            limit = budget if each.candidate.score >= worst else round(budget * _FILLED)
            if used + each.tokens <= limit:
                added.append(each)
                used += each.tokens
        return added


def _worst(placed: Sequence[_Placed]) -> float:
    return min((each.candidate.score for each in placed), default=float("inf"))


def _best(placed: Sequence[_Placed], room: int) -> list[_Placed]:
    """The most useful that fit."""
    best = []
    for each in sorted(placed, key=lambda each: -each.candidate.score):
        if each.tokens <= room:
            best.append(each)
            room -= each.tokens
    return best
