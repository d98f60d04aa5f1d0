"""Where code is split for infilling."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.calibration.infilling import Split, example_segments, split_by_syntax
from assistant.catalog import FimTokens
from assistant.engine.protocol import Segment
from assistant.grammars import Grammar

CODE = {
    Grammar.PYTHON: """import os


def size(path):
    if path.exists():
        return os.stat(path).st_size
    return 0
""",
    Grammar.JAVA: """class A {
    int twice(int a) {
        int b = a + a;
        return b;
    }
}
""",
    Grammar.CPP: """#include <vector>

int sum(const std::vector<int>& v) {
    int s = 0;
    for (int x : v) s += x;
    return s;
}
""",
    Grammar.JAVASCRIPT: """export function name(user) {
  const first = user.first ?? 'nobody';
  return `${first}!`;
}
""",
}


@pytest.mark.parametrize("grammar", CODE)
def test_parts_are_whole_nodes_or_ends_of_lines(grammar: Grammar) -> None:
    code = CODE[grammar]
    splits = [split_by_syntax(code, grammar, random.Random(seed)) for seed in range(60)]
    middles = {split.middle for split in splits if split is not None}
    assert len(middles) > 8
    for split in filter(None, splits):
        assert "".join(split) == code
        assert 4 <= len(split.middle) <= len(code) // 2
        if not split.after.startswith("\n"):  # not the rest of a line, so a node: its brackets match
            assert split.middle.count("(") == split.middle.count(")")


@given(st.text(max_size=300), st.sampled_from(list(Grammar)), st.integers(0, 99))
def test_any_text_comes_back_whole(text: str, grammar: Grammar, seed: int) -> None:
    split = split_by_syntax(text, grammar, random.Random(seed))
    assert split is None or ("".join(split) == text and split.middle and split.before)


def test_prefix_first_ends_with_the_middle() -> None:
    fim = FimTokens(prefix="<pre>", suffix="<suf>", middle="<mid>")
    segments = example_segments(fim, Split("a", "b", "c"))
    pre, suf, mid = (Segment(name, special=True) for name in ("<pre>", "<suf>", "<mid>"))
    assert segments == (pre, Segment("a"), suf, Segment("c"), mid, Segment("b"))
