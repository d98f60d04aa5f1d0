"""Trees that are made of the ones before: as many errors as trees from nothing, and the same syntax at the cursor."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.brackets import closers, missing_closers
from assistant.grammars import Grammar, parse
from assistant.reparsing import DocumentParsers, Reparser
from assistant.syntax import cursor_syntax, error_count
from assistant.truncation import truncate_syntax

PY, JAVA, CPP, JS = Grammar.PYTHON, Grammar.JAVA, Grammar.CPP, Grammar.JAVASCRIPT
ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    PY: (ROOT / "assistant" / "fim.py").read_text(encoding="utf-8"),
    JAVA: (
        "package a;\n\nimport java.util.*;\n\npublic class A<T> {\n    private final List<T> all = new ArrayList<>();\n"
        "    /** Adds. */\n    public void add(T one) {\n        if (one != null && all.size() < 10) {\n"
        '            all.add(one);\n        } else {\n            throw new Error("full");\n        }\n    }\n'
        "    int sum() { return all.stream().mapToInt(x -> x.hashCode()).sum(); }\n}\n"
    ),
    CPP: (ROOT / "native" / "packed.h").read_text(encoding="utf-8"),
    JS: (ROOT / "assistant" / "editors" / "vscode" / "extension.js").read_text(encoding="utf-8"),
}
PIECES = ["x", "é", "f(", ")", "=", "1", ":", "\n", "\n    ", "if ", "return ", '"', "'", "{", "}", ";", ",", "[", "]"]
PIECES += ['"""', "/*", "*/", "#", "//", "`", "def g(x):", "else ", "  ", "."]
edits = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 30), st.sampled_from(PIECES)), max_size=25)


@given(st.sampled_from(sorted(SOURCES)), edits)
def test_edits_have_the_errors_of_a_parse_from_nothing(grammar: Grammar, changes: list[tuple[int, int, str]]) -> None:
    text, reparser = SOURCES[grammar], Reparser()
    for place, removed, inserted in changes:
        at = place % (len(text) + 1)
        text = text[:at] + inserted + text[at + removed :]
        assert error_count(text, grammar, reparser.parse) == error_count(text, grammar)


@given(st.sampled_from(sorted(SOURCES)), st.integers(0, 10_000), st.lists(st.sampled_from(PIECES), max_size=30))
def test_typing_has_the_errors_of_a_parse_from_nothing(grammar: Grammar, at: int, typed: list[str]) -> None:
    source, reparser = SOURCES[grammar], Reparser()
    before, after = source[: at % len(source)], source[at % len(source) :]
    for piece in typed:
        before += piece
        assert error_count(before + after, grammar, reparser.parse) == error_count(before + after, grammar)
        offered = before + after[:40] + after  # as if a suggestion were accepted, in between
        assert error_count(offered, grammar, reparser.parse) == error_count(offered, grammar)


@given(st.sampled_from(sorted(SOURCES)), st.lists(st.integers(0, 10_000), min_size=1, max_size=8))
def test_a_cursor_that_moves_has_the_same_syntax(grammar: Grammar, places: list[int]) -> None:
    source, reparser = SOURCES[grammar], Reparser()
    for place in places:
        before, after = source[: place % len(source)], source[place % len(source) :]
        assert cursor_syntax(before, after, grammar, reparser.parse) == cursor_syntax(before, after, grammar)


@given(st.sampled_from(sorted(SOURCES)), st.integers(0, 10_000), st.lists(st.sampled_from(PIECES), min_size=1))
def test_what_is_kept_of_a_completion_is_the_same(grammar: Grammar, at: int, pieces: list[str]) -> None:
    source, reparser = SOURCES[grammar], Reparser()
    before, after = source[: at % len(source)], source[at % len(source) :]
    for end in range(1, len(pieces) + 1, 3):
        text = "".join(pieces[:end])
        kept = truncate_syntax(text, before, after, grammar)
        assert truncate_syntax(text, before, after, grammar, reparser.parse) == kept


def test_trees_given_before_stay_as_they_are() -> None:
    reparser = Reparser()
    first = reparser.parse("x = 1\n", PY)
    shape = str(first.root_node)
    reparser.parse("def f():\n    x = 1\n", PY)
    assert str(first.root_node) == shape == str(parse("x = 1\n", PY).root_node)
    assert first.root_node.end_byte == 6


def test_a_text_that_was_just_parsed_is_not_parsed_again() -> None:
    reparser = Reparser()
    trees = [reparser.parse(text, PY) for text in ("x = 1\n", "x = 12\n", "x = 1\n")]
    assert trees[0] is trees[2]
    assert str(reparser.parse("x = 1\n", JS).root_node) == str(parse("x = 1\n", JS).root_node)


def test_documents_keep_their_parsers_until_there_are_too_many() -> None:
    parsers = DocumentParsers()
    kept = {name: parsers.of(name) for name in "abcdefgh"}
    assert all(parsers.of(name) is each for name, each in kept.items())
    parsers.of("i")
    assert parsers.of("b") is kept["b"]
    assert parsers.of("a") is not kept["a"]


@pytest.mark.parametrize(
    ("line", "below", "missing"),
    [
        ("    x = f(a, g[1", "    return x\n", "])"),
        ("f(", "    a,\n    b,\n)\n", ""),
        ("    f(a", "\n\n    return 1\n", ")"),
        ("f(a)", "\n", ""),
        ("if (x) {", "  y();\n}\n", ""),
        ("call({", "  y: 1,\n});\n", ""),
        ('print(")"', "\n", ")"),
        ("x = [", "]\n", ""),
    ],
)
def test_brackets_that_nothing_closes_are_missing(line: str, below: str, missing: str) -> None:
    assert missing_closers(line, below) == missing


def test_brackets_are_closed_from_the_innermost_out() -> None:
    assert closers("f(a[{'('") == "}])"


def test_an_open_bracket_does_not_hide_the_function_around_it() -> None:
    before, after = "def f():\n    x = g(a, ", "\n    return x\n\n\ndef h():\n    pass\n"
    syntax = cursor_syntax(before, after, PY)
    assert syntax.in_brackets
    assert syntax.definition_indentation == 0
