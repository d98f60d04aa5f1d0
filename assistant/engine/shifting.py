"""Which tokens of a cached prompt can be used again at other positions of a new one."""

from dataclasses import dataclass

# Moving tokens turns all keys of the cache anew, which costs as much as evaluating some tokens.
LEAST_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Block:
    """A run of `length` equal tokens: from position `source` of the cached prompt, at position `target` of the new."""

    source: int
    target: int
    length: int


def moved_blocks(cached: list[int], prompt: list[int], source: int, target: int) -> list[Block]:
    """Runs of at least `LEAST_TOKENS` tokens of `cached`, from `source` on, that are in `prompt`, from `target` on.

    They are in the same order in both, and never reach the prompt's last token, which is always evaluated.
    """
    places: dict[tuple[int, ...], list[int]] = {}
    for start in range(len(cached) - LEAST_TOKENS, source - 1, -1):
        places.setdefault(tuple(cached[start : start + LEAST_TOKENS]), []).append(start)  # the first comes last
    blocks = []
    while target + LEAST_TOKENS < len(prompt):
        found = places.get(tuple(prompt[target : target + LEAST_TOKENS]), [])
        while found and found[-1] < source:
            found.pop()
        if not found:
            target += 1
            continue
        block = Block(found[-1], target, _equal_length(cached, prompt, found[-1], target))
        blocks.append(block)
        source, target = block.source + block.length, block.target + block.length
    return blocks


def moving_order(blocks: list[Block]) -> list[Block]:
    """The blocks in an order in which each can be moved without touching one that is still in its way.

    Those that move towards the beginning go first, from the beginning on; the others follow, from the end on.
    """
    return [block for block in blocks if block.target < block.source] + [
        block for block in reversed(blocks) if block.target > block.source
    ]


def _equal_length(cached: list[int], prompt: list[int], source: int, target: int) -> int:
    limit = min(len(cached) - source, len(prompt) - 1 - target)
    return next((i for i in range(limit) if cached[source + i] != prompt[target + i]), limit)
