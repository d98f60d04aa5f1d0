"""What is read with the next message: what its text names, and what was attached besides."""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from textual.content import Content
from textual.widgets import Static

from assistant.chat.types import Attachment
from assistant.chat.visible import visible_line
from assistant.errors import UsageError
from tui.mentions.parsing import Mention, mentions

if TYPE_CHECKING:
    from tui.app import ChatApp

_WAIT_SECONDS = 0.15
_CHARACTERS_PER_TOKEN = 3


class Attachments(Static):
    """The line that says what is attached, and what each costs."""

    DEFAULT_CSS = """
    Attachments { height: auto; max-height: 3; padding: 0 2; color: $text-accent; display: none; }
    """

    def __init__(self) -> None:
        """Nothing is attached."""
        super().__init__(id="attachments")

    def show(self, attached: list[tuple[str, int]], context: int) -> None:
        """Shows names and tokens of what is attached, and how much of the context that takes, if that is known."""
        self.display = bool(attached)
        said = " · ".join(f"{visible_line(name)} {tokens:,}" for name, tokens in attached)
        total = sum(tokens for _, tokens in attached)
        share = f" of {context:,}" if context else ""
        self.update(
            Content(f"with {said} = {total:,} tokens{share}" if len(attached) > 1 else f"with {said} tokens{share}")
        )


class Attaching:
    """Gathers what the next message is sent with.

    Attributes:
        standing: what was attached besides the text: piped in, a diff, the output of a command.
        output: the last command that was run, and what it wrote.
    """

    def __init__(self, app: "ChatApp") -> None:
        self._app = app
        self.line = Attachments()
        self.standing: list[Attachment] = []
        self.output: tuple[str, str] | None = None
        self._changes = 0

    def attach(self, attachment: Attachment) -> None:
        """Attaches something to the next message, in the place of what has the same name."""
        self.standing = [each for each in self.standing if each.name != attachment.name] + [attachment]
        self.update()

    def clear(self) -> None:
        """Attaches nothing."""
        self.standing = []
        self.update()

    async def gather(self, text: str) -> list[Attachment]:
        """What is read with a text.

        Raises:
            UsageError: something that it names is there, but cannot be read.
        """
        return await asyncio.to_thread(self._gather, text)

    def update(self) -> None:
        """Shows what is attached, once no key is struck for a moment."""
        self._changes += 1
        self._app.call_later(self._update, self._changes)

    def count(self, text: str) -> int:
        """Tokens of a text, by the model once it is there."""
        model = self._app.models.open
        return model.engine.count_tokens(text) if model is not None else len(text) // _CHARACTERS_PER_TOKEN

    async def _update(self, change: int) -> None:
        text = self._app.prompt.text
        if "@" not in text and not self.standing and not self.line.display:
            return
        self._app.run_worker(self._show(text, change), group="attachments")

    async def _show(self, text: str, change: int) -> None:
        if "@" in text:
            await asyncio.sleep(_WAIT_SECONDS)
        if change != self._changes:
            return
        try:
            attached = await self.gather(text)
        except UsageError:  # it is told when the message is sent
            attached = list(self.standing)
        costs = await asyncio.to_thread(lambda: [(each.name, self.count(each.text)) for each in attached])
        if change == self._changes:
            model = self._app.models.open
            self.line.show(costs, model.engine.info.context if model is not None else 0)

    def _gather(self, text: str) -> list[Attachment]:
        named = [self._resolved(mention) for mention in mentions(text)]
        return [*self.standing, *(each for each in named if each is not None)]

    def _resolved(self, mention: Mention) -> Attachment | None:
        from tui.mentions.resolving import resolve

        mention = replace(mention, path=self._app.completing.index.real(mention.path))
        special = mention.path == "diff" or (mention.path == "output" and self.output is not None)
        if not special and not (self._app.project / mention.path).exists():
            return None  # a decorator, an address: no name of the project's
        return resolve(mention, self._app.project, self.output)
