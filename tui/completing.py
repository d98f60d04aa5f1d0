"""Completion in the prompt: commands after `/`, names of the project after `@`."""

from functools import cached_property
from typing import TYPE_CHECKING

from assistant.chat.visible import visible_line
from tui.mentions.parsing import Mention, typed
from tui.widgets.completions import Completion, Completions

if TYPE_CHECKING:
    from tui.app import ChatApp
    from tui.mentions.index import Index

_SHOWN = 50
_SPECIAL_REMARKS = {"diff": "what has changed since the last commit", "output": "of the last /run"}


class Completing:
    """Shows what may be meant by what is typed, and puts it into the prompt."""

    def __init__(self, app: "ChatApp") -> None:
        self._app = app
        self.list = Completions()
        self._refreshing = False
        self._left_at: str | None = None  # Esc was pressed at this text

    @cached_property
    def index(self) -> "Index":
        """The project's names."""
        from tui.mentions.index import Index

        return Index(self._app.project)

    def update(self) -> None:
        """Shows what fits the text before the cursor."""
        before = self._app.prompt.before_cursor
        if before != self._left_at:
            self._left_at = None
        self.list.show(self._found(before) if self._left_at is None else [])

    def hide(self) -> bool:
        """Hides the list until something else is typed; whether it was shown."""
        shown = bool(self.list.display)
        self._left_at = self._app.prompt.before_cursor
        self.list.show([])
        return shown

    def key(self, key: str) -> bool:
        """Does what a key means to the list; whether that was all that it means."""
        self.update()  # keys may be quicker than what is told of them
        if not self.list.display:
            return False
        if key in {"up", "down"}:
            self.list.move(1 if key == "down" else -1)
            return True
        is_whole = self.take()
        return key == "tab" or not is_whole

    def take(self) -> bool:
        """Puts what is chosen into the prompt; whether that is a command to which nothing is to be added."""
        chosen, prompt = self.list.chosen, self._app.prompt
        before = prompt.before_cursor
        mention = typed(before)
        if chosen is None or (mention is None and not before.startswith("/")):
            self.hide()
            return False
        begin = 0 if mention is None else mention[0]
        prompt.replace_before_cursor(len(before) - begin, chosen.text)
        self.hide()
        return mention is None and (before == chosen.text.rstrip() or not chosen.text.endswith(" "))

    def _found(self, before: str) -> list[Completion]:
        if before.startswith("/") and "\n" not in before:
            from tui.commands.registry import COMMANDS, completions_of

            return completions_of(COMMANDS, before, self._app)
        mention = typed(before)
        if mention is None:
            return []
        if self.index.is_stale and not self._refreshing:
            self._refreshing = True
            self._app.run_worker(self._refresh, thread=True, group="index", exit_on_error=False)
        names = self.index.search(mention[1], _SHOWN)
        if names[:1] == [mention[1]]:  # it is whole
            return []
        return [self._completion(name) for name in names]

    def _completion(self, name: str) -> Completion:
        path, _, symbol = visible_line(name).partition("#")
        if name in _SPECIAL_REMARKS:
            return Completion(f"@{name} ", f"@{name}", _SPECIAL_REMARKS[name])
        shown, remark = (symbol, path) if symbol else (path, self._cost(name))
        # After a folder, what is in it may be meant.
        return Completion(f"{Mention(path, symbol)}{'' if name.endswith('/') else ' '}", shown, remark)

    def _cost(self, name: str) -> str:
        """About how many tokens a file takes; its size says so until it is read."""
        if name.endswith("/"):
            return "names of its files"
        try:
            size = (self._app.project / name).stat().st_size
        except OSError:
            return ""
        return f"~{max(1, size // 3):,} tokens"

    def _refresh(self) -> None:
        try:
            self.index.refresh()
        except OSError as error:
            self._app.call_from_thread(self._app.tell, f"{self.index.root} cannot be listed: {error.strerror}.")
        finally:
            self._refreshing = False
        self._app.call_from_thread(self.update)
