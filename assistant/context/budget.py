"""How many tokens of other files a machine can afford in a prompt."""

# Fewer hold no useful chunk.
_LEAST = 256
_MOST = 4096

# Prefill of other files that a person waits through once: when a document is first completed in, and after a rebuild.
SECONDS = 6.0


def context_budget(prefill_tokens_per_second: float, context: int, around_cursor: int = 640 + 128) -> int:
    """Tokens of other files' chunks in a prompt, 0 when there is no room or no time for any.

    Chunks are evaluated once and then served from the KV cache, so what they may cost is a wait now and then, not one
    at each keystroke: `SECONDS` of prefill at the measured speed. Half of the context is left to the document's own
    text and to what is generated, and `around_cursor` tokens (windows and completion) in any case.

    The answer is a power of two: two measurements of one machine seldom differ by so much, and a smaller budget than
    the last would cost a rebuild of every prompt.
    """
    affordable = min(prefill_tokens_per_second * SECONDS, context / 2, context - around_cursor, _MOST)
    return 1 << (int(affordable).bit_length() - 1) if affordable >= _LEAST else 0
