"""Answers of the model that are being written: sent as they come, shown as progress, and stopped by the user."""

import asyncio
import logging
from asyncio import AbstractEventLoop
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any

from lsprotocol.types import ProgressToken

from assistant.chat.chat import Chat
from assistant.chat.reading import Reading
from assistant.chat.types import ChatOptions, Conversation, Reply
from assistant.engine.cancellation import Cancellation
from assistant.errors import SnedError
from assistant.open_models import OpenModel
from lsp.buffers import View, language_of
from lsp.progress import Progress
from lsp.server import SnedServer
from lsp.status import State, Status

ANSWER_METHOD = "sned/answer"

# Pieces between two reports of progress: a second or so.
_REPORT_EVERY = 16

_log = logging.getLogger("sned.lsp")
_numbers = count()


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """The parameters of `sned/answer`.

    Attributes:
        token: of the work-done progress: the request's `workDoneToken`, where it came with one.
        command: the command that is answered.
        document: the document it was asked about.
        text: what the answer goes on with.
    """

    token: ProgressToken
    command: str
    document: str
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """What the model is asked for a command.

    Attributes:
        command: the command.
        view: the document it is about.
        title: what the progress is called.
        conversation: what the model is to answer.
        options: how.
        streamed: whether the client gets the answer as it comes.
    """

    command: str
    view: View
    title: str
    conversation: Conversation
    options: ChatOptions
    streamed: bool = True


async def answer(server: SnedServer, question: Question) -> Reply | None:
    """The model's whole answer; None when the user has cancelled it, or it failed, which the user is told.

    Raises:
        CancelledError: the client cancelled the request; writing stops.
    """
    uri = question.view.document.uri
    async with Progress(server, question.title, server.protocol.work_done_token) as progress:
        try:
            reply = await _asked(server, question, progress)
        except SnedError as error:
            _failed(server, str(error), uri)
            return None
        except Exception as error:  # noqa: BLE001 - a native engine's: it may fail in any way
            _log.exception("the engine failed")
            _failed(server, f"The engine failed ({type(error).__name__}: {error}); sned.restart starts it anew.", uri)
            return None
    if reply is None:
        reason = "was cancelled" if progress.cancelled else "was stopped, as its model was closed; ask again"
        server.status.report(Status(State.READY, f"{question.title} {reason}.", document=uri))
    else:
        server.status.report(Status(State.READY, f"{question.title} is done.", reply.model, uri))
    return reply


async def _asked(server: SnedServer, question: Question, progress: Progress) -> Reply | None:
    uri = question.view.document.uri
    server.status.report(Status(State.WORKING, f"{question.title}.", document=uri))
    progress.report("Opening the model")
    language = language_of(question.view.buffer)
    model = await asyncio.to_thread(server.sessions.chat_model, language, server.settings.chat_model)
    progress.report("Reading")
    writer = _Writer(server, question, progress)
    job = _job(model, question, writer, asyncio.get_running_loop())
    # A key of its own: neither a suggestion nor another question takes its place.
    future = model.scheduler.submit(f"{question.command} {next(_numbers)}", job, patient=True)
    writing = asyncio.wrap_future(future)
    try:
        either: list[asyncio.Future[Any]] = [writing, progress.cancellation]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    finally:
        writing.cancel()  # nothing if it has ended
    if progress.cancelled or writing.cancelled():
        return None
    return writing.result()


def _job(
    model: OpenModel, question: Question, writer: "_Writer", loop: AbstractEventLoop
) -> Callable[[Cancellation], Reply]:
    """What the inference thread does: each piece is heard in the loop's thread, before the whole answer is there.

    Suggestions come in between, as they are waited for by somebody who types.
    """

    def hear(piece: str) -> None:
        loop.call_soon_threadsafe(writer.hear, piece)
        model.scheduler.give_way()

    def hear_reading(reading: Reading) -> None:
        loop.call_soon_threadsafe(writer.hear_reading, reading)
        model.scheduler.give_way()

    def job(cancel: Cancellation) -> Reply:
        return Chat(model.engine, hear_reading).reply(
            question.conversation,
            question.options,
            cancel,
            sequence=f"{question.command} {question.view.document.uri}",
            hear=hear,
        )

    return job


class _Writer:
    """Tells the client of an answer that is being written."""

    def __init__(self, server: SnedServer, question: Question, progress: Progress) -> None:
        self._server = server
        self._question = question
        self._progress = progress
        self._pieces = 0

    def hear_reading(self, reading: Reading) -> None:
        """Tells how far the model has read."""
        if not self._progress.cancelled:
            self._progress.report(f"Reading: {reading.done} of {reading.total} tokens")

    def hear(self, piece: str) -> None:
        """Sends a piece."""
        if self._progress.cancelled:
            return
        if self._question.streamed:
            part = AnswerPart(self._progress.token, self._question.command, self._question.view.document.uri, piece)
            self._server.protocol.notify(ANSWER_METHOD, asdict(part))
        if self._pieces % _REPORT_EVERY == 0:
            self._progress.report(f"Writing: {self._pieces + 1} tokens")
        self._pieces += 1


def _failed(server: SnedServer, message: str, uri: str) -> None:
    server.status.warn(message)
    server.status.report(Status(State.FAILED, message, document=uri))
