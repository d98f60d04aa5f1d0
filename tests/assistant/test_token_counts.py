"""Counting a corpus's tokens."""

from collections.abc import Iterator

from assistant.corpus import Document
from assistant.engine.tokenizer import Tokenizer
from assistant.token_counts import count_tokens

BYTES = Tokenizer(tokenize=lambda text: list(text.encode()), separator=0)


def documents(*texts: str) -> Iterator[Document]:
    return (Document("project", "a.py", text) for text in texts)


def test_whole_documents_are_counted_until_the_limit() -> None:
    left = documents("aab", "b", "dddd", "e")
    counts = count_tokens(left, BYTES, 5)
    assert {chr(token): count for token, count in enumerate(counts.tolist()) if count} == {"a": 2, "b": 2, "d": 4}
    assert [document.text for document in left] == []  # one more was asked for, and not counted


def test_shorter_counts_are_added_to_longer_ones() -> None:
    assert count_tokens(documents("z", "a", "z"), BYTES, 100)[[ord("a"), ord("z")]].tolist() == [1, 2]


def test_no_documents_give_no_counts() -> None:
    assert count_tokens(documents(), BYTES, 100).size == 0
    assert count_tokens(documents(""), BYTES, 100).size == 0
