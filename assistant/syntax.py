"""What the syntax around a cursor says: in a string or comment, in brackets, at a block's start, where it has errors.

All functions are pure, and bounded: of a long text only an excerpt around the cursor is parsed. The text at a cursor is
seldom a whole program, so what can be told from tokens is not asked of the shape of the tree.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TYPE_CHECKING

from assistant.brackets import missing_closers
from assistant.grammars import Grammar, Parse, encoded, parse

if TYPE_CHECKING:
    from tree_sitter import Node

# Characters parsed before the cursor: about 3 ms of work with those after it, and little once that was done.
_CHARACTERS = 16_384
_STEPS = 8

_COMMENTS = {"comment", "line_comment", "block_comment", "html_comment"}
_STRINGS = {
    "string",
    "string_literal",
    "char_literal",
    "character_literal",
    "raw_string_literal",
    "template_string",
    "text_block",
    "regex",
}
_INTERPOLATIONS = {"interpolation", "template_substitution", "string_interpolation"}
_LITERALS = {
    "dictionary",
    "dictionary_comprehension",
    "set",
    "set_comprehension",
    "object",
    "object_pattern",
    "initializer_list",
    "array_initializer",
    "enumerator_list",
}
_OPENERS, _CLOSERS = {"(", "[", "{", "${"}, {")", "]", "}"}
# Tokens read backwards for the bracket that is open at the cursor.
_TOKENS = 2_000
_DEFINITIONS = {
    "function_definition",
    "class_definition",
    "method_declaration",
    "constructor_declaration",
    "class_declaration",
    "interface_declaration",
    "enum_declaration",
    "record_declaration",
    "class_specifier",
    "struct_specifier",
    "namespace_definition",
    "function_declaration",
    "generator_function_declaration",
    "method_definition",
}


class Inside(StrEnum):
    """What kind of text a cursor stands in."""

    CODE = "code"
    COMMENT = "comment"
    STRING = "string"


@dataclass(frozen=True, slots=True)
class CursorSyntax:
    """The syntax at a cursor.

    Attributes:
        inside: code, a comment or a string.
        in_brackets: in an argument list, a collection, a subscript or another bracketed expression.
        block_start: nothing but white space stands between the cursor and what opens a block: `:` or `{`.
        block_empty: at a block's start, and that block has nothing in it yet.
        header_indentation: characters of white space before the line that opens the block; 0 if not at one's start.
        definition_indentation: the same of the line that the innermost function, method or class around the cursor
            begins with, a function within a function belonging to that; None outside of all.
    """

    inside: Inside = Inside.CODE
    in_brackets: bool = False
    block_start: bool = False
    block_empty: bool = False
    header_indentation: int = 0
    definition_indentation: int | None = None


@dataclass(frozen=True, slots=True)
class ErrorRegion:
    """A stretch of text that does not parse, in code points; empty where a token is missing."""

    start: int
    end: int


def excerpt(before: str, after: str, characters: int = _CHARACTERS) -> tuple[str, str]:
    """What is parsed of the text around a cursor: whole lines, from a line that is not indented where there is one.

    About `characters` before the cursor, and half as many after it.
    """
    following, step = characters // 2, characters // _STEPS
    if len(before) > characters:
        # In steps, so that the next key finds the same beginning.
        before = before[_top_level_line(before, -(-(len(before) - characters) // step) * step) :]
    if len(after) > following:
        end = after.find("\n", following)
        after = after[: min(end + 1, characters) if end >= 0 else characters]
    return before, after


def error_regions(text: str, grammar: Grammar) -> tuple[ErrorRegion, ...]:
    """Where `text` has syntax errors, in order."""
    data = encoded(text)
    nodes = list(_error_nodes(parse(text, grammar).root_node))
    return tuple(
        ErrorRegion(_code_points(data, node.start_byte), _code_points(data, node.end_byte))
        for node in sorted(nodes, key=lambda node: node.start_byte)
    )


def error_count(text: str, grammar: Grammar, parse: Parse = parse) -> int:
    """How many syntax errors `text` has."""
    root = parse(text, grammar).root_node
    return sum(1 for _ in _error_nodes(root)) if root.has_error else 0


def cursor_syntax(before: str, after: str, grammar: Grammar, parse: Parse = parse) -> CursorSyntax:
    """The syntax at the cursor between two texts, whose line ends are `\\n`."""
    before, after = excerpt(before, after)
    rest, line_end, below = after.partition("\n")
    # An open bracket, as there often is where something is typed, would make an error of all that follows.
    missing = missing_closers(before[before.rfind("\n") + 1 :] + rest, below)
    root = parse(before + rest + missing + line_end + below, grammar).root_node
    cursor = len(encoded(before))
    inside = _inside(root, cursor, before)
    definition = _definition_indentation(root, before, grammar)
    if inside is not Inside.CODE:
        return CursorSyntax(inside=inside, definition_indentation=definition)
    opener = _innermost_opener(root, cursor)
    bracketed = opener is not None and (opener.type in ("(", "[") or _opens_literal(opener))
    header = None if bracketed else _block_header(before, after, opener, cursor, grammar)
    if header is None:
        return CursorSyntax(in_brackets=bracketed, definition_indentation=definition)
    indentation = _indentation(header)
    return CursorSyntax(
        block_start=True,
        block_empty=_ends_at(after, indentation, grammar),
        header_indentation=indentation,
        definition_indentation=definition,
    )


def _top_level_line(text: str, near: int) -> int:
    """The start of the first line from `near` on that has code and no indentation, else of the first line."""
    first = start = text.find("\n", near) + 1
    while 0 < start < len(text):
        if not text[start].isspace() and text[start] not in ")]}#/*":
            return start
        start = text.find("\n", start) + 1
    return first or near


def _error_nodes(node: "Node") -> Iterator["Node"]:
    stack = [node]
    while stack:
        current = stack.pop()
        if current.is_error or current.is_missing:
            yield current
        if current.has_error:
            stack.extend(current.children)


def _code_points(data: bytes, offset: int) -> int:
    return len(data[:offset].decode("utf-8", errors="replace"))


def _ancestors(root: "Node", cursor: int) -> Iterator["Node"]:
    """The nodes around the cursor, from the innermost out."""
    node = root.descendant_for_byte_range(max(cursor - 1, 0), cursor)
    while node is not None:
        yield node
        node = node.parent


def _definition_indentation(root: "Node", before: str, grammar: Grammar) -> int | None:
    """The column of the innermost definition around the cursor, or of the function that has that one in it."""
    code = before.rstrip()
    line = before[before.rfind("\n") + 1 :]
    # A block of Python ends with its last statement: what belongs to it after that is told by indentation.
    python = grammar is Grammar.PYTHON
    cursor = len(encoded(code if python else before))
    indentation = _indentation(line) + (code.endswith(":") and bool(line.strip()))
    column = None
    for node in _ancestors(root, cursor):
        begun = node.start_point.column < indentation if python else node.start_byte < cursor
        if node.type not in _DEFINITIONS or not begun:
            continue
        is_class = not node.type.startswith(("function", "method", "generator", "constructor"))
        if column is not None and is_class:
            break
        column = node.start_point.column
        if is_class:
            break
    return column


def _inside(root: "Node", cursor: int, before: str) -> Inside:
    for node in _ancestors(root, cursor):
        if node.type in _INTERPOLATIONS and node.start_byte < cursor:
            return Inside.CODE
        if node.type in _COMMENTS and _in_comment(node, cursor):
            return Inside.COMMENT
        if node.type in _STRINGS and node.start_byte < cursor < node.end_byte:
            return Inside.STRING
    return Inside.STRING if root.has_error and _unclosed_quote(before) else Inside.CODE


def _in_comment(node: "Node", cursor: int) -> bool:
    # A line comment reaches to the line's end, where text that is typed still belongs to it.
    ends_before = node.end_byte == cursor and (node.text or b"").endswith((b"*/", b"-->"))
    return node.start_byte < cursor <= node.end_byte and not ends_before


def _unclosed_quote(before: str) -> bool:
    """Whether a quote on the cursor's line is still open there."""
    quote, escaped = "", False
    for character in before[before.rfind("\n") + 1 :]:
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = bool(quote)
        elif quote:
            quote = "" if character == quote else quote
        elif character in "\"'`":
            quote = character
    return bool(quote)


def _innermost_opener(root: "Node", cursor: int) -> "Node | None":
    """The bracket token that is open at the cursor.

    Tokens are read backwards: where brackets do not match, the shape of the tree tells nothing.
    """
    closed = 0
    for token in islice(_tokens_before(root, cursor), _TOKENS):
        if token.type in _CLOSERS:
            closed += 1
        elif token.type in _OPENERS and closed == 0:
            return token
        elif token.type in _OPENERS:
            closed -= 1
    return None


def _tokens_before(node: "Node", cursor: int) -> Iterator["Node"]:
    """The tree's leaves that end at the cursor or before it, the last one first.

    Without those of whole nodes that parse: their brackets match.
    """
    stack = [node]
    while stack:
        current = stack.pop()
        if current.start_byte >= cursor or current.is_missing:
            continue
        if current.end_byte > cursor or (current.has_error and current.child_count):
            stack.extend(current.children)
        elif not current.child_count:
            yield current


def _opens_literal(opener: "Node") -> bool:
    return opener.parent is not None and opener.parent.type in _LITERALS


def _block_header(before: str, after: str, opener: "Node | None", cursor: int, grammar: Grammar) -> str | None:
    """The line that opens a block just before the cursor; None if something else stands there."""
    if after.partition("\n")[0].strip():
        return None
    code = before.rstrip()
    header = code[code.rfind("\n") + 1 :]
    if grammar is Grammar.PYTHON:
        return header if opener is None and code.endswith(":") else None
    if code.endswith("{"):
        return header if opener is not None and opener.end_byte == cursor - len(before) + len(code) else None
    return header if code.endswith(":") and header.lstrip().startswith(("case ", "default")) else None


def _ends_at(after: str, indentation: int, grammar: Grammar) -> bool:
    """Whether a block ends where `after` begins: what follows is not indented more than its header."""
    following = next((line for line in after.split("\n")[1:] if line.strip()), None)
    if following is None:
        return True
    if grammar is not Grammar.PYTHON and following.lstrip().startswith("}"):
        return True
    return _indentation(following) <= indentation


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())
