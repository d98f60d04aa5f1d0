"""Mentions in a text: `@src/main.py`, `@src/main.py#Basket.count`, `@src/`, `@"a name with spaces"`, `@diff`."""

import re
from collections.abc import Collection
from dataclasses import dataclass

# After a letter it is an address, and a decorator's line is code.
_MENTION = re.compile(r'(?<![\w@.`])@(?:"([^"\n]+)"|([^\s@"`,;:!?()\[\]{}<>]+))')
_TYPED = re.compile(r'(?:^|(?<=[\s(]))@("?)([^\s"]*|(?<=")[^"\n]*)$')


@dataclass(frozen=True, slots=True)
class Mention:
    """What is named: `path` of the project, and with `symbol` something that it defines."""

    path: str
    symbol: str = ""

    def __str__(self) -> str:
        """As it is written in a text."""
        name = f"{self.path}#{self.symbol}" if self.symbol else self.path
        return f'@"{name}"' if re.search(r"[\s,;:!?()\[\]{}<>]", name) else f"@{name}"


def mentions(text: str) -> list[Mention]:
    """What a text names, each once, in order. A full stop at the end of a name is the sentence's."""
    found: dict[Mention, None] = {}
    for match in _MENTION.finditer(text):
        name = match[1] or match[2].rstrip(".'")
        path, _, symbol = name.partition("#")
        if path:
            found[Mention(path, symbol)] = None
    return list(found)


def as_read(text: str, names: Collection[str]) -> str:
    """A text as the model is to read it: what it names of `names`, those of its attachments, stands as in prose.

    Small models say an `@` again where a path belongs, in code as well.
    """

    def said(match: re.Match[str]) -> str:
        name = match[1] or match[2].rstrip(".'")
        if name not in names:
            return match[0]
        path, _, symbol = name.partition("#")
        rest = "" if match[1] else match[2][len(name) :]
        return (f"`{symbol}` in `{path}`" if symbol else f"`{path}`") + rest

    return _MENTION.sub(said, text)


def typed(before_cursor: str) -> tuple[int, str] | None:
    """The mention that is being typed: where its `@` is, and what follows it; None when there is none."""
    match = _TYPED.search(before_cursor)
    return (match.start(), match[2]) if match is not None else None
