"""Ignore rules decide as git does."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.ignore_rules import parse_ignore_rules
from assistant.project_files import project_files

NAMES = ["a", "b.c", "foo", "a.py", "foo.o", "#h", "!n", "x y"]
LINES = [
    "*", "**", "*/", "**/", "/*", "/**", "a", "foo", "/foo", "foo/", "/foo/", "*.py", "*.?", "a/b.c", "a/**", "**/a",
    "**/foo/", "a/**/b.c", "/a/*", "a/*/", "[ab]", "[!a]*", "f*", "f?o", "foo/**", "*o", "\\#h", "#h", "\\!n", "[z",
    "a\\", "foo/*.py", "x\\ y", "x y ", "a  ", "*/*", "**/*", "[a-b].c", "/", "//", "", "/**/foo", "foo/**/",
]  # fmt: skip

line = st.builds(str.__add__, st.sampled_from(["", "", "!"]), st.sampled_from(LINES))
rules_text = st.lists(line, min_size=1, max_size=5).map("\n".join)
paths = st.sets(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map("/".join), min_size=1, max_size=12)


def write_tree(root: Path, files: set[str]) -> None:
    for name in sorted(files, key=len, reverse=True):  # the longer first: a shorter one may be its folder
        path = root / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")


@pytest.mark.skipif(shutil.which("git") is None, reason="git is what the answers are compared with")
@settings(max_examples=60, deadline=None)
@given(files=paths, top=rules_text, nested=rules_text)
def test_walk_keeps_what_git_does_not_ignore(files: set[str], top: str, nested: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        write_tree(root, files)
        (root / ".gitignore").write_text(top)
        if (root / "foo").is_dir():
            (root / "foo" / ".gitignore").write_text(nested)
        subprocess.run(["git", "init", "--quiet", root], check=True)
        listed = subprocess.run(
            ["git", "-C", root, "ls-files", "-z", "--others", "--exclude-standard"], check=True, capture_output=True
        )
        ours = {file.name for file in project_files(root, lambda error: pytest.fail(str(error)))}
        assert ours == set(listed.stdout.decode().split("\0")) - {""}


@pytest.mark.parametrize(
    ("text", "path", "is_folder", "ignored"),
    [
        ("*.log\n!keep.log\n", "a/x.log", False, True),
        ("*.log\n!keep.log\n", "a/keep.log", False, False),
        ("*.log\n", "x.txt", False, None),
        ("build/\n", "build", False, None),
        ("build/\n", "a/build", True, True),
        ("/build\n", "a/build", True, None),
        ("docs/_build/\n", "docs/_build", True, True),
        ("*\n!*/\n!*.py\n", "src", True, False),
        ("*\n!*/\n!*.py\n", "src/a.txt", False, True),
        ("secret\r\n", "secret", False, True),
        ("\ufeffsecret\n", "secret", False, True),
        ("[z-a]\n*.o\n", "x.o", False, True),
    ],
)
def test_decides_by_the_last_line_that_matches(text: str, path: str, is_folder: bool, ignored: bool | None) -> None:
    assert parse_ignore_rules(text).decide(path, path.rpartition("/")[2], is_folder) is ignored
