"""tree-sitter's grammars: which one reads a document, and parsing with it.

Each grammar is a package of its own whose wheel holds the compiled parser. Collections of all grammars either fetch
them when first used, which this program must never do, or bring twenty times the bytes.
"""

import importlib
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tree_sitter


class Grammar(StrEnum):
    """What a document can be parsed as; C is read as C++."""

    PYTHON = "python"
    JAVA = "java"
    CPP = "cpp"
    JAVASCRIPT = "javascript"
    TYPESCRIPT = "typescript"
    TSX = "tsx"


# The language server protocol's identifiers, and those that editors use beside them.
_LANGUAGE_IDS = {
    "python": Grammar.PYTHON,
    "java": Grammar.JAVA,
    "c": Grammar.CPP,
    "cpp": Grammar.CPP,
    "cuda-cpp": Grammar.CPP,
    "javascript": Grammar.JAVASCRIPT,
    "javascriptreact": Grammar.JAVASCRIPT,
    "typescript": Grammar.TYPESCRIPT,
    "typescriptreact": Grammar.TSX,
    "tsx": Grammar.TSX,
}

_SUFFIXES = {
    (".py", ".pyi"): Grammar.PYTHON,
    (".java",): Grammar.JAVA,
    (".cpp", ".cc", ".cxx", ".c++", ".c", ".hpp", ".hh", ".hxx", ".h", ".ipp", ".inl", ".tpp"): Grammar.CPP,
    (".js", ".mjs", ".cjs", ".jsx"): Grammar.JAVASCRIPT,
    (".ts", ".mts", ".cts"): Grammar.TYPESCRIPT,
    (".tsx",): Grammar.TSX,
}

_PIECE_BYTES = 4096

# Module and function that give the compiled parser.
_ENTRY_POINTS = {
    Grammar.PYTHON: ("tree_sitter_python", "language"),
    Grammar.JAVA: ("tree_sitter_java", "language"),
    Grammar.CPP: ("tree_sitter_cpp", "language"),
    Grammar.JAVASCRIPT: ("tree_sitter_javascript", "language"),
    Grammar.TYPESCRIPT: ("tree_sitter_typescript", "language_typescript"),
    Grammar.TSX: ("tree_sitter_typescript", "language_tsx"),
}


def grammar_of(language_id: str = "", path: Path | None = None) -> Grammar | None:
    """The grammar of a document, by an editor's name of its language, else by its file's ending; None for others."""
    if (named := _LANGUAGE_IDS.get(language_id.lower())) is not None:
        return named
    if path is None:
        return None
    ending = path.suffix.lower()
    return next((grammar for endings, grammar in _SUFFIXES.items() if ending in endings), None)


def parse(text: str, grammar: Grammar) -> "tree_sitter.Tree":
    """The syntax tree of `text`; its byte offsets count UTF-8. A parser goes over about 8 MB a second.

    Any text has a tree: what does not fit is in error nodes. Safe from any thread.
    """
    return parser_of(grammar).parse(encoded(text))


# What takes the place of `parse`, such as one that goes on from the tree before (`assistant.reparsing`).
Parse = Callable[[str, Grammar], "tree_sitter.Tree"]


def parser_of(grammar: Grammar) -> "tree_sitter.Parser":
    """A new parser."""
    from tree_sitter import Parser

    return Parser(_language(grammar))


def parse_in_pieces(source: bytes, grammar: Grammar) -> "tree_sitter.Tree":
    """The syntax tree of UTF-8 `source`, for texts larger than an excerpt. Its nodes do not know their text.

    tree-sitter keeps the interpreter's lock over a whole buffer: 50 ms for 250 KB, in which no editor is answered.
    Given the text piece by piece it lets other threads run in between.
    """
    parser = parser_of(grammar)
    if len(source) <= _PIECE_BYTES:
        return parser.parse(source)
    view = memoryview(source)
    pieces: list[memoryview] = []

    def read(offset: int, _point: object) -> memoryview:
        pieces.append(view[offset : offset + _PIECE_BYTES])
        return pieces[-1]

    try:
        return parser.parse(read)
    finally:
        # tree-sitter 0.26 never frees what `read` returned, so each parse would keep the whole text for good.
        for piece in pieces:
            piece.release()


def encoded(text: str) -> bytes:
    """`text` as parsers see it: halves of surrogate pairs, which some editors send, become question marks."""
    return text.encode("utf-8", errors="replace")


@cache
def _language(grammar: Grammar) -> "tree_sitter.Language":
    from tree_sitter import Language

    module, function = _ENTRY_POINTS[grammar]
    return Language(getattr(importlib.import_module(module), function)())
