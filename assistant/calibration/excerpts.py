"""A part of a document that has a given number of tokens at most."""

import hashlib
import random

from assistant.corpus import Document
from assistant.engine.tokenizer import Tokenizer

# A token of code is three to four characters; twice that is read, so that a stretch seldom comes out short.
CHARACTERS_A_TOKEN = 8


def excerpt(document: Document, length: int, seed: int) -> str:
    """At most `length` characters of a document from the beginning of a line; where, the seed decides."""
    if len(document.text) <= length:
        return document.text
    choice = hashlib.sha256(f"{seed}\0{document.name}".encode()).digest()
    start = int.from_bytes(choice[:8], "little") % (len(document.text) - length + 1)
    line_start = document.text.rfind("\n", 0, start) + 1
    return document.text[line_start : line_start + length]


def shortened(text: str, tokens: int, tokenizer: Tokenizer) -> str:
    """As many whole lines from the beginning of `text` as have `tokens` tokens at most; maybe none."""
    while (count := len(tokenizer.tokenize(text))) > tokens:
        end = text.rfind("\n", 0, len(text) * tokens // count)
        text = text[: end + 1]
    return text


def chance(seed: int, document: Document) -> random.Random:
    """Random numbers for a document that are the same in every run with this seed."""
    return random.Random(f"{seed}\0{document.origin}\0{document.name}")
