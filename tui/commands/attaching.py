"""Commands that attach something to the next message."""

import asyncio
import re
from typing import TYPE_CHECKING

from assistant.errors import UsageError
from tui.commands.command import Command

if TYPE_CHECKING:
    from tui.app import ChatApp

_SECONDS = 120
_MOST_BYTES = 200_000
_SEQUENCES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


async def attach(app: "ChatApp", arguments: str) -> None:
    """Attaches files of the project, and what they define."""
    from tui.mentions.parsing import Mention
    from tui.mentions.resolving import resolve

    names = arguments.replace("@", " ").split()
    if not names:
        raise UsageError("/attach needs a file: /attach PATH or PATH#SYMBOL; @PATH in a message does the same.")
    for name in names:
        path, _, symbol = name.partition("#")
        app.attaching.attach(await asyncio.to_thread(resolve, Mention(path, symbol), app.project, app.attaching.output))


async def diff(app: "ChatApp", arguments: str) -> None:
    """Attaches what has changed since the last commit."""
    from assistant.chat.attaching import of_changes
    from assistant.chat.changes import git_diff

    app.attaching.attach(of_changes(await asyncio.to_thread(git_diff, app.project)))


async def run(app: "ChatApp", arguments: str) -> None:
    """Runs a command of the shell in the project, and attaches what it writes."""
    from assistant.chat.attaching import of_output

    if not arguments.strip():
        raise UsageError("/run needs a command of the shell: /run COMMAND.")
    app.tell(f"Running {arguments}")
    process = await asyncio.create_subprocess_shell(
        arguments,
        cwd=app.project,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        data, _ = await asyncio.wait_for(process.communicate(), _SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise UsageError(f"{arguments} took more than {_SECONDS} seconds, and was ended.") from None
    # Its end says what came of it.
    output = _SEQUENCES.sub("", data[-_MOST_BYTES:].decode("utf-8", errors="replace"))
    app.attaching.output = (arguments, f"{output.rstrip()}\n[exit status {process.returncode}]")
    app.attaching.attach(of_output(*app.attaching.output))
    app.tell(f"{arguments}: exit status {process.returncode}; its output goes with the next message.")


async def detach(app: "ChatApp", arguments: str) -> None:
    """Takes off what is attached."""
    app.attaching.clear()


COMMANDS = (
    Command(
        "attach",
        "PATH",
        "attach files, or PATH#SYMBOL; as @PATH does",
        attach,
        needs_arguments=True,
        choices=lambda app: app.completing.index.files,
    ),
    Command("diff", "", "attach the git diff", diff),
    Command("run", "COMMAND", "run a command here and attach its output", run, needs_arguments=True),
    Command("detach", "", "take off what is attached", detach),
)
