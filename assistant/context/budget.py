"""How many tokens of other files a machine can afford in a prompt."""

# Fewer hold no useful chunk.
_LEAST = 128
_MOST = 4096

# Prefill of other files that a person waits through once: when a document is first completed in, and after a rebuild.
# Of 44 calls of other files' functions 9 were right without chunks, 10 with 256 tokens of them, which are 3 seconds of
# two cores and a model of 0.5B, and 10 with 512 (benchmarks/context.py).
SECONDS = 3.0


def context_budget(
    prefill_tokens_per_second: float, context: int, around_cursor: int = 640 + 128, current: int = 0
) -> int:
    """Tokens of other files' chunks in a prompt, 0 when there is no room or no time for any.

    Chunks are evaluated once and then served from the KV cache, so what they may cost is a wait now and then, not one
    at each keystroke: `SECONDS` of prefill at the measured speed. Half of the context is left to the document's own
    text and to what is generated, and `around_cursor` tokens (windows and completion) in any case.

    The answer is a power of two. A smaller one than the last costs a rebuild of every prompt, and a busy machine is
    slower for a while: a `current` budget stays, if there is room for it, until the speed has changed by more than half
    beyond the speeds that lead to it.
    """
    room = min(context / 2, context - around_cursor, _MOST)
    in_time = prefill_tokens_per_second * SECONDS
    if _LEAST <= current <= room and current / 1.5 <= in_time <= current * 3:
        return current
    affordable = min(in_time, room)
    return 1 << (int(affordable).bit_length() - 1) if affordable >= _LEAST else 0
