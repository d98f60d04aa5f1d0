"""Source files as text."""

from pathlib import Path

import pytest

from assistant.errors import UsageError
from assistant.source_file import read_source


def test_line_ends_stay_and_a_byte_order_mark_goes(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\xc3\xa9\n")
    assert read_source(path) == "a\r\nbé\n"


@pytest.mark.parametrize(
    ("data", "message"), [(b"ab\0cd", "is binary"), (b"ab\xffcd", r"is not UTF-8 text \(byte 2 is 0xff\)")]
)
def test_what_is_no_text_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "x.py"
    path.write_bytes(data)
    with pytest.raises(UsageError, match=message):
        read_source(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="is a folder"):
        read_source(tmp_path)
    with pytest.raises(UsageError, match="There is no file"):
        read_source(tmp_path / "missing.py")
    with pytest.raises(UsageError, match="no folder"):
        read_source(tmp_path / "file" / "x.py")
