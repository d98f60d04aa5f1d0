"""Code that a model rewrites: what it is shown of a selection, and how its answer takes the selection's place.

A model is shown whole lines without the indentation that all of them have, as it was trained on such code, and what it
answers is indented as the selection was.
"""

import difflib
import re
from dataclasses import dataclass

from assistant.engine.protocol import StopReason
from assistant.errors import AnswerError, UsageError

_FENCE = re.compile(r"(?P<indent> *)(?P<fence>`{3,}|~{3,})[^`]*")
_FENCE_IN_CODE = re.compile(r"^[ \t]*(`{3,}|~{3,})", re.MULTILINE)
_SPACES_OF_A_TAB = 4


@dataclass(frozen=True, slots=True)
class Target:
    """A stretch of a document that is to be rewritten.

    Attributes:
        begin: where it begins, in code points; at the line's beginning where only white space was before it.
        end: where it ends.
        text: what stands there, as in the document.
        code: the same as a model is shown it: without indentation, with `\\n` for line ends.
        indentation: what was taken off each line.
        whole_lines: whether it begins where a line does; else its first line has no indentation of its own.
    """

    begin: int
    end: int
    text: str
    code: str
    indentation: str
    whole_lines: bool


def target_of(document: str, begin: int, end: int) -> Target:
    """What is rewritten when the text between two offsets is selected.

    Raises:
        UsageError: nothing but white space is selected.
    """
    begin, end = min(begin, end), max(begin, end)
    if not document[begin:end].strip():
        raise UsageError("No code is selected to be rewritten; select some.")
    line = max(document.rfind("\n", 0, begin), document.rfind("\r", 0, begin)) + 1
    head = document[line:begin]
    whole_lines = not head.strip()
    if whole_lines:
        begin = line
    text = document[begin:end]
    code = text.replace("\r\n", "\n")
    indentation = _common_indentation(code) if whole_lines else _leading(head)
    return Target(begin, end, text, _dedented(code, indentation), indentation, whole_lines)


def rewritten(target: Target, answer: str, stop_reason: StopReason, language_id: str = "") -> str:
    """What takes the target's place, from a model's answer in Markdown: the code of its first fence.

    Small models write the language below the fence as well, or instead: such a line is none of the code. Indentation,
    line ends and the end of the last line are the target's.

    Raises:
        AnswerError: the answer is unfinished or has no code.
    """
    if stop_reason is not StopReason.END_TOKEN:
        raise AnswerError(
            f"The model's answer is unfinished ({stop_reason.value.replace('-', ' ')}), so nothing is changed; "
            "select less code."
        )
    longest = max((len(fence) for fence in _FENCE_IN_CODE.findall(target.code)), default=0)
    code = code_of(answer, longer_than=longest)
    first, _, others = code.partition("\n")
    if language_id and first.strip() == language_id and others.strip() and target.code.split("\n")[0].strip() != first:
        code = others
    code = _dedented(code, _common_indentation(code))
    if target.indentation.startswith("\t") and not re.search(r"^\t", code, re.MULTILINE):
        code = re.sub(r"^(?: {4})+", lambda match: "\t" * (len(match[0]) // _SPACES_OF_A_TAB), code, flags=re.MULTILINE)
    lines = code.split("\n")
    indented = [target.indentation + line if line else line for line in lines]
    if not target.whole_lines:
        indented[0] = lines[0]
    trailing = target.text[len(target.text.rstrip()) :]
    text = "\n".join(indented)
    return (text.replace("\n", "\r\n") if "\r\n" in target.text else text) + trailing


def code_of(answer: str, *, longer_than: int = 0) -> str:
    """The code in the first Markdown fence of an answer, without white space at its end.

    Code that has fences of its own needs one that is `longer_than` those: else nothing tells where it ends.

    Raises:
        AnswerError: there is no fence, it is not closed or not long enough, or nothing is in it.
    """
    lines = iter(answer.splitlines())
    for line in lines:
        if (opening := _FENCE.fullmatch(line)) is None:
            continue
        indent, fence = opening["indent"], opening["fence"]
        if len(fence) <= longer_than:
            raise AnswerError(
                "The selected code has Markdown fences in it, from which the answer's own cannot be told, "
                "so nothing is changed; select code without them."
            )
        code: list[str] = []
        for inner in lines:
            closing = inner.strip()
            if closing.startswith(fence) and not closing.strip(fence[0]):
                if text := "\n".join(code).rstrip():
                    return text
                raise AnswerError("The model answered with no code, so nothing is changed; word it otherwise.")
            code.append(inner.removeprefix(indent))
        raise AnswerError("The code of the model's answer has no end, so nothing is changed; select less code.")
    raise AnswerError("The model answered without code, so nothing is changed; word it otherwise.")


def unified_diff(path: str, before: str, after: str) -> str:
    """What changes from one text of a file to another, as `diff -u` shows it."""
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), f"a/{path}", f"b/{path}", lineterm="")
    return "\n".join(lines)


def _leading(line: str) -> str:
    return line[: len(line) - len(line.lstrip(" \t"))]


def _common_indentation(code: str) -> str:
    """What all lines that have something on them begin with."""
    indentations = [_leading(line) for line in code.split("\n") if line.strip()]
    if not indentations:
        return ""
    first, last = min(indentations), max(indentations)
    length = next((index for index, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:length]


def _dedented(code: str, indentation: str) -> str:
    return "\n".join(line.removeprefix(indentation) if line.strip() else "" for line in code.split("\n"))
