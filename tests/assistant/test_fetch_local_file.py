import os
from hashlib import sha256
from pathlib import Path

import pytest

from assistant.catalog import FileSource
from assistant.fetch.local_file import download
from assistant.fetch.transfer import Expected, Silent, SourceError

CONTENT = b"GGUF" * 1000
RIGHT = Expected(len(CONTENT), sha256(CONTENT).hexdigest())


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "somewhere.gguf"
    path.write_bytes(CONTENT)
    path.chmod(0o644)
    return path


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_a_file_of_ones_own_is_linked(model: Path, work: Path) -> None:
    delivered = download(FileSource(path=model), work, RIGHT, Silent())
    assert (delivered.size, delivered.sha256) == (RIGHT.size, RIGHT.sha256)
    assert delivered.path.samefile(model)


def test_a_link_to_a_file_is_followed(model: Path, work: Path) -> None:
    link = model.with_name("link.gguf")
    link.symlink_to(model)
    delivered = download(FileSource(path=link), work, RIGHT, Silent())
    assert not delivered.path.is_symlink()
    assert delivered.path.read_bytes() == CONTENT


@pytest.mark.skipif(os.name == "nt", reason="no permission bits")
def test_a_file_others_may_write_is_copied(model: Path, work: Path) -> None:
    model.chmod(0o666)
    delivered = download(FileSource(path=model), work, RIGHT, Silent())
    assert delivered.path.read_bytes() == CONTENT
    assert not delivered.path.samefile(model)


@pytest.mark.parametrize("mode", [0o644, 0o666])
def test_another_file_is_refused_and_nothing_is_left(model: Path, work: Path, mode: int) -> None:
    model.write_bytes(CONTENT[:-1] + b"?")
    model.chmod(mode)
    with pytest.raises(SourceError, match=r"its SHA-256 is .* instead of"):
        download(FileSource(path=model), work, RIGHT, Silent())
    assert list(work.iterdir()) == []
    model.write_bytes(CONTENT[:-1])
    with pytest.raises(SourceError, match="it has 3999 bytes instead of 4000"):
        download(FileSource(path=model), work, RIGHT, Silent())


def test_a_folder_and_a_missing_file_are_named_as_such(work: Path) -> None:
    with pytest.raises(SourceError, match="it is not a file"):
        download(FileSource(path=work), work, RIGHT, Silent())
    with pytest.raises(SourceError, match="it cannot be read"):
        download(FileSource(path=work / "none"), work, RIGHT, Silent())
