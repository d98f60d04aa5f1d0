"""llama.cpp's batches: tokens that are evaluated together."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from assistant.engine.native import llama_cpp


@dataclass(frozen=True, slots=True)
class Placed:
    """A token, its position in a sequence, llama.cpp's number of that, and whether the logits after it are wanted."""

    token: int
    position: int
    sequence: int
    logits: bool


class Batch:
    """Room for so many tokens, filled anew for each evaluation.

    Attributes:
        native: what `llama_decode` takes.
    """

    def __init__(self, capacity: int) -> None:
        """Empty; whoever made it closes it."""
        self.native: Any = llama_cpp.llama_batch_init(capacity, 0, 1)

    def fill(self, tokens: Iterable[Placed]) -> None:
        """Has these tokens in it, in this order, and no others."""
        batch, count = self.native, 0
        for index, each in enumerate(tokens):
            batch.token[index] = each.token
            batch.pos[index] = each.position
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = each.sequence
            batch.logits[index] = each.logits
            count = index + 1
        batch.n_tokens = count

    def close(self) -> None:
        """Frees it."""
        llama_cpp.llama_batch_free(self.native)
