"""What is left of a completion that does not parse beside the text that stands around it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.grammars import Grammar
from assistant.syntax import error_count
from assistant.truncation import truncate_syntax

PY, JAVA, CPP, JS, TS = Grammar.PYTHON, Grammar.JAVA, Grammar.CPP, Grammar.JAVASCRIPT, Grammar.TYPESCRIPT


@pytest.mark.parametrize(
    ("before", "text", "after", "grammar", "kept"),
    [
        ("x = ", "foo(a) + ) b", "\n", PY, "foo(a)"),
        ("foo(", "a, b)", ")\n", PY, "a, b"),
        ("def f():\n    ", "x = 1\n    y = = 2\n    z", "\n    return 1\n", PY, "x = 1"),
        ("int f() {\n  ", "if (x) {\n    g();\n  }\n}", "\n}\n", CPP, "if (x) {\n    g();\n  }"),
        ("const x = [1, ", "2]];", "\n", JS, "2]"),
        ("x = 1\n", ") = 2", "\ny = 3\n", PY, ""),
    ],
)
def test_what_adds_errors_is_taken_off(before: str, text: str, after: str, grammar: Grammar, kept: str) -> None:
    assert truncate_syntax(text, before, after, grammar) == kept


@pytest.mark.parametrize(
    ("before", "text", "after", "grammar"),
    [
        ("def f():\n    ", "if x > 3:", "\n\n    return 1\n", PY),
        ("def f():\n    ", "try:", "\n", PY),
        ("class A:\n    ", "@property", "\n", PY),
        ("def f():\n    ", '"""Docs', "\n    return 1\n", PY),
        ("x = ", "foo(", "\ny = 1\n", PY),
        ("for x ", "in y", "\n", PY),
        ("int f() {\n  for ", "(int i = 0; i < n; i++) {", "\n  return 1;\n}\n", CPP),
        ("int f() {\n  int ", "x = 5", "\n}\n", CPP),
        ("class A {\n  ", "@Override", "\n}\n", JAVA),
        ("class A { void f() {\n  ", "try {", "\n} }\n", JAVA),
        ("class A { void f() {\n  if (x) {\n", "} else {", "\n} }\n", JAVA),
        ("items.", "forEach((item) => {", "\n", TS),
        ("return (\n  ", '<div className="a">', "\n);\n", JS),
    ],
)
def test_a_text_that_only_breaks_off_is_whole(before: str, text: str, after: str, grammar: Grammar) -> None:
    assert truncate_syntax(text, before, after, grammar) == text


def test_errors_elsewhere_are_nobodys_fault() -> None:
    assert truncate_syntax("1 + 2", "def broken(:\n    pass\n\nx = ", "\ny = (\n", PY) == "1 + 2"


def test_a_line_that_was_broken_before_may_stay_so() -> None:
    assert truncate_syntax("foo", "def f():\n    bar( = ", "\n    return 1\n", PY) == "foo"


PIECES = ["x", "f(", ")", "=", "1", ":", "\n", "\n    ", "if ", "return ", '"', "{", "}", ";", ","]
tokens = st.lists(st.sampled_from(PIECES))


@given(tokens.map(" ".join), st.sampled_from([PY, JAVA, CPP, JS]))
def test_what_is_left_is_a_beginning_and_stays(text: str, grammar: Grammar) -> None:
    before, after = "x = f(1)\ny = ", "\nz = 2\n"
    kept = truncate_syntax(text, before, after, grammar)
    assert text.startswith(kept)
    assert truncate_syntax(kept, before, after, grammar) == kept


@given(st.integers(1, 400))
def test_a_middle_that_is_right_is_left_alone(at: int) -> None:
    source = (
        "import math\n\n\nclass Circle:\n    def __init__(self, radius):\n        self.radius = radius\n\n"
        "    def area(self):\n        if self.radius < 0:\n            raise ValueError('no')\n"
        "        return math.pi * self.radius ** 2\n\n\nprint(Circle(3).area())\n"
    )
    assert error_count(source, PY) == 0
    at = at % len(source)
    middle = source[at : at + 40]
    assert truncate_syntax(middle, source[:at], source[at + 40 :], PY) == middle
