"""Answers on the screen: one at a time, begun, shown as they come, kept as they grow, stopped at once."""

import asyncio
import time
from typing import TYPE_CHECKING

from assistant.chat.types import Reply
from assistant.errors import SnedError
from tui import memory
from tui.history.errors import HistoryError
from tui.history.types import Details, State
from tui.widgets.status_line import Shown
from tui.writing import Writing

if TYPE_CHECKING:
    from assistant.open_models import OpenModel
    from tui.app import ChatApp
    from tui.widgets.message import MessageView

# Often enough to look like writing, seldom enough that keys come first.
_SHOW_SECONDS = 1 / 12
# Laying out what is new takes as long as a key may wait. While one types, who looks at the prompt, it comes in larger
# pieces, each just after a key is on the screen: no hand is quick enough to strike the next before the layout is done.
_QUIET_SECONDS, _LONGEST_SECONDS = 0.25, 0.5
_AFTER_A_KEY = (0.01, 0.04)
_COLLECT_SECONDS = 1.0
# What a killed program may lose.
_KEEP_SECONDS = 0.5


class Answering:
    """Has the model answer the last message of the session."""

    def __init__(self, app: "ChatApp") -> None:
        self._app = app
        self._view: MessageView | None = None
        self._writing: Writing | None = None
        self._kept_at = self._shown_at = 0.0
        self._used = 0
        self._left = False  # whether an answer has left what a full collection frees

    @property
    def busy(self) -> bool:
        """Whether an answer is being written, or waits for the model."""
        return self._view is not None

    @property
    def text(self) -> str:
        """What is shown of the answer that is being written."""
        return self._writing.text if self._writing is not None else ""

    async def begin(self) -> None:
        """Adds an answer to the session, and has it written once the model is there."""
        app = self._app
        if self._left:
            self._left = False
            memory.free()
        message = await app.speaking.kept(app.talk.answer)
        self._view = await app.transcript.add(message)
        if app.models.open is not None:
            self.model_is_open(app.models.open)
        else:
            app.models.load()

    def model_is_open(self, model: "OpenModel") -> None:
        """Begins the answer that has waited for its model."""
        if self._view is None or self._writing is not None:
            return
        from assistant.chat.attaching import CHATTING

        app = self._app
        sequence = f"chat {app.talk.number}"
        self._writing = Writing(model, app.talk.conversation(CHATTING), app.talk.options(), sequence)
        self._kept_at = time.monotonic()
        app.status.show(Shown("Reading", None, model.selection.name, self._used, model.engine.info.context))
        app.run_worker(self._follow(self._writing), group="answer", exit_on_error=True)

    async def stop(self) -> bool:
        """Stops the answer, in prefill as well; whether there was one."""
        if self._view is None:
            return False
        if self._writing is not None:
            self._writing.stop()
        await self._end(None, State.STOPPED)
        return True

    async def failed(self, message: str) -> None:
        """Ends an answer that cannot be had, and says why."""
        if self._view is not None:
            await self._end(None, State.FAILED, message)

    async def _follow(self, writing: Writing) -> None:
        while self._writing is writing and self._view is not None:
            await self._show(self._view, writing)
            await asyncio.sleep(_SHOW_SECONDS)
            await self._no_key_is_near(writing)

    async def _no_key_is_near(self, writing: Writing) -> None:
        """Waits for a moment in which the next key is not likely to come."""
        while not writing.ended:
            now = time.monotonic()
            since_key = now - self._app.prompt.struck_at
            just_after = _AFTER_A_KEY[0] <= since_key <= _AFTER_A_KEY[1]
            if since_key >= _QUIET_SECONDS or (just_after and now - self._shown_at >= _LONGEST_SECONDS):
                return
            await asyncio.sleep(_AFTER_A_KEY[0])

    async def _show(self, view: "MessageView", writing: Writing) -> None:
        app = self._app
        ended, now = writing.ended, time.monotonic()
        self._shown_at = now
        if new := writing.take():
            app.transcript.fold()
            await view.write(new)
            if self._writing is not writing:  # it was stopped meanwhile
                return
        self._show_status(writing)
        if ended:
            await self._conclude(writing)
        elif now - self._kept_at > _KEEP_SECONDS and writing.text:
            self._kept_at = now
            try:
                app.talk.write(view.shown.id, writing.text, State.WRITING)
            except HistoryError as error:  # the end of the answer is kept again, or tells
                app.log.warning(str(error))

    def _show_status(self, writing: Writing) -> None:
        model = self._app.models.open
        if model is None or self._view is None:
            return
        reading, info = writing.reading, model.engine.info
        total = reading.total if reading is not None else self._used
        if writing.tokens == 0:
            fraction = reading.done / reading.total if reading is not None else None
            shown = Shown("Reading", fraction, model.selection.name, total, info.context)
        else:
            used = total + writing.tokens
            shown = Shown("Writing · esc stops", None, model.selection.name, used, info.context, writing.rate)
        self._app.status.show(shown)

    async def _conclude(self, writing: Writing) -> None:
        try:
            reply = writing.reply()
        except SnedError as error:
            await self._end(None, State.FAILED, str(error))
            return
        await self._end(reply, State.WHOLE if reply is not None else State.STOPPED)

    async def _end(self, reply: Reply | None, state: State, message: str = "") -> None:
        view, writing, app = self._view, self._writing, self._app
        assert view is not None
        if writing is not None and (new := writing.take()):
            await view.write(new)
        text = writing.text if writing is not None else ""
        details = self._details(reply, writing, message)
        self._view = self._writing = None
        try:
            app.talk.write(view.shown.id, text, state, details)
        except HistoryError as error:
            app.speaking.go_on_unkept(error)
        shown = next(each for each in reversed(app.talk.branch) if each.role == view.shown.role)
        app.transcript.replaced(shown)
        await view.finish(shown)
        app.transcript.unfold()
        if message:
            app.tell(message, severity="error")
        app.show_status(details.prompt_tokens + details.completion_tokens or None, details.rate)
        self._left = True
        app.set_timer(_COLLECT_SECONDS, self._collect)

    def _collect(self) -> None:
        """Frees what an answer has left, once nobody types; the next answer does it otherwise."""
        if self._left and self._view is None:
            if time.monotonic() - self._app.prompt.struck_at > _COLLECT_SECONDS:
                self._left = False
                memory.free()
            else:
                self._app.set_timer(_COLLECT_SECONDS, self._collect)

    def _details(self, reply: Reply | None, writing: Writing | None, message: str) -> Details:
        from assistant.engine.protocol import StopReason

        model = self._app.models.open
        name = model.selection.name if model is not None else None
        if reply is None:
            tokens, rate = (writing.tokens, writing.rate) if writing is not None else (0, 0.0)
            return Details(name, message or None, 0, tokens, rate)
        usage = reply.usage
        notice = reply.notice
        if usage.stop_reason in {StopReason.LIMIT, StopReason.CONTEXT_FULL}:
            reason = "max_tokens" if usage.stop_reason is StopReason.LIMIT else "the context"
            notice = " ".join(filter(None, [notice, f"Cut short by {reason}."]))
        self._used = usage.prompt_tokens + usage.completion_tokens
        return Details(reply.model, notice, usage.prompt_tokens, usage.completion_tokens, usage.decode_rate)
