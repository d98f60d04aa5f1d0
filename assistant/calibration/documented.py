"""Functions that say what they do: code, and its documentation comment as prose."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assistant.grammars import Grammar, parse

if TYPE_CHECKING:
    from tree_sitter import Node

_FUNCTIONS = {
    "function_definition",
    "function_declaration",
    "generator_function_declaration",
    "method_declaration",
    "method_definition",
    "constructor_declaration",
}
# What may stand between a function and its comment in the tree.
_AROUND = {"export_statement", "template_declaration", "decorated_definition"}
_COMMENTS = {"comment", "block_comment", "line_comment"}

_LEAST_WORDS = 5
_MOST_CHARACTERS = 1600

_TAG = re.compile(
    r"^\s*(?:@\w|\\(?:param|return|brief|tparam)|:(?:param|returns?|type|rtype|raises)\b|>>> |[A-Z]\w+:\s*$)"
)
_INLINE_TAG = re.compile(r"\{@\w+\s+([^{}]*)\}")
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]*>")


@dataclass(frozen=True, slots=True)
class DocumentedFunction:
    """A function of a file.

    Attributes:
        signature: its first lines, up to where its body begins.
        code: the whole function, without its documentation, from the left margin.
        description: what its documentation says in its first paragraph, as prose.
    """

    signature: str
    code: str
    description: str


def documented_functions(text: str, grammar: Grammar) -> Iterator[DocumentedFunction]:
    """The functions of a text that have a documentation comment of a sentence or more, and are of a modest size."""
    data = text.encode()
    stack = [parse(text, grammar).root_node]
    while stack:
        node = stack.pop()
        if node.type in _FUNCTIONS and not node.has_error:
            found = _of_python(node, data) if grammar is Grammar.PYTHON else _of_braces(node, data)
            if found is not None:
                yield found
        stack.extend(reversed(node.children))


def _of_python(node: "Node", data: bytes) -> DocumentedFunction | None:
    body = node.child_by_field_name("body")
    first = body.named_children[0] if body is not None and body.named_children else None
    if body is None or first is None or len(body.named_children) < 2:
        return None
    string = first.named_children[0] if first.type == "expression_statement" and first.named_children else first
    if string.type != "string":
        return None
    comment = re.sub(r"^[A-Za-z]*(?:\"\"\"|'''|\"|')|(?:\"\"\"|'''|\"|')$", "", _text(string, data))
    start = _line_start(data, node.start_byte)
    rest = _line_start(data, body.named_children[1].start_byte)
    before = data[start : _line_start(data, first.start_byte)]
    return _function(before, before + data[rest : node.end_byte], comment)


def _of_braces(node: "Node", data: bytes) -> DocumentedFunction | None:
    body = node.child_by_field_name("body")
    while node.parent is not None and node.parent.type in _AROUND:
        node = node.parent
    above = node.prev_sibling
    if body is None or above is None or above.type not in _COMMENTS:
        return None
    comment = _text(above, data)
    if not comment.startswith(("/**", "/*!")) or data[above.end_byte : node.start_byte].count(b"\n") > 1:
        return None
    prose = "\n".join(re.sub(r"^\s*\*? ?", "", line) for line in comment.strip("/*!").split("\n"))
    start = _line_start(data, node.start_byte)
    return _function(data[start : body.start_byte], data[start : node.end_byte], prose)


def _function(signature: bytes, code: bytes, comment: str) -> DocumentedFunction | None:
    description = _first_paragraph(comment)
    if len(description.split()) < _LEAST_WORDS or len(code) > _MOST_CHARACTERS or code.count(b"\n") < 2:
        return None
    return DocumentedFunction(_dedented(signature), _dedented(code), description)


def _first_paragraph(comment: str) -> str:
    lines = []
    for line in comment.strip().split("\n"):
        if not line.strip() or _TAG.match(line):
            break
        lines.append(line.strip())
    return _MARKUP.sub("", _INLINE_TAG.sub(r"\1", " ".join(lines))).strip()


def _dedented(code: bytes) -> str:
    return textwrap.dedent(code.decode(errors="replace").expandtabs(4)).strip()


def _line_start(data: bytes, offset: int) -> int:
    return data.rfind(b"\n", 0, offset) + 1


def _text(node: "Node", data: bytes) -> str:
    return data[node.start_byte : node.end_byte].decode(errors="replace")
