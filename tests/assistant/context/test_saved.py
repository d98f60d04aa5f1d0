"""What prompts begin with, taken over by another run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from assistant.context.builder import ContextBuilder
from assistant.context.index import DefinitionIndex
from assistant.context.saved import SavedContext, Sources
from assistant.context.types import Chunk
from assistant.suggestion.types import Buffer, SuggestionRequest
from tests.assistant.context.test_builder import BUDGET, MAIN, WHEEL, at, buffer, count_words

NOTES = "a note on turning\nanother on wheels\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "wheel.py").write_text(WHEEL)
    (tmp_path / "main.py").write_text(MAIN)
    (tmp_path / "notes.txt").write_text(NOTES)
    return tmp_path


@pytest.fixture
def first_run(project: Path) -> Iterator[ContextBuilder]:
    """It has chosen a definition and an open document for `main.py`, and worked in `notes.txt`."""
    builder = ContextBuilder(project, count_words)
    builder.chunks(SuggestionRequest(main(project), 0), 0)
    assert builder.wait_for_index(60)
    builder.edited(buffer(project, "notes.txt", NOTES), 3)
    assert chosen(builder, project) == ("wheel.py", "notes.txt")
    yield builder
    builder.close()


@pytest.fixture
def second_run(project: Path) -> Iterator[ContextBuilder]:
    builder = ContextBuilder(project, count_words)
    yield builder
    builder.close()


def main(project: Path) -> Buffer:
    return buffer(project, "main.py", MAIN)


def chosen(builder: ContextBuilder, project: Path) -> tuple[str, ...]:
    return tuple(chunk.path for chunk in builder.chunks(at(main(project), "turn("), BUDGET))


def through_json(saved: SavedContext) -> SavedContext:
    adapter = TypeAdapter(SavedContext)
    return adapter.validate_json(adapter.dump_json(saved), strict=True)


def test_the_same_place_gets_the_same_chunks_before_the_project_was_looked_through(
    first_run: ContextBuilder, second_run: ContextBuilder, project: Path
) -> None:
    second_run.restore(through_json(first_run.saved()))
    request = at(main(project), "turn(")
    assert second_run.chunks(request, BUDGET) == first_run.chunks(request, BUDGET)
    assert second_run.rebuilds(request.buffer.uri) == 0


def test_another_document_begins_as_the_last_one_did(
    first_run: ContextBuilder, second_run: ContextBuilder, project: Path
) -> None:
    last = first_run.chunks(at(main(project), "turn("), BUDGET)
    second_run.restore(through_json(first_run.saved()))
    new = buffer(project, "new.py", "value = 1\n")
    assert second_run.chunks(at(new, "1"), BUDGET)[: len(last)] == last


def test_what_a_file_does_not_say_any_more_is_left_out(
    first_run: ContextBuilder, second_run: ContextBuilder, project: Path
) -> None:
    saved = through_json(first_run.saved())
    (project / "wheel.py").write_text("def turn(speed: float) -> None: ...\n")
    second_run.restore(saved)
    assert chosen(second_run, project) == ("notes.txt",)


def test_a_file_that_is_gone_says_nothing(first_run: ContextBuilder, second_run: ContextBuilder, project: Path) -> None:
    saved = through_json(first_run.saved())
    (project / "notes.txt").unlink()
    second_run.restore(saved)
    assert chosen(second_run, project) == ("wheel.py",)
    assert second_run.saved().visits[-1:] == first_run.saved().visits[-1:]  # `main.py` is worked at in both


def test_the_editors_text_goes_before_the_files(
    first_run: ContextBuilder, second_run: ContextBuilder, project: Path
) -> None:
    second_run.opened(buffer(project, "wheel.py", "def turn(speed): ...\n"))
    second_run.restore(through_json(first_run.saved()))
    assert "wheel.py" not in chosen(second_run, project)


def test_a_document_used_since_keeps_its_chunks(
    first_run: ContextBuilder, second_run: ContextBuilder, project: Path
) -> None:
    before = chosen(second_run, project)
    assert before != chosen(first_run, project)
    second_run.restore(through_json(first_run.saved()))
    assert chosen(second_run, project) == before


def test_places_worked_at_come_from_the_last_run(
    first_run: ContextBuilder, second_run: ContextBuilder, project: Path
) -> None:
    second_run.restore(through_json(first_run.saved()))
    elsewhere = buffer(project, "new.py", "turning = 'a note'\n")
    assert Chunk("notes.txt", NOTES) in second_run.chunks(at(elsewhere, "note"), BUDGET)
    assert [visit.path for visit in second_run.saved().visits] == ["notes.txt", "main.py", "new.py"]


def test_of_many_documents_the_last_used_are_saved(second_run: ContextBuilder, project: Path) -> None:
    for number in range(20):
        second_run.chunks(SuggestionRequest(buffer(project, f"{number}.py", f"x = {number}\n"), 0), BUDGET)
    saved = [Path(document.uri).name for document in second_run.saved().documents]
    assert saved == [f"{number}.py" for number in range(4, 20)]


def test_all_that_is_found_in_files_is_what_they_say() -> None:
    root = Path(__file__).parents[3]
    index, sources = DefinitionIndex(root), Sources(root, {})
    files = [
        path.relative_to(root).as_posix() for folder in ("assistant", "lsp") for path in (root / folder).glob("*.py")
    ]
    found = [(path, f"{each.text}\n") for path in files for each in index.definitions(path)]
    assert len(found) > 500
    assert [text for path, text in found if not sources.still_say(path, text)] == []


@pytest.mark.parametrize(
    "path", ["../secret.txt", "/etc/passwd", "link.txt", "", ".", "a\0b", "missing.py", "x" * 5000]
)
def test_nothing_outside_of_the_project_is_read(tmp_path: Path, path: str) -> None:
    project, secret = tmp_path / "project", tmp_path / "secret.txt"
    project.mkdir()
    secret.write_text("root:x:0:0\n")
    (project / "link.txt").symlink_to(secret)
    assert not Sources(project, {}).still_say(path, "root:x:0:0\n")


def test_a_line_changed_among_many_is_the_same_chunk(tmp_path: Path) -> None:
    text = "".join(f"value_{number} = {number}\n" for number in range(20))
    (tmp_path / "a.py").write_text("import os\n\n" + text.replace("value_7 = 7", "value_7 = 8"))
    assert Sources(tmp_path, {}).still_say("a.py", text)
    assert not Sources(tmp_path, {}).still_say("a.py", "def f(a):\n    '''Says.'''\n")
