"""Code of answers becomes part of files: where it belongs, only when it fits, and so that it can be taken back."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.errors import AnswerError, UsageError
from tui.code.blocks import blocks
from tui.code.changes import change_of, read_file
from tui.code.merging import merged
from tui.code.patching import patched

PYTHON = Path("a.py")
FILE = """import os


class Basket:
    def count(self):
        return 1

    def empty(self):
        return True


def peel(pear):
    return pear


LIMIT = 3
"""


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        ("```python\nx = 1\n```", None),
        ("In `src/a.py`:\n\n```python\nx = 1\n```", "src/a.py"),
        ("**src/a.py**\n```python\nx = 1\n```", "src/a.py"),
        ("src/a.py:\n\n```\nx = 1\n```", "src/a.py"),
        ("```python\n# src/a.py\nx = 1\n```", "src/a.py"),
        ("```python\n@src/a.py\nx = 1\n```", "src/a.py"),
        ("```cpp\n// file: src/a.cpp\nx = 1\n```", "src/a.cpp"),
        ('```python title="src/a.py"\nx = 1\n```', "src/a.py"),
        ("```python:src/a.py\nx = 1\n```", "src/a.py"),
        ("Use `os.path` and `self.x`.\n\n```python\nx = 1\n```", None),
        ("Your `pyproject.toml` has:\n\n```toml\nx = 1\n```", "pyproject.toml"),
    ],
)
def test_a_block_says_which_file_it_is_about(answer: str, path: str | None) -> None:
    (block,) = blocks(answer)
    assert (block.number, block.path, block.code) == (1, path, "x = 1")


def test_a_decorator_is_no_files_name() -> None:
    (block,) = blocks("```python\n@pytest.fixture\ndef a(): ...\n```")
    assert (block.path, block.code) == (None, "@pytest.fixture\ndef a(): ...")


def test_blocks_are_numbered_wherever_they_stand() -> None:
    found = blocks("```\na\n```\n\n- item\n\n  ```py\n  b\n  ```\n\n> ~~~\n> c\n> ~~~\n\n```py\nunfinished")
    assert [(each.number, each.code) for each in found] == [(1, "a"), (2, "b"), (3, "c"), (4, "unfinished")]


def test_a_function_takes_the_place_of_its_like() -> None:
    assert merged(FILE, "def peel(pear):\n    return pear.skin\n", PYTHON) == FILE.replace(
        "return pear\n", "return pear.skin\n"
    )


def test_a_new_function_stands_where_the_answer_has_it_and_imports_are_added() -> None:
    code = "import re\n\ndef peel(pear):\n    return re.sub('x', '', pear)\n\ndef cut(pear):\n    return pear\n"
    assert merged(FILE, code, PYTHON) == FILE.replace("import os\n", "import os\nimport re\n").replace(
        "    return pear\n", "    return re.sub('x', '', pear)\n\n\ndef cut(pear):\n    return pear\n"
    )


def test_a_method_alone_takes_the_place_of_the_method() -> None:
    assert merged(FILE, "def count(self):\n    return 2\n", PYTHON) == FILE.replace("return 1", "return 2")


def test_the_whole_file_takes_the_place_of_the_file() -> None:
    code = FILE.replace("return 1", "return 2").replace("def empty(self):", "def is_empty(self):")
    assert merged(FILE, code, PYTHON) == code


def test_other_text_takes_the_stretch_that_begins_and_ends_like_it() -> None:
    before = "title\n\n[a]\nx = 1\ny = 2\nend\n\n[b]\nz = 3\n" + "".join(f"line {n}\n" for n in range(20))
    assert merged(before, "[a]\nx = 5\nend\n", Path("a.ini")) == before.replace("x = 1\ny = 2\n", "x = 5\n")


def test_a_function_of_cpp_takes_the_place_of_its_like() -> None:
    before = "#include <a>\n\nint f(int x) {\n  return x;\n}\n\nint g() { return 1; }\n"
    after = merged(before, "#include <vector>\nint f(int x) {\n  return x + 1;\n}\n", Path("a.cpp"))
    assert after == before.replace("return x;", "return x + 1;").replace(
        "#include <a>\n", "#include <a>\n#include <vector>\n"
    )


def test_a_diff_is_applied_by_its_lines_and_not_by_its_numbers() -> None:
    diff = (
        "--- a/a.py\n+++ b/a.py\n@@ -90 +90 @@\n def peel(pear):\n-    return pear\n+    skin = 1\n+    return pear\n"
    )
    assert merged(FILE, diff, PYTHON) == FILE.replace("    return pear\n", "    skin = 1\n    return pear\n")


def test_a_diff_that_does_not_fit_changes_nothing() -> None:
    with pytest.raises(AnswerError, match="Part 1 of the diff"):
        merged(FILE, "@@ -1 +1 @@\n-no such line\n+x\n", PYTHON)


@given(st.lists(st.sampled_from(["a", "b", "c", "", "  d"]), max_size=12), st.data())
def test_a_true_diff_always_gives_what_it_was_made_from(lines: list[str], data: st.DataObject) -> None:
    import difflib

    after = data.draw(st.lists(st.sampled_from(["a", "x", "", "  d"]), min_size=1, max_size=12))
    diff = "\n".join(difflib.unified_diff(lines, after, "a", "b", lineterm="", n=99))
    if diff and lines:
        assert patched("\n".join(lines) + "\n", diff).splitlines() == after


def test_a_change_is_written_whole_keeps_permissions_and_is_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "run.sh"
    path.write_bytes(b"\xef\xbb\xbfecho 1\r\necho 2")
    path.chmod(0o754)
    change = change_of(path, read_file(path), "echo 1\necho 3\n")
    assert path.read_bytes() == b"\xef\xbb\xbfecho 1\r\necho 2"
    assert "-echo 2\n+echo 3" in change.diff
    change.write()
    assert path.read_bytes() == b"\xef\xbb\xbfecho 1\r\necho 3"
    assert path.stat().st_mode & 0o777 == 0o754
    change.undo()
    assert path.read_bytes() == b"\xef\xbb\xbfecho 1\r\necho 2"
    assert [each.name for each in tmp_path.iterdir()] == ["run.sh"]


def test_a_new_file_is_made_and_taken_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "new.py"
    change = change_of(path, read_file(path), "x = 1\n")
    change.write()
    assert path.read_text() == "x = 1\n"
    change.undo()
    assert not path.exists()


def test_what_has_changed_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")
    change = change_of(path, read_file(path), "x = 2\n")
    path.write_text("x = 9\n")
    with pytest.raises(UsageError, match="changed meanwhile"):
        change.write()
    path.write_text("x = 1\n")
    change.write()
    path.write_text("x = 7\n")
    with pytest.raises(UsageError, match="changed meanwhile"):
        change.undo()
    assert path.read_text() == "x = 7\n"


def test_nothing_to_change_and_what_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")
    with pytest.raises(AnswerError, match="just so already"):
        change_of(path, read_file(path), "x = 1\n")
    path.write_bytes(b"\0")
    with pytest.raises(UsageError, match="binary"):
        read_file(path)
    with pytest.raises(UsageError, match="is a folder"):
        read_file(tmp_path)
