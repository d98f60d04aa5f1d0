"""How much a completion may be: one line or many, and of which scope, by the syntax around the cursor."""

import re
from dataclasses import replace

from assistant.filters import Lines, Site, indentation
from assistant.grammars import Grammar, Parse, parse
from assistant.syntax import CursorSyntax, Inside, cursor_syntax, excerpt

_COMMENT_MARKS = ("#", "//")

# What lines begin with that end in an opening bracket and define nothing.
_STATEMENT = re.compile(r"\s*(?:[})]|(?:if|for|while|switch|catch|else|do|try|return|with)\b)")


def read_site(
    before: str, after: str, grammar: Grammar | None, parse: Parse = parse
) -> tuple[Site, CursorSyntax | None]:
    """The site between two texts with the scope it is in, and its syntax where there is a grammar."""
    site = Site.between(before, after)
    if grammar is None:
        return site, None
    syntax = cursor_syntax(before, after, grammar, parse)
    definition = syntax.definition_indentation
    if definition is None and site.indentation == 0:
        definition = -1
    elif definition is None and grammar is not Grammar.PYTHON:
        definition = _header_above(excerpt(before, after)[0])
    return replace(site, definition=definition, block=_block(syntax)), syntax


def wanted_lines(asked: Lines, site: Site, syntax: CursorSyntax | None) -> Lines:
    """One line or many, for `auto` by what stands around the cursor.

    Many where a block is empty, where a comment says what comes, and on a blank line; one where the line has code, and
    inside strings and brackets.
    """
    if asked is not Lines.AUTO:
        return asked
    if site.line_rest.strip():
        return Lines.ONE
    if syntax is not None:
        if syntax.block_empty:
            return Lines.MANY
        if syntax.inside is Inside.COMMENT and site.line_head.lstrip().startswith(_COMMENT_MARKS):
            return Lines.MANY
        if syntax.in_brackets or syntax.inside is Inside.STRING:
            return Lines.ONE
    return Lines.ONE if site.line_head.strip() else Lines.MANY


def _block(syntax: CursorSyntax) -> int | None:
    """The indentation of the line whose empty block begins at the cursor, if the completion has to stay in the block.

    That is a definition's. The body of an `if` or a loop may well be written in one go with what comes after it.
    """
    if not syntax.block_empty or syntax.header_indentation != syntax.definition_indentation:
        return None
    return syntax.header_indentation


def _header_above(before: str) -> int | None:
    """The indentation of the definition around the cursor by the lines above: missing brackets hide it from trees."""
    *above, line = before.split("\n")
    least = indentation(line)
    for each in reversed(above):
        if each.strip() and indentation(each) < least:
            least = indentation(each)
            if each.rstrip().endswith("{") and "(" in each and not _STATEMENT.match(each):
                return least
    return None
