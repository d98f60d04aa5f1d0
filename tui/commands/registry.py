"""All commands, found by their names."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assistant.errors import UsageError
from tui.commands import attaching, code, session, settings, view
from tui.commands.command import Command
from tui.mentions.fuzzy import best
from tui.widgets.completions import Completion

if TYPE_CHECKING:
    from tui.app import ChatApp

COMMANDS: tuple[Command, ...] = (
    *session.COMMANDS,
    *attaching.COMMANDS,
    *code.COMMANDS,
    *settings.COMMANDS,
    *view.COMMANDS,
)
_SHOWN = 50


def find(name: str) -> Command:
    """The command of this name.

    Raises:
        UsageError: there is none.
    """
    found = next((each for each in COMMANDS if each.name == name), None)
    if found is None:
        near = best(name, [each.name for each in COMMANDS], 1)
        advice = f"did you mean /{near[0]}?" if near else "/help lists them all."
        raise UsageError(f"There is no command /{name}; {advice}")
    return found


def completions_of(commands: Sequence[Command], typed: str, app: "ChatApp") -> list[Completion]:
    """What may be meant by a line that begins with a slash: a command, or its argument."""
    name, space, argument = typed[1:].partition(" ")
    if not space:
        by_name = {each.name: each for each in commands}
        names = [each.name for each in commands] if not name else best(name, by_name, _SHOWN)
        return [_completion(by_name[each]) for each in names]
    command = next((each for each in commands if each.name == name), None)
    choices = list(command.choices(app)) if command is not None else []
    if argument in choices:
        return []
    return [Completion(f"/{name} {each}", each) for each in best(argument, choices, _SHOWN)]


def _completion(command: Command) -> Completion:
    usage = f"/{command.name} {command.arguments}".rstrip()
    return Completion(f"/{command.name}{' ' if command.arguments else ''}", usage, command.help)
