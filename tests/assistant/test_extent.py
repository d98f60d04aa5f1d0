"""One line or many, and the scope a completion stays in."""

import pytest

from assistant.extent import read_site, wanted_lines
from assistant.filters import Lines, Site
from assistant.grammars import Grammar

PY, CPP = Grammar.PYTHON, Grammar.CPP


@pytest.mark.parametrize(
    ("text", "grammar", "lines"),
    [
        ("def f(x):|\n", PY, Lines.MANY),
        ("def f(x):\n    |\n", PY, Lines.MANY),
        ("def f(x):|\n    return x\n", PY, Lines.ONE),
        ("void f() {|\n", CPP, Lines.MANY),
        ("x = 1\n|\ny = 2\n", PY, Lines.MANY),
        ("x = |\n", PY, Lines.ONE),
        ("x = f(|)\n", PY, Lines.ONE),
        ("x = f(\n    |\n)\n", PY, Lines.ONE),
        ("x = [\n    |\n]\n", PY, Lines.ONE),
        ("# the mean of all values|\n", PY, Lines.MANY),
        ("x = 1  # the mean|\n", PY, Lines.ONE),
        ("# the | of all values\n", PY, Lines.ONE),
        ("// swaps two|\n", CPP, Lines.MANY),
        ('print("a|\n', PY, Lines.ONE),
        ('def f():\n    """|\n    """\n', PY, Lines.ONE),
        ("def f(x):|\n", None, Lines.ONE),
        ("    |\n", None, Lines.MANY),
    ],
)
def test_lines_by_syntax(text: str, grammar: Grammar | None, lines: Lines) -> None:
    before, _, after = text.partition("|")
    assert wanted_lines(Lines.AUTO, *read_site(before, after, grammar)) is lines


@pytest.mark.parametrize("asked", [Lines.ONE, Lines.MANY])
def test_what_is_asked_for_is_given(asked: Lines) -> None:
    assert wanted_lines(asked, Site("x = ", "", ""), None) is asked
    assert wanted_lines(asked, Site("", "", ""), None) is asked


@pytest.mark.parametrize(
    ("text", "grammar", "least"),
    [
        ("class A:\n    def f(self):\n        if x:\n            |\n", PY, 5),
        ("def f():\n    def g():\n        |\n    return g\n", PY, 1),  # the outer function goes on
        ("def f():|\n", PY, 1),
        ("|\n", PY, 0),
        ("void f() {\n    if (x) {\n        |\n    }\n}\n", CPP, 1),
        ("class A {\n    void f() {\n        |\n    }\n}\n", Grammar.JAVA, 5),
        ("class A {\n  void f() {\n    if (x) {\n      y(\n      |\n}}}}\n", Grammar.JAVA, 3),
        ("        |\n    x\n", None, 4),
        ("        |\n", None, 8),
    ],
)
def test_the_scope_that_lines_have_to_stay_in(text: str, grammar: Grammar | None, least: int) -> None:
    before, _, after = text.partition("|")
    site, _ = read_site(before, after, grammar)
    assert site.least_indentation == least
