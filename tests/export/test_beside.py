"""New files appear whole or not at all, and two that write the same do not meet."""

from pathlib import Path

import pytest

from export.beside import NewFile, named_refusals
from prune.errors import UsageError


def test_a_file_appears_once_it_is_whole(tmp_path: Path) -> None:
    with NewFile(tmp_path / "out") as new:
        new.file.write(b"whole")
        assert not (tmp_path / "out").exists()
        new.finish()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out", b"whole")]


def test_what_ends_early_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyError), NewFile(tmp_path / "out") as new:
        new.file.write(b"part")
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_two_that_write_the_same_do_not_meet(tmp_path: Path) -> None:
    with NewFile(tmp_path / "out") as one, NewFile(tmp_path / "out") as two:
        one.file.write(b"one")
        two.file.write(b"two")
        two.finish()
        one.file.write(b"one")
        one.finish()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("out", b"oneone")]


def test_refusals_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    for name, said in (("there", "there is there already"), ("no/where", "no/where cannot be written: No such file")):
        with pytest.raises(UsageError, match=said), named_refusals(tmp_path / name):
            NewFile(tmp_path / name)
