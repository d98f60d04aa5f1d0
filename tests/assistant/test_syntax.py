"""The syntax around a cursor, in texts as editors hold them: seldom whole."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.grammars import Grammar, grammar_of, parse
from assistant.syntax import ErrorRegion, Inside, cursor_syntax, error_count, error_regions, excerpt

PY, JAVA, CPP, JS, TS = Grammar.PYTHON, Grammar.JAVA, Grammar.CPP, Grammar.JAVASCRIPT, Grammar.TYPESCRIPT


def split(marked: str) -> tuple[str, str]:
    """The texts before and after the cursor, which is marked by `|`."""
    before, _, after = marked.partition("|")
    return before, after


@pytest.mark.parametrize(
    ("language_id", "name", "grammar"),
    [
        ("python", "a.txt", PY),
        ("typescriptreact", "a.tsx", Grammar.TSX),
        ("c", "a.c", CPP),
        ("", "A.HPP", CPP),
        ("", "a.mjs", JS),
        ("plaintext", "a.java", JAVA),
        ("haskell", "a.hs", None),
    ],
)
def test_a_grammar_is_found_by_language_and_by_file(language_id: str, name: str, grammar: Grammar | None) -> None:
    assert grammar_of(language_id, Path(name)) is grammar


def test_every_grammar_parses_and_none_is_loaded_before() -> None:
    import subprocess

    code = "import sys, assistant.syntax; sys.exit(any(name.startswith('tree_sitter') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    for grammar in Grammar:
        assert not parse("f(1);\n", grammar).root_node.has_error
    assert grammar_of("cobol") is None


@pytest.mark.parametrize(
    ("text", "grammar", "inside"),
    [
        ("x = 1  # comm|ent\n", PY, Inside.COMMENT),
        ("# comment|\nx = 1\n", PY, Inside.COMMENT),
        ("# comment\n|x = 1\n", PY, Inside.CODE),
        ("/* a */| int x;\n", CPP, Inside.CODE),
        ("/* a |*/ int x;\n", CPP, Inside.COMMENT),
        ("int f() { return 1; } // one|\n", JAVA, Inside.COMMENT),
        ('x = "ab|c"\n', PY, Inside.STRING),
        ('x = "abc"|\n', PY, Inside.CODE),
        ('x = "abc|\ny = 2\n', PY, Inside.STRING),
        ('print(f"{na|me} {other}")\n', PY, Inside.CODE),
        ("const a = `x ${b|} y`;\n", TS, Inside.CODE),
        ("const a = `x ${b} y|`;\n", TS, Inside.STRING),
        ('def f():\n    """Doc|\n    more\n    """\n    return 1\n', PY, Inside.STRING),
        ("|", PY, Inside.CODE),
    ],
)
def test_strings_and_comments(text: str, grammar: Grammar, inside: Inside) -> None:
    assert cursor_syntax(*split(text), grammar).inside is inside


@pytest.mark.parametrize(
    ("text", "grammar", "bracketed"),
    [
        ("f(a, |)\n", PY, True),
        ("f(a, |\nx = 1\n", PY, True),
        ("f(a)|\n", PY, False),
        ("x = {\n    |\n}\n", PY, True),
        ("x = a[|\n", PY, True),
        ("int f(int a, |) {\n}\n", CPP, True),
        ("void f() {\n  |\n}\n", CPP, False),
        ("const o = {\n  a: 1,\n  |\n};\n", JS, True),
        ("class A {\n  void f() {\n    g(1,\n      |\n  }\n}\n", JAVA, True),
    ],
)
def test_brackets(text: str, grammar: Grammar, *, bracketed: bool) -> None:
    assert cursor_syntax(*split(text), grammar).in_brackets is bracketed


@pytest.mark.parametrize(
    ("text", "grammar", "start", "empty"),
    [
        ("def f(x):\n    |\n", PY, True, True),
        ("def f(x):|\n", PY, True, True),
        ("class A:\n    def f(self):\n        |\n\n    def g(self):\n        pass\n", PY, True, True),
        ("def f(x):\n    |\n    return x\n", PY, True, False),
        ("def f(x):\n    y = 1\n    |\n", PY, False, False),
        ("x = {'a':|\n", PY, False, False),
        ("void f() {\n    |\n}\n", CPP, True, True),
        ("void f() {|\n", CPP, True, True),
        ("if (x) {\n    |\n    g();\n}\n", JS, True, False),
        ("switch (x) {\n  case 1:\n    |\n}\n", JAVA, True, True),
        ("const f = () => {\n  |\n};\n", TS, True, True),
        ("for x in y:| pass\n", PY, False, False),
    ],
)
def test_blocks(text: str, grammar: Grammar, *, start: bool, empty: bool) -> None:
    syntax = cursor_syntax(*split(text), grammar)
    assert (syntax.block_start, syntax.block_empty) == (start, empty)


def test_the_line_that_opens_a_block_tells_its_indentation() -> None:
    assert cursor_syntax("class A:\n    def f(self):\n        ", "\n", PY).header_indentation == 4


@pytest.mark.parametrize(
    ("text", "grammar", "indentation"),
    [
        ("class A:\n    def f(self):\n        if x:\n            |\n", PY, 4),
        ("class A {\n  int g(int b) {\n    |\n  }\n}", JAVA, 2),
        ("int N::g(int b) {\n  return |b;\n}\n", CPP, 0),
        ("x = 1\n|y = 2\n", PY, None),
        ("|def f():\n    pass\n", PY, None),
    ],
)
def test_the_definition_around_the_cursor(text: str, grammar: Grammar, indentation: int | None) -> None:
    assert cursor_syntax(*split(text), grammar).definition_indentation == indentation


def test_errors_are_counted_and_placed() -> None:
    assert error_regions("é = 1\nx = )\n", PY) == (ErrorRegion(6, 11),)
    assert error_regions("int f() { int x = 5 }", CPP) == (ErrorRegion(19, 19),)
    assert error_count("int f() { int x = 5 }", CPP) == 1
    assert error_count("int f() { int x = 5; }", CPP) == 0


def test_an_excerpt_is_bounded_and_begins_at_the_top_level() -> None:
    text = "".join(f"def f{number}():\n    return {number}\n" for number in range(20_000))
    before, after = excerpt(text, text)
    assert 16_000 < len(before) <= 16_384
    assert before.startswith("def f")
    assert text.endswith(before)
    assert 8_192 <= len(after) < 8_300
    assert text.startswith(after)
    assert after.endswith("\n")
    assert excerpt("x" * 100_000, "y" * 100_000) == ("x" * 16_032, "y" * 16_384)


@given(
    st.text(alphabet=st.sampled_from("ab(){}[]\"'`:;#/*\\ \n\t\ud800é"), max_size=200),
    st.integers(0, 200),
    st.sampled_from(Grammar),
)
def test_any_text_has_a_syntax(text: str, at: int, grammar: Grammar) -> None:
    before, after = text[:at], text[at:]
    syntax = cursor_syntax(before, after, grammar)
    assert syntax.block_start or not syntax.block_empty
    assert len(error_regions(text, grammar)) == error_count(text, grammar)
