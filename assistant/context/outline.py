"""A file's definitions as somebody who uses them needs them: signatures, the first lines of what is said about them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assistant.context.node_types import NODE_TYPES, NodeTypes
from assistant.grammars import Grammar, encoded, parse_in_pieces

if TYPE_CHECKING:
    from tree_sitter import Node

_MAX_SIGNATURE_LINES = 8
_MAX_REMARK_LINES = 4
_MAX_CLASS_LINES = 24
_MAX_LINE = 200
_NAMING = ("declarator", "identifier")  # ends of node types that lead to a name without a field that says so
_MAX_DEPTH = 12  # namespaces and classes in each other


@dataclass(frozen=True, slots=True)
class Definition:
    """Something a file defines.

    Attributes:
        name: as it is called, without its namespace or class.
        text: signature and remark; of a class also its members' signatures, of a member also its class's head.
    """

    name: str
    text: str


def outline(source: str, grammar: Grammar) -> tuple[Definition, ...]:
    """The definitions in a file, in order, those of its classes' members after their class; without local ones.

    What does not parse is passed over.
    """
    data = encoded(source)
    root = parse_in_pieces(data, grammar).root_node
    return tuple(_Reader(data, NODE_TYPES[grammar]).definitions(root))


class _Reader:
    def __init__(self, source: bytes, types: NodeTypes) -> None:
        self._source = source
        self._types = types

    def definitions(self, holder: "Node", head: str = "", depth: int = 0) -> Iterator[Definition]:
        """The definitions that are the node's children, wrapped or not; `head` is their class's, if they have one."""
        for outer, node in self._members(holder, depth):
            name = self._name(node)
            if name is None:
                continue
            if node.type in self._types.classes:
                yield Definition(name, _joined(head, self._class_text(outer, node)))
                body = node.child_by_field_name("body")
                if body is not None and depth < _MAX_DEPTH:
                    yield from self.definitions(body, _joined(head, self._signature(outer, node)), depth + 1)
            elif not self._is_field(node, in_class=bool(head)):
                yield Definition(name, _joined(head, self._function_text(outer, node)))

    def _members(self, holder: "Node", depth: int, outer: "Node | None" = None) -> "Iterator[tuple[Node, Node]]":
        """Definitions under the node, each with the node its text starts at."""
        types = self._types
        for node in holder.named_children:
            kind = node.type
            if kind in types.functions or kind in types.classes or kind in types.values or kind in types.fields:
                yield outer or node, node
            elif depth < _MAX_DEPTH and kind in types.wrappers:
                yield from self._members(node, depth + 1, outer or node)
            elif depth < _MAX_DEPTH and kind in types.holders:
                yield from self._members(node, depth + 1)

    def _name(self, node: "Node") -> str | None:
        """What the node defines is called, without qualifiers."""
        *_, named = _towards_name(node)
        name = self._text(named.start_byte, named.end_byte)
        return name if name.replace("$", "_").isidentifier() else None

    def _is_field(self, node: "Node", *, in_class: bool) -> bool:
        types = self._types
        if node.type not in types.fields or (node.type in types.values and not in_class):
            return False
        # A C++ member function without its body is none.
        return all(step.type != "function_declarator" for step in _towards_name(node))

    def _function_text(self, outer: "Node", node: "Node") -> str:
        return _joined(self._remark_above(outer), self._signature(outer, node), self._docstring(node))

    def _class_text(self, outer: "Node", node: "Node") -> str:
        head = _joined(self._remark_above(outer), self._signature(outer, node), self._docstring(node))
        body = node.child_by_field_name("body")
        members = self._members(body, 0) if body is not None else ()
        lines = head.split("\n")
        for member_outer, member in members:
            lines += self._signature(member_outer, member).split("\n")
            if len(lines) >= _MAX_CLASS_LINES:
                break
        return "\n".join(lines[:_MAX_CLASS_LINES])

    def _signature(self, outer: "Node", node: "Node") -> str:
        """The text up to the body, with the indentation of its first line."""
        body = _body(node)
        end = node.end_byte if body is None else body.start_byte
        start = self._source.rfind(b"\n", 0, outer.start_byte) + 1
        if self._source[start : outer.start_byte].strip():
            start = outer.start_byte
        return _clipped(self._text(start, end), _MAX_SIGNATURE_LINES)

    def _docstring(self, node: "Node") -> str:
        body = node.child_by_field_name("body")
        first = body.named_children[0] if body is not None and body.named_child_count else None
        if first is None or first.type != "expression_statement" or first.named_children[0].type != "string":
            return ""
        start = self._source.rfind(b"\n", 0, first.start_byte) + 1
        lines = self._text(start, first.end_byte).split("\n")
        blank = next((index for index, line in enumerate(lines) if not line.strip()), len(lines))
        kept = lines[: min(blank, _MAX_REMARK_LINES)]
        return "\n".join(kept) + ('"""' if len(kept) < len(lines) and kept[0].lstrip().startswith('"""') else "")

    def _remark_above(self, node: "Node") -> str:
        """The comments that end on the line above, their first lines."""
        start, row = None, node.start_point.row
        above = node.prev_named_sibling
        while above is not None and above.type.endswith("comment") and above.end_point.row + 1 >= row:
            line = self._source.rfind(b"\n", 0, above.start_byte) + 1
            if self._source[line : above.start_byte].strip():  # belongs to the code in front of it
                break
            start, row = line, above.start_point.row
            above = above.prev_named_sibling
        if start is None:
            return ""
        end = self._source.rfind(b"\n", 0, node.start_byte)
        lines = self._text(start, max(start, end)).rstrip().split("\n")
        cut = lines[:_MAX_REMARK_LINES]
        return "\n".join([*cut, lines[-1]] if len(cut) < len(lines) and lines[-1].strip() == "*/" else cut)

    def _text(self, start: int, end: int) -> str:
        return self._source[start:end].decode("utf-8", errors="replace").replace("\r\n", "\n")


def _body(node: "Node") -> "Node | None":
    """A definition's body; of a function that a variable holds, that function's."""
    body = node.child_by_field_name("body")
    if body is not None:
        return body
    held = node.child_by_field_name("right") or node
    for child in node.named_children:
        if child.type == "variable_declarator":
            held = child.child_by_field_name("value") or held
    return held.child_by_field_name("body")


def _towards_name(node: "Node") -> Iterator["Node"]:
    """From a definition down to the node of its name, through declarators and qualifiers."""
    step: Node | None = node
    while step is not None:
        yield step
        step = (
            step.child_by_field_name("name")
            or step.child_by_field_name("declarator")
            or step.child_by_field_name("left")
            or step.child_by_field_name("property")
            or next((child for child in step.named_children if child.type.endswith(_NAMING)), None)
        )


def _clipped(text: str, lines: int) -> str:
    return "\n".join(line[:_MAX_LINE] for line in text.rstrip().split("\n")[:lines]).rstrip("{ \n")


def _joined(*parts: str) -> str:
    return "\n".join(part for part in parts if part)
