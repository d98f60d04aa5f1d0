"""Commands on the code of answers."""

from pathlib import Path
from typing import TYPE_CHECKING

from assistant.chat.types import Role
from assistant.errors import UsageError
from tui.commands.command import Command

if TYPE_CHECKING:
    from tui.app import ChatApp
    from tui.code.blocks import Block


async def copy(app: "ChatApp", arguments: str) -> None:
    """Copies an answer, or one of its code blocks."""
    if not arguments.strip():
        answer = app.speaking.answer_in_view()
        app.copy_to_clipboard(answer.text)
        app.tell("The answer was copied.")
        return
    block, _ = _block(app, arguments)
    app.copy_to_clipboard(block.code + "\n")
    app.tell(f"Block {block.number} was copied.")


async def apply(app: "ChatApp", arguments: str) -> None:
    """Changes a file by a code block, after a review."""
    from tui.code.changes import change_of, read_file
    from tui.code.merging import merged

    block, rest = _block(app, arguments)
    path = _target(app, block, rest)
    before = read_file(path)
    app.dialogs.review(change_of(path, before, merged(before.text, block.code, path), app.project.resolve()))


async def save(app: "ChatApp", arguments: str) -> None:
    """Writes a code block to a file, after a review."""
    from tui.code.changes import change_of, read_file

    block, rest = _block(app, arguments)
    path = _target(app, block, rest)
    app.dialogs.review(change_of(path, read_file(path), block.code + "\n", app.project.resolve()))


async def undo(app: "ChatApp", arguments: str) -> None:
    """Takes the last applied change back."""
    if not app.changes:
        raise UsageError("Nothing has been applied since the program began.")
    change = app.changes[-1]
    change.undo()
    app.changes.pop()
    app.tell(f"{change.path} is as it was.")


def _block(app: "ChatApp", arguments: str) -> "tuple[Block, str]":
    """The block that arguments name by its number, the only or last one without; and the rest of the arguments.

    Raises:
        UsageError: there is no such block.
    """
    from tui.code.blocks import blocks

    number, _, rest = arguments.strip().partition(" ")
    if not number.isdecimal():
        number, rest = "", arguments.strip()
    found = blocks(app.speaking.answer_in_view().text)
    if not found:
        raise UsageError("The answer has no code block.")
    if not number:
        return found[-1], rest
    if not 1 <= int(number) <= len(found):
        raise UsageError(f"The answer has no code block {number}; it has {len(found)}.")
    return found[int(number) - 1], rest.strip()


def _target(app: "ChatApp", block: "Block", named: str) -> Path:
    """The file that is meant: the one named, else the one the answer is about.

    Raises:
        UsageError: nothing tells, or an answer names a file outside of the project.
    """
    root = app.project.resolve()
    if named:
        return (root / Path(named.removeprefix("@")).expanduser()).resolve()
    about = block.path or _only_attached(app)
    if about is None:
        raise UsageError(f"Nothing tells which file block {block.number} is for: give it, /apply {block.number} FILE.")
    path = (root / about).resolve()
    if not path.is_relative_to(root):
        raise UsageError(
            f"The answer names {about}, which is not in the project; give the file yourself if you mean it."
        )
    return path


def _only_attached(app: "ChatApp") -> str | None:
    """The file of the project that was attached last, if it was only one."""
    for message in reversed(app.talk.branch):
        if message.role is Role.USER and message.attachments:
            names = {each.name.partition("#")[0] for each in message.attachments}
            files = [name for name in names if (app.project / name).is_file()]
            return files[0] if len(files) == 1 else None
    return None


COMMANDS = (
    Command("copy", "[N]", "copy the answer, or its code block N", copy),
    Command("apply", "[N] [FILE]", "change a file by a code block; you see the diff first", apply),
    Command("save", "[N] FILE", "write a code block to a file; you see the diff first", save),
    Command("undo", "", "take back what was applied last", undo),
)
