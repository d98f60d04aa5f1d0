"""Where a file defines what: functions and classes with the lines they stand on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assistant.context.node_types import NODE_TYPES, NodeTypes
from assistant.grammars import Grammar, encoded, parse_in_pieces

if TYPE_CHECKING:
    from tree_sitter import Node

_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Place:
    """A definition in a file.

    Attributes:
        name: its name, after those of the classes it is in: `Basket.count`.
        begin: the first line, counted from 0, decorators and `export` included.
        end: the line after the last.
    """

    name: str
    begin: int
    end: int


def places(source: str, grammar: Grammar) -> tuple[Place, ...]:
    """The functions and classes of a file, in order, each class before its members, as far as it parses."""
    data = encoded(source)
    root = parse_in_pieces(data, grammar).root_node
    return tuple(_in(root, NODE_TYPES[grammar], data, "", 0))


def _in(holder: "Node", types: NodeTypes, data: bytes, prefix: str, depth: int) -> Iterator[Place]:
    for outer, node in _definitions(holder, types, None, 0):
        name = _name(node, data)
        if name is None:
            continue
        end = outer.end_point.row + (1 if outer.end_point.column else 0)
        yield Place(f"{prefix}{name}", outer.start_point.row, end)
        body = node.child_by_field_name("body")
        if node.type in types.classes and body is not None and depth < _MAX_DEPTH:
            yield from _in(body, types, data, f"{prefix}{name}.", depth + 1)


def _definitions(holder: "Node", types: NodeTypes, outer: "Node | None", depth: int) -> "Iterator[tuple[Node, Node]]":
    for node in holder.named_children:
        if node.type in types.functions or node.type in types.classes:
            yield outer or node, node
        elif depth < _MAX_DEPTH and node.type in types.wrappers:
            yield from _definitions(node, types, outer or node, depth + 1)
        elif depth < _MAX_DEPTH and node.type in types.holders:
            yield from _definitions(node, types, outer, depth + 1)


def _name(node: "Node", data: bytes) -> str | None:
    named = node.child_by_field_name("name")
    step = node.child_by_field_name("declarator")
    while named is None and step is not None:  # C and C++: pointers and parameters around the name
        named = step if step.type.endswith("identifier") else None
        step = step.child_by_field_name("declarator")
    if named is None:
        return None
    return data[named.start_byte : named.end_byte].decode("utf-8", errors="replace").replace("::", ".")
