"""What the chat is begun with: a session to go on with, a model, things to read."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.errors import SnedError

if TYPE_CHECKING:
    from tui.app import ChatApp


@dataclass(frozen=True, slots=True)
class Opening:
    """What is done once the screen is there.

    Attributes:
        model: the model's name; None chooses by the project's language.
        system: the system prompt; None is the program's own.
        files: what to read with the first message.
        diff: whether to read the project's changes with it.
        piped: what was piped in, to be read with it; None when nothing was.
        resume: goes on with the project's last session.
    """

    model: str | None = None
    system: str | None = None
    files: tuple[Path, ...] = ()
    diff: bool = False
    piped: bytes | None = None
    resume: bool = False

    async def begin(self, app: "ChatApp") -> None:
        """Does it; what cannot be done is told."""
        try:
            if self.resume and (sessions := app.talk.history.sessions(app.project)):
                await app.speaking.open(max(sessions, key=lambda each: each.changed).id)
            if self.model or self.system:
                settings = app.talk.settings
                app.talk.configure(
                    replace(settings, model=self.model or settings.model, system=self.system or settings.system)
                )
            await self._attach(app)
        except SnedError as error:
            app.tell(str(error), severity="error")

    async def _attach(self, app: "ChatApp") -> None:
        from assistant.chat.attaching import of_changes, of_file, of_input
        from assistant.chat.changes import git_diff
        from assistant.source_file import decode_source, read_source

        if self.piped is not None and (text := decode_source(self.piped, "standard input")).strip():
            app.attaching.attach(of_input(text))
        for path in self.files:
            app.attaching.attach(of_file(path.as_posix(), read_source(path)))
        if self.diff:
            app.attaching.attach(of_changes(await asyncio.to_thread(git_diff, app.project)))
