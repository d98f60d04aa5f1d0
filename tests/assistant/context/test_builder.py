"""Context for prompts, built on a real project."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from assistant.catalog import FimTokens
from assistant.context.builder import ContextBuilder
from assistant.context.types import Chunk
from assistant.fim import KNOWN_TOKENS, FileName, fim_prompt
from assistant.suggestion.types import Buffer, SuggestionRequest

BUDGET = 200
WHEEL = 'def turn(angle: int) -> None:\n    """Turns it."""\n    print("body")\n'
MAIN = "from wheel import turn\n\n\ndef work():\n    turn(\n"


def count_words(text: str) -> int:
    return len(text.split())


def prompt_cost(tokens: FimTokens, chunks: tuple[Chunk, ...], path: str) -> int:
    """What a prompt has more than one without chunks."""
    with_chunks, without = (fim_prompt(tokens, "", "", each, FileName("project", path)) for each in (chunks, ()))
    return sum(1 if segment.special else count_words(segment.text) for segment in with_chunks.segments) - len(
        without.segments
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "wheel.py").write_text(WHEEL)
    (tmp_path / "main.py").write_text(MAIN)
    return tmp_path


@pytest.fixture
def builder(project: Path) -> Iterator[ContextBuilder]:
    builder = ContextBuilder(project, count_words)
    yield builder
    builder.close()


def buffer(project: Path, name: str, text: str, version: int = 1) -> Buffer:
    return Buffer((project / name).as_uri(), project / name, "python", version, text)


def at(document: Buffer, words: str) -> SuggestionRequest:
    return SuggestionRequest(document, document.text.rindex(words) + len(words))


def again(builder: ContextBuilder, request: SuggestionRequest, budget: int = BUDGET) -> tuple[Chunk, ...]:
    """The chunks once the engine has been idle."""
    if (choice := builder.reconsider(request, budget)) is not None:
        builder.adopt(choice)
    return builder.chunks(request, budget)


def test_signature_and_docstring_of_what_the_cursor_calls(builder: ContextBuilder, project: Path) -> None:
    request = at(buffer(project, "main.py", MAIN), "turn(")
    builder.chunks(request, BUDGET)
    assert builder.wait_for_index(60)
    expected = (Chunk("wheel.py", 'def turn(angle: int) -> None:\n    """Turns it."""\n'),)
    assert again(builder, request) == expected


def test_an_unsaved_change_of_a_definition_counts(builder: ContextBuilder, project: Path) -> None:
    request = at(buffer(project, "main.py", MAIN), "turn(")
    builder.chunks(request, 0)
    assert builder.wait_for_index(60)
    builder.opened(buffer(project, "wheel.py", "def turn(speed): ...\n"))
    assert again(builder, request)[0].text == "def turn(speed):\n"


def test_typing_on_leaves_the_chunks_alone_until_the_engine_was_idle(builder: ContextBuilder, project: Path) -> None:
    (project / "cart.py").write_text("def pull(weight):\n    pass\n")
    main = MAIN + "\n\ndef last():\n    pass\n"
    builder.chunks(at(buffer(project, "main.py", main), "turn("), BUDGET)
    assert builder.wait_for_index(60)
    before = again(builder, at(buffer(project, "main.py", main), "turn("))
    typed = main.replace("turn(\n", "turn(pull(\n")
    after_typing = at(buffer(project, "main.py", typed, 2), "pull(")
    assert builder.chunks(after_typing, BUDGET) == before
    choice = builder.reconsider(after_typing, BUDGET)
    assert choice is not None
    assert builder.chunks(after_typing, BUDGET) == before
    builder.adopt(choice)
    assert builder.chunks(after_typing, BUDGET) == choice.chunks == (*before, Chunk("cart.py", "def pull(weight):\n"))


def test_what_was_considered_or_is_of_little_use_is_no_reason_to_change(builder: ContextBuilder, project: Path) -> None:
    request = at(buffer(project, "main.py", MAIN), "turn(")
    builder.chunks(request, BUDGET)
    assert builder.wait_for_index(60)
    dropped, choice = (builder.reconsider(request, BUDGET) for _ in range(2))
    assert dropped is not None
    assert choice is not None
    assert dropped.chunks == choice.chunks  # as long as it is not adopted, it is to be had
    builder.adopt(choice)
    assert builder.reconsider(request, BUDGET) is None
    builder.opened(buffer(project, "notes.txt", "a note\nanother\n"))
    assert builder.reconsider(request, BUDGET) is None
    assert builder.chunks(request, BUDGET) == choice.chunks


def test_another_place_brings_new_chunks(builder: ContextBuilder, project: Path) -> None:
    document = buffer(project, "main.py", MAIN + "\n\ndef last():\n    pass\n")
    builder.chunks(at(document, "turn("), BUDGET)
    assert builder.wait_for_index(60)
    builder.opened(buffer(project, "notes.txt", "a note\nanother\n"))
    assert any(chunk.path == "notes.txt" for chunk in builder.chunks(at(document, "pass"), BUDGET))


def test_an_opened_document_has_chunks_before_anything_is_asked_and_leaves_no_visit(
    builder: ContextBuilder, project: Path
) -> None:
    document = buffer(project, "main.py", "from wheel import turn\n\n\nvalue = turn(\n")
    builder.opened(document)
    deadline = time.monotonic() + 60
    while not builder.has_looked(document) and time.monotonic() < deadline:
        time.sleep(0.01)
    first = builder.first_chunks(SuggestionRequest(document, 0), BUDGET)
    assert [chunk.path for chunk in first] == ["wheel.py"]
    assert builder.first_chunks(SuggestionRequest(document, 0), BUDGET) == first
    assert builder.saved().visits == ()
    assert builder.chunks(at(document, "turn("), BUDGET)[: len(first)] == first


def test_far_parts_of_the_same_document_count(builder: ContextBuilder, project: Path) -> None:
    filler = "".join(f"value_{number} = {number}\n" for number in range(300))
    document = buffer(project, "long.py", f"def helper(first): ...\n{filler}helper(")
    assert Chunk("long.py", "def helper(first):\n") in builder.chunks(at(document, "helper("), BUDGET)


def test_what_stands_at_the_cursor_is_not_said_twice(builder: ContextBuilder, project: Path) -> None:
    document = buffer(project, "main.py", "def helper(first): ...\nhelper(")
    assert builder.chunks(at(document, "helper("), BUDGET) == ()


def test_text_that_the_editor_does_not_have_leaves_no_trace(builder: ContextBuilder, project: Path) -> None:
    document = buffer(project, "main.py", "value = 1\n")
    builder.opened(document)
    ahead = buffer(project, "main.py", "value = 1\ndef guessed(first): ...\n")
    builder.chunks(at(ahead, "guessed("), BUDGET)
    other = buffer(project, "other.py", "guessed(")
    chunks = builder.chunks(at(other, "guessed("), BUDGET)
    assert all("guessed" not in chunk.text for chunk in chunks)


def test_without_a_budget_there_are_no_chunks(builder: ContextBuilder, project: Path) -> None:
    request = at(buffer(project, "main.py", MAIN), "turn(")
    builder.chunks(request, BUDGET)
    assert builder.wait_for_index(60)
    assert again(builder, request)
    assert builder.chunks(request, 0) == ()
    assert builder.rebuilds(request.buffer.uri) == 1


def test_a_document_outside_of_any_project(tmp_path: Path) -> None:
    builder = ContextBuilder(None, count_words)
    builder.opened(Buffer("untitled:Untitled-1", None, "plaintext", 1, "some words\n"))
    chunks = builder.chunks(SuggestionRequest(Buffer("file:///x.rs", Path("/x.rs"), "rust", 1, "fn f("), 5), BUDGET)
    assert chunks == (Chunk("untitled:Untitled-1", "some words\n"),)
    builder.close()


def test_the_program_ends_while_the_project_is_looked_through(project: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from assistant.context.builder import ContextBuilder\n"
        "from assistant.suggestion.types import Buffer, SuggestionRequest\n"
        "root = Path(sys.argv[1])\n"
        "builder = ContextBuilder(root, len)\n"
        "builder.chunks(SuggestionRequest(Buffer('u', root / 'm.py', 'python', 1, ''), 0), 99)\n"
    )
    for number in range(300):
        (project / f"file{number}.py").write_text(WHEEL)
    subprocess.run([sys.executable, "-c", script, project], check=True, timeout=120)


class Editing(RuleBasedStateMachine):
    """Random editing, moving and closing in a few documents."""

    names = st.sampled_from(["main.py", "wheel.py", "note.txt"])
    pieces = st.sampled_from(["turn(", "\n", "value = work()\n", "def added():\n    pass\n", "\n\n", "x" * 50, "é😀\n"])

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        root = Path(self.folder.name).resolve()
        (root / "wheel.py").write_text(WHEEL)
        self.root = root
        self.builders = [ContextBuilder(root, count_words) for _ in range(2)]
        self.texts = {"main.py": MAIN * 20, "wheel.py": WHEEL, "note.txt": "a note\n" * 40}
        for builder in self.builders:  # where the index got to in between would be chance
            start = buffer(root, "start.py", "")
            builder.chunks(SuggestionRequest(start, 0), 0)
            assert builder.wait_for_index(60)
            builder.closed(start.uri)
        self.version = 0
        self.last: dict[str, tuple[Chunk, ...]] = {}

    def teardown(self) -> None:
        for builder in self.builders:
            builder.close()
        self.folder.cleanup()

    @rule(name=names, piece=pieces, place=st.floats(0, 1))
    def edit(self, name: str, piece: str, place: float) -> None:
        text = self.texts[name]
        offset = int(place * len(text))
        self.texts[name] = text[:offset] + piece + text[offset:]
        self.version += 1
        for builder in self.builders:
            builder.edited(buffer(self.root, name, self.texts[name], self.version), offset + len(piece))

    @rule(name=names)
    def close(self, name: str) -> None:
        for builder in self.builders:
            builder.closed(buffer(self.root, name, "").uri)
        self.last.pop(name, None)

    @rule(name=names, place=st.floats(0, 1), budget=st.sampled_from([0, 50, 120, 200]), idle=st.booleans())
    def ask(self, name: str, place: float, budget: int, idle: bool) -> None:
        document = buffer(self.root, name, self.texts[name], self.version)
        request = SuggestionRequest(document, int(place * len(document.text)))
        rebuilds = self.builders[0].rebuilds(document.uri)
        answer = again if idle else ContextBuilder.chunks
        chunks, same = (answer(builder, request, budget) for builder in self.builders)
        assert chunks == same
        assert not chunks or prompt_cost(KNOWN_TOKENS[0], chunks, name) <= budget
        assert not chunks or prompt_cost(KNOWN_TOKENS[-1], chunks, name) <= budget
        before = self.last.get(name, ())
        if self.builders[0].rebuilds(document.uri) == rebuilds:
            assert chunks[: len(before)] == before
        self.last[name] = chunks

    @invariant()
    def no_chunk_is_empty(self) -> None:
        assert all(chunk.text.strip() for chunks in self.last.values() for chunk in chunks)


TestEditing = Editing.TestCase
TestEditing.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
