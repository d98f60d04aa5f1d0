"""The code blocks of an answer, and the files that they are about."""

import re
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

from assistant.file_types import language_of_name

# Something like `src/main.py`: a name with an ending, of letters that paths are commonly made of.
_PATH = r"[\w.+-]+(?:/[\w.+-]+)*\.\w{1,8}"
_WHOLE_PATH = re.compile(_PATH)
_IN_BACKTICKS = re.compile(rf"`({_PATH})`")
_BOLD_OR_ENDING = re.compile(rf"(?:\*\*|^|\s)({_PATH})(?:\*\*)?:?\s*$")
_COMMENT = re.compile(rf"^\s*(?:#|//|--|;|/\*|<!--)\s*(?:[Ff]ile(?:name)?:?\s*)?`?({_PATH})`?\s*(?:\*/|-->)?\s*$")
_MENTION = re.compile(rf"^\s*@({_PATH})\s*$")  # as the user wrote it, said again
_IN_INFO = re.compile(rf"(?:title|file|filename|path)=[\"']?({_PATH})|[\s:]({_PATH})|^({_PATH})$")
_TEXTS = frozenset(["cfg", "css", "csv", "html", "ini", "json", "md", "rst", "toml", "txt", "xml", "yaml", "yml"])


@dataclass(frozen=True, slots=True)
class Block:
    """A code block.

    Attributes:
        number: its place in the answer, from 1.
        code: what is in it, without white space at its end.
        info: what stands after its fence, such as the language.
        path: the file it is about, where the answer says so.
    """

    number: int
    code: str
    info: str
    path: str | None


def blocks(answer: str) -> list[Block]:
    """The code blocks of an answer in Markdown, in order; an unfinished one as far as it goes."""
    found: list[Block] = []
    before = ""
    for token in MarkdownIt("gfm-like", {"html": False, "linkify": False}).parse(answer):
        if token.type in {"fence", "code_block"}:
            path = _path(token, before)
            code = token.content.rstrip()
            first, _, rest = code.partition("\n")
            if path is not None and _named_in(first) == path:
                code = rest.lstrip("\n")  # the line names the file, and is no part of it
            found.append(Block(len(found) + 1, code, token.info.strip(), path))
            before = ""
        elif token.type == "inline":
            before = token.content
    return found


def _path(token: Token, before: str) -> str | None:
    """The file a block is about: by its fence, its first line, or what is said before it."""
    if (named := _IN_INFO.search(token.info)) is not None:
        return str(next(filter(None, named.groups())))
    if (name := _named_in(token.content.partition("\n")[0])) is not None:
        return name
    last_line = before.rpartition("\n")[2]
    names = [name for name in _IN_BACKTICKS.findall(last_line) if _is_file(name)]
    if not names and (ending := _BOLD_OR_ENDING.search(last_line)) is not None and _is_file(ending[1]):
        names = [ending[1]]
    return names[-1] if names else None


def _named_in(line: str) -> str | None:
    """The file that a line names and says nothing else, as a comment or a mention; a decorator's is no file's."""
    if (comment := _COMMENT.match(line)) is not None:
        return comment[1]
    mention = _MENTION.match(line)
    return mention[1] if mention is not None and _is_file(mention[1]) else None


def _is_file(name: str) -> bool:
    """Whether a name with a dot in prose is a file's: `os.path` and `self.count` are none."""
    last = name.rpartition("/")[2]
    return language_of_name(last) is not None or last.rpartition(".")[2] in _TEXTS
