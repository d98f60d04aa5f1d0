"""What a command is."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tui.app import ChatApp


def _nothing(app: "ChatApp") -> Sequence[str]:
    return ()


@dataclass(frozen=True, slots=True)
class Command:
    """Something that can be done with `/name arguments`.

    Attributes:
        name: what is typed.
        arguments: how they are written, for the list and the help; empty when there are none.
        help: what it does, as a phrase.
        run: does it, with the arguments as one text.
        choices: what the first argument may be.
        needs_arguments: whether nothing can be done without.
    """

    name: str
    arguments: str
    help: str
    run: "Callable[[ChatApp, str], Awaitable[None]]"
    choices: "Callable[[ChatApp], Sequence[str]]" = _nothing
    needs_arguments: bool = False
