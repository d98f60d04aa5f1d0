"""Code in a model's fill-in-the-middle format, with the cursor where syntax puts it, in the order that is served.

As in AST-FIM (arXiv 2506.00204) whole nodes of the syntax tree are taken out; and as often what is left of a line after
one of its tokens, since most suggestions are such.
"""

import random
from typing import TYPE_CHECKING, NamedTuple

from assistant.catalog import FimTokens
from assistant.engine.protocol import Segment
from assistant.fim import fim_prompt
from assistant.grammars import Grammar, encoded, parse

if TYPE_CHECKING:
    from tree_sitter import Node

# Fewer tokens show the model little of what is around a cursor.
LEAST_TOKENS = 64
_LEAST_BYTES, _MOST_BYTES = 4, 1000
_TRIES = 8
# Special tokens and seams between the three parts, over the text's own tokens.
SPARE_TOKENS = 12


class Split(NamedTuple):
    """A text in three parts, of which the middle is to be filled in."""

    before: str
    middle: str
    after: str


def example_segments(fim: FimTokens, split: Split) -> tuple[Segment, ...]:
    """The prompt that is served for a cursor there, and what the model is to write after it."""
    prompt = fim_prompt(fim, split.before, split.after)
    if not prompt.healed:
        return (*prompt.segments, Segment(split.middle))
    # A healed prompt's end is written again with what follows: both are the tokens of one text.
    *front, before = prompt.segments
    return (*front, Segment(before.text + split.middle))


def split_by_syntax(text: str, grammar: Grammar, choice: random.Random) -> Split | None:
    """`text` cut before and after a node of its syntax tree, or before a token and at its line's end.

    Which, and where, is chosen at random; None where a few tries find nothing that is neither tiny nor most of it.
    """
    data = encoded(text)
    root = parse(text, grammar).root_node
    for _ in range(_TRIES if data else 0):
        start, end = _span(root, data, choice)
        if start and _LEAST_BYTES <= end - start <= min(_MOST_BYTES, len(data) // 2):
            return Split(data[:start].decode(), data[start:end].decode(), data[end:].decode())
    return None


def _span(root: "Node", data: bytes, choice: random.Random) -> tuple[int, int]:
    place = choice.randrange(len(data))
    whole_node = choice.random() < 0.5
    node = root.descendant_for_byte_range(place, min(place + 1, len(data)))
    if node is None:
        return 0, 0
    if not whole_node:
        end = data.find(b"\n", node.start_byte)
        return node.start_byte, len(data) if end < 0 else end
    around = []
    while node is not None and node.parent is not None:
        if node.is_named and node.end_byte - node.start_byte <= _MOST_BYTES:
            around.append((node.start_byte, node.end_byte))
        node = node.parent
    return choice.choice(around) if around else (0, 0)
