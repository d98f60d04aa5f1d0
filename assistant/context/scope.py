"""What the code at a cursor uses: names near it, and what its file imports."""

import posixpath
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from assistant.context.node_types import NODE_TYPES
from assistant.grammars import Grammar, encoded, parse

if TYPE_CHECKING:
    from tree_sitter import Node

# Imports stand at a file's top, and a scope that reaches farther than this is not one a person has in mind. Together
# they bound the time for a document of any size.
_TOP_CHARACTERS = 16_384
_BEFORE_CHARACTERS = 16_384
_AFTER_CHARACTERS = 4_096
_NEAR_BYTES = 3_000

_WORD = re.compile(r"[^\W\d]\w+")


@dataclass(frozen=True, slots=True)
class Import:
    """What an import statement brings in.

    Attributes:
        modules: paths without ending that the imported file may have, from the project's root or any folder in it.
        names: what is imported of it; empty for all of it.
    """

    modules: tuple[str, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """What matters at a cursor.

    Attributes:
        names: identifiers of the function around the cursor, those nearest before the cursor first.
        imports: of the whole file.
    """

    names: tuple[str, ...]
    imports: tuple[Import, ...]


def scope_at(text: str, offset: int, grammar: Grammar, path: str) -> Scope:
    """What the code at `offset` uses; `path` is the file's own, from the project's root."""
    start = text.rfind("\n", 0, offset - _BEFORE_CHARACTERS) + 1 if offset > _TOP_CHARACTERS + _BEFORE_CHARACTERS else 0
    start = max(start, offset - _TOP_CHARACTERS - _BEFORE_CHARACTERS)  # a line without end
    near = text[start : offset + _AFTER_CHARACTERS]
    tree = parse(near, grammar)
    source = encoded(near)
    cursor = len(encoded(text[start:offset]))
    names = tuple(dict.fromkeys(_names_near(tree.root_node, source, cursor, NODE_TYPES[grammar].scopes)))
    top = parse(text[:_TOP_CHARACTERS], grammar) if start else tree
    return Scope(names, tuple(_imports(top.root_node, posixpath.dirname(path))))


def _names_near(root: "Node", source: bytes, cursor: int, scopes: Container[str]) -> Iterator[str]:
    scope: Node | None = root.descendant_for_byte_range(max(0, cursor - 1), cursor)
    while scope is not None and scope.type not in scopes:
        scope = scope.parent
    start, end = (scope.start_byte, scope.end_byte) if scope is not None else (0, len(source))
    yield from reversed(_words(source[max(start, cursor - _NEAR_BYTES) : cursor]))
    yield from _words(source[cursor : min(end, cursor + _NEAR_BYTES)])
    if scope is not None:  # the types of its parameters
        yield from _words(source[start : min(cursor, start + _NEAR_BYTES)])


def _words(source: bytes) -> list[str]:
    return _WORD.findall(source.decode("utf-8", errors="replace"))


def _imports(root: "Node", folder: str) -> Iterator[Import]:
    for node in _import_nodes(root):
        if node.type == "import_from_statement":
            yield _python_from(node, folder)
        elif node.type == "import_statement" and node.child_by_field_name("source") is None:
            for name in node.named_children:
                dotted = name.child_by_field_name("name") or name
                yield Import((_text(dotted).replace(".", "/"),))
        elif node.type == "import_declaration":
            yield _java_import(node)
        elif node.type == "preproc_include":
            written = _text(node.child_by_field_name("path")).strip('"<>')
            yield Import(tuple(dict.fromkeys(_without_ending(p) for p in (_resolved(f"./{written}", folder), written))))
        else:
            yield _ecmascript_import(node, folder)


_IMPORTS = frozenset({"import_from_statement", "import_statement", "import_declaration", "preproc_include"})
_AROUND_IMPORTS = frozenset({"preproc_ifdef", "preproc_if", "if_statement", "block", "try_statement"})


def _import_nodes(node: "Node", depth: int = 0) -> Iterator["Node"]:
    for child in node.named_children:
        if child.type in _IMPORTS or _required(child) is not None:
            yield child
        elif child.type in _AROUND_IMPORTS and depth < 3:
            yield from _import_nodes(child, depth + 1)


def _python_from(node: "Node", folder: str) -> Import:
    module = _text(node.child_by_field_name("module_name"))
    names = tuple(_text(each.child_by_field_name("name") or each) for each in node.children_by_field_name("name"))
    dots = len(module) - len(module.lstrip("."))
    base = module.lstrip(".").replace(".", "/")
    if dots:
        base = posixpath.normpath(posixpath.join(folder, *[".."] * (dots - 1), base)).removeprefix(".")
    return Import((base, *(posixpath.join(base, name) for name in names)), names)


def _java_import(node: "Node") -> Import:
    dotted = next((_text(child) for child in node.named_children if child.type.endswith("identifier")), "")
    package, _, name = dotted.rpartition(".")
    # A static import names a member, after its class.
    return Import((dotted.replace(".", "/"), package.replace(".", "/")), (name,) if name else ())


def _ecmascript_import(node: "Node", folder: str) -> Import:
    source = node.child_by_field_name("source") or _required(node)
    names = re.findall(r"[\w$]+", _text(node).partition(_text(source))[0])
    keywords = {"import", "from", "as", "type", "const", "let", "var", "require"}
    path = _without_ending(_resolved(_text(source).strip("\"'`"), folder))
    return Import((path,), tuple(name for name in dict.fromkeys(names) if name not in keywords))


def _required(node: "Node") -> "Node | None":
    """The string in `const name = require("…")`."""
    declared = next((child for child in node.named_children if child.type == "variable_declarator"), None)
    call = declared.child_by_field_name("value") if declared is not None else None
    if call is None or call.type != "call_expression" or _text(call.child_by_field_name("function")) != "require":
        return None
    arguments = call.child_by_field_name("arguments")
    first = arguments.named_children[0] if arguments is not None and arguments.named_child_count else None
    return first if first is not None and first.type == "string" else None


def _resolved(path: str, folder: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path)) if path.startswith(".") else path


def _without_ending(path: str) -> str:
    return posixpath.splitext(path)[0]


def _text(node: "Node | None") -> str:
    return node.text.decode("utf-8", errors="replace") if node is not None and node.text is not None else ""
