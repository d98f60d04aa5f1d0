"""The ring of places worked at."""

from pathlib import Path

from assistant.context.ring import Ring
from assistant.suggestion.types import Buffer


def buffer(name: str, text: str, version: int = 1) -> Buffer:
    return Buffer(f"file:///{name}", Path(f"/{name}"), "python", version, text)


def lines(word: str, count: int = 200) -> str:
    return "".join(f"{word}_{number} = {number}\n" for number in range(count))


def test_a_place_becomes_a_chunk_when_another_document_is_worked_at() -> None:
    ring, text = Ring(), lines("first")
    ring.visit(buffer("a.py", text), "a.py", text.index("first_100"))
    assert ring.chunks == ()
    ring.visit(buffer("b.py", "x = 1\n"), "b.py", 0)
    (chunk,) = ring.chunks
    assert chunk.path == "a.py"
    assert "first_100 = 100\n" in chunk.text
    assert "first_50 =" not in chunk.text


def test_a_far_place_of_the_same_document_is_another_one() -> None:
    ring, text = Ring(), lines("first")
    ring.visit(buffer("a.py", text), "a.py", 0)
    ring.visit(buffer("a.py", text), "a.py", 5)
    assert ring.chunks == ()
    ring.visit(buffer("a.py", text), "a.py", len(text))
    assert "first_0 = 0" in ring.chunks[0].text


def test_the_chunk_is_what_the_place_was_when_it_was_left() -> None:
    ring = Ring()
    ring.visit(buffer("a.py", "value = 1\n"), "a.py", 0)
    ring.visit(buffer("a.py", "value = 12\n", 2), "a.py", 9)
    ring.leave("file:///a.py")
    assert [chunk.text for chunk in ring.chunks] == ["value = 12\n"]


def test_a_newer_version_of_a_place_replaces_the_older() -> None:
    ring, text = Ring(), lines("first", 5)
    for version, change in enumerate(["", "added = 1\n"]):
        ring.visit(buffer("a.py", text + change, version), "a.py", 0)
        ring.visit(buffer("b.py", "\n"), "b.py", 0)
    (chunk,) = ring.chunks
    assert "added = 1" in chunk.text


def test_nearly_the_same_lines_of_two_documents_are_one_chunk_and_others_two() -> None:
    ring = Ring()
    for name, text in {"a.py": lines("same", 12), "b.py": lines("same", 12), "c.py": lines("other", 12)}.items():
        ring.visit(buffer(name, text), name, 0)
        ring.leave(f"file:///{name}")
    assert [chunk.path for chunk in ring.chunks] == ["b.py", "c.py"]


def test_the_oldest_makes_room() -> None:
    ring = Ring(size=2)
    for number in range(4):
        name = f"{number}.py"
        ring.visit(buffer(name, lines(f"word{number}")), name, 0)
    assert [chunk.path for chunk in ring.chunks] == ["1.py", "2.py"]


def test_an_empty_document_gives_no_chunk() -> None:
    ring = Ring()
    ring.visit(buffer("a.py", "\n\n"), "a.py", 0)
    ring.leave("file:///a.py")
    assert ring.chunks == ()


def test_chunks_of_an_earlier_run_are_the_oldest() -> None:
    first, second = Ring(size=2), Ring(size=2)
    for name in "abc":
        first.visit(buffer(name, lines(name)), name, 0)
    assert [chunk.path for chunk in first.all] == ["a", "b", "c"]
    assert [chunk.path for chunk in first.chunks] == ["a", "b"]
    second.visit(buffer("d", lines("d")), "d", 0)
    second.visit(buffer("e", lines("e")), "e", 0)
    second.restore(first.all)
    assert [chunk.path for chunk in second.chunks] == ["c", "d"]
