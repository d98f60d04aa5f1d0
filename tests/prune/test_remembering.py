"""What was read of a file is taken again for as long as it is the same file, and no longer."""

import os
from pathlib import Path

import pytest

from prune import remembering
from prune.gguf_file import GGUFFile
from prune.remembering import Remembered
from tests.prune.tiny_models import write_tiny_model


def test_what_was_just_written_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    remembered: Remembered[str] = Remembered(2)
    remembered.keep(path.stat(), "one")
    assert remembered.get(path.stat()) is None


def test_a_file_that_changed_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "_SETTLED_NS", 0)
    path = tmp_path / "file"
    path.write_bytes(b"one")
    remembered: Remembered[str] = Remembered(2)
    remembered.keep(path.stat(), "one")
    assert remembered.get(path.stat()) == "one"
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert remembered.get(path.stat()) is None
    path.write_bytes(b"other")
    assert remembered.get(path.stat()) is None


def test_the_last_few_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembering, "_SETTLED_NS", 0)
    remembered: Remembered[int] = Remembered(2)
    paths = [tmp_path / str(number) for number in range(3)]
    for number, path in enumerate(paths):
        path.touch()
        remembered.keep(path.stat(), number)
    assert [remembered.get(path.stat()) for path in paths] == [None, 1, 2]


def test_a_header_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tiny_model(tmp_path / "tiny.gguf", "qwen2").path
    monkeypatch.setattr(remembering, "_SETTLED_NS", 0)
    with GGUFFile(path) as file:
        found = file.entries, file.tensors, file.alignment
    monkeypatch.setattr(GGUFFile, "_read_header", None)
    with GGUFFile(path) as file:
        assert (file.entries, file.tensors, file.alignment) == found
        assert file.read(file.tensor("output_norm.weight")).size
