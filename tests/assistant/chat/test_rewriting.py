"""From a model's Markdown to code in the place of a selection."""

import pytest

from assistant.chat.rewriting import code_of, rewritten, target_of, unified_diff
from assistant.engine.protocol import StopReason
from assistant.errors import AnswerError, UsageError

END = StopReason.END_TOKEN
METHOD = "class A:\n    def f(self):\n        return 1\n\n    x = 2\n"


def replaced(document: str, selected: str, answer: str) -> str:
    """The document after an answer took the place of what was selected."""
    begin = document.index(selected)
    target = target_of(document, begin, begin + len(selected))
    return document[: target.begin] + rewritten(target, answer, END) + document[target.end :]


def test_a_model_is_shown_code_without_its_indentation() -> None:
    begin = METHOD.index("def f")
    target = target_of(METHOD, begin, METHOD.index("    x = 2"))
    assert target.begin == METHOD.index("    def f")
    assert target.code == "def f(self):\n    return 1\n\n"


@pytest.mark.parametrize("pad", ["", "    ", "\t"])
def test_the_answer_is_indented_as_the_selection_was(pad: str) -> None:
    code = "\n".join(pad + line for line in ("def f(self):", "    return 1", "", "    return 2"))
    found = replaced(METHOD, "    def f(self):\n        return 1\n", f"Here:\n\n```python\n{code}\n```\nDone.")
    shown = found.replace("\t", "    ") if pad == "\t" else found
    assert shown == "class A:\n    def f(self):\n        return 1\n\n        return 2\n\n    x = 2\n"


def test_a_selection_within_a_line_takes_only_its_own_place() -> None:
    assert replaced("    total = a + b  # sum\n", "a + b", "```\nsum([\n    a,\n    b,\n])\n```") == (
        "    total = sum([\n        a,\n        b,\n    ])  # sum\n"
    )


def test_tabs_stay_tabs() -> None:
    document = "\tif a:\n\t\tb()\n"
    answer = "```c\nif a:\n    b()\n    c()\n```"
    assert replaced(document, document, answer) == "\tif a:\n\t\tb()\n\t\tc()\n"


def test_line_ends_and_the_last_lines_end_are_kept() -> None:
    assert replaced("a = 1\r\nb = 2\r\n", "a = 1\r\nb = 2\r\n", "```\na = 2\nb = 3\n```") == "a = 2\r\nb = 3\r\n"
    assert replaced("a = 1\nb = 2", "b = 2", "```\nb = 3\n```") == "a = 1\nb = 3"


def test_code_that_has_fences_needs_a_longer_one() -> None:
    document = 'def f():\n    """\n    ```\n    f()\n    ```\n    """\n'
    with pytest.raises(AnswerError, match="fences in it"):
        replaced(document, document, f"```python\n{document}```")
    assert replaced(document, document, f"````python\n{document}````") == document


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ("```python\nx = 1\n```", "x = 1"),
        ("Sure.\n~~~\nx = 1\n~~~\n", "x = 1"),
        ("````\n```\nx\n```\n````", "```\nx\n```"),
        ("1. Like so:\n   ```py\n   x = 1\n     y\n   ```", "x = 1\n  y"),
        ("```a\none\n```\n```b\ntwo\n```", "one"),
    ],
)
def test_the_first_fence_has_the_code(answer: str, code: str) -> None:
    assert code_of(answer) == code


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("I cannot do that.", "without code"),
        ("```python\nx = 1\n", "has no end"),
        ("```python\n\n```", "with no code"),
        ("`x = 1`", "without code"),
    ],
)
def test_answers_without_code_are_refused_with_the_reason(answer: str, reason: str) -> None:
    with pytest.raises(AnswerError, match=reason):
        code_of(answer)


@pytest.mark.parametrize("stop", [StopReason.LIMIT, StopReason.CONTEXT_FULL, StopReason.CANCELLED])
def test_an_unfinished_answer_is_refused_even_with_code(stop: StopReason) -> None:
    with pytest.raises(AnswerError, match="unfinished"):
        rewritten(target_of("x", 0, 1), "```\ny\n```", stop)


@pytest.mark.parametrize(
    ("document", "answer", "expected"),
    [
        ("x = 1", "```\npython\ny = 2\n```", "y = 2"),
        ("x = 1", "```python\npython\ny = 2\n```", "y = 2"),
        ("x = 1", "```\npython\n```", "python"),
        ("python\nx = 1", "```python\npython\ny = 2\n```", "python\ny = 2"),
    ],
)
def test_the_name_of_the_language_is_none_of_the_code(document: str, answer: str, expected: str) -> None:
    assert rewritten(target_of(document, 0, len(document)), answer, END, "python") == expected


def test_nothing_selected_is_refused() -> None:
    with pytest.raises(UsageError, match="No code is selected"):
        target_of("a\n \nb", 2, 3)


def test_the_difference_is_shown_as_diff_does() -> None:
    shown = unified_diff("a.py", "x = 1\ny = 2\n", "x = 3\ny = 2\n")
    assert shown == "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n-x = 1\n+x = 3\n y = 2"
