"""Mentions in a text: `@src/main.py`, `@src/main.py#Basket.count`, `@src/`, `@"a name with spaces"`, `@diff`."""

import re
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


def typed(before_cursor: str) -> tuple[int, str] | None:
    """The mention that is being typed: where its `@` is, and what follows it; None when there is none."""
    match = _TYPED.search(before_cursor)
    return (match.start(), match[2]) if match is not None else None
