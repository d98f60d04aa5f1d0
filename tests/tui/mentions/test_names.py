"""Mentions are found in texts, completed by some of their letters, and read."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.errors import UsageError
from tui.mentions.fuzzy import best
from tui.mentions.index import Index
from tui.mentions.parsing import Mention, as_read, mentions, typed
from tui.mentions.resolving import resolve

BASKET = """class Basket:
    def count(self):
        return 1


@cache
def peel(pear):
    return pear
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in {
        "src/basket.py": BASKET,
        "src/tools/press.cpp": "int press(int a) {\n  return a;\n}\n",
        "a name with spaces.txt": "spaces\n",
        "secret/key.txt": "k",
        ".gitignore": "secret/\n*.log\n",
        "noise.log": "x",
        "bytes.bin": "\0",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see @src/a.py.", [Mention("src/a.py")]),
        ("(@a.py, @b.py#C.d)?", [Mention("a.py"), Mention("b.py", "C.d")]),
        ('@"my file.txt" and @"my file.txt"', [Mention("my file.txt")]),
        ("me@example.org `@x` @@y", []),
        ("@diff\n@src/", [Mention("diff"), Mention("src/")]),
        ("@ alone", []),
    ],
)
def test_mentions_in_a_text(text: str, found: list[Mention]) -> None:
    assert mentions(text) == found


def test_what_is_attached_is_named_as_in_prose_for_the_model() -> None:
    names = {"src/main.py", "src/main.py#Basket.count", "my notes.txt"}
    text = 'See @src/main.py. And @src/main.py#Basket.count, @"my notes.txt"; not @other.py or a@src/main.py.'
    assert as_read(text, names) == (
        "See `src/main.py`. And `Basket.count` in `src/main.py`, `my notes.txt`; not @other.py or a@src/main.py."
    )


@given(
    st.from_regex(r"[\w./ -]{1,20}", fullmatch=True).filter(
        lambda name: name.strip(" ./") and name == name.strip(" .'")
    )
)
def test_what_is_written_is_read_again(name: str) -> None:
    assert mentions(f"see {Mention(name)} and") == [Mention(name)]


@pytest.mark.parametrize(
    ("before", "found"),
    [("see @sr", (4, "sr")), ("@", (0, "")), ('@"my f', (0, "my f")), ("a@b", None), ("@a ", None), ("@a b", None)],
)
def test_the_mention_that_is_typed(before: str, found: tuple[int, str] | None) -> None:
    assert typed(before) == found


def test_letters_find_the_names_they_fit_best() -> None:
    names = ["src/basket.py", "src/bakery/oven.py", "tests/test_basket.py", "docs/basics.md"]
    assert best("basket", names, 2) == ["src/basket.py", "tests/test_basket.py"]
    assert best("sbo", names, 1) == ["src/bakery/oven.py"]
    assert best("BASK", names, 1) == ["src/basket.py"]
    assert best("zzz", names, 5) == []
    assert len(best("", names, 3)) == 3


@given(st.text(max_size=6), st.lists(st.text(min_size=1, max_size=12), max_size=8))
def test_all_that_is_found_has_the_letters_in_order(query: str, names: list[str]) -> None:
    for name in best(query, names, 5):
        letters = iter(name.lower())
        assert all(letter in letters for letter in query.lower())


def test_the_index_has_files_folders_and_symbols_without_what_git_ignores(root: Path) -> None:
    index = Index(root)
    assert index.is_stale
    index.refresh()
    assert not index.is_stale
    assert {"src/basket.py", "src/tools/press.cpp", "a name with spaces.txt"} <= set(index.files)
    assert not [name for name in index.files if "secret" in name or "noise" in name]
    assert index.folders == ("src/", "src/tools/")
    assert set(index.symbols) >= {"src/basket.py#Basket", "src/basket.py#Basket.count", "src/tools/press.cpp#press"}
    assert index.search("peel", 5)[0] == "src/basket.py#peel"
    assert index.search("src/basket.py#cou", 5) == ["src/basket.py#Basket.count"]
    assert index.search("bask", 5)[0] == "src/basket.py"


def test_what_is_named_is_read(root: Path) -> None:
    assert resolve(Mention("src/basket.py"), root).text.startswith("From `src/basket.py`:\n\n```python\nclass Basket")
    peel = resolve(Mention("src/basket.py", "peel"), root)
    assert peel.text == "`peel` in `src/basket.py`:\n\n```python\n@cache\ndef peel(pear):\n    return pear\n```"
    assert "    def count(self):" in resolve(Mention("src/basket.py", "Basket.count"), root).text
    folder = resolve(Mention("src/"), root).text
    assert "src/basket.py" in folder
    assert "src/tools/press.cpp" in folder
    assert resolve(Mention("output"), root, ("make", "failed")).text == "The output of `make`:\n\n```\nfailed\n```"


@pytest.mark.parametrize(
    ("mention", "message"),
    [
        (Mention("nothing.py"), "There is no nothing.py"),
        (Mention("src/basket.py", "nothing"), "defines no nothing"),
        (Mention("bytes.bin"), "binary"),
        (Mention("output"), "/run COMMAND"),
        (Mention("diff"), "changed"),
    ],
)
def test_what_cannot_be_read_says_why(root: Path, mention: Mention, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(mention, root)
