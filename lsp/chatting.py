"""`sned.explain` and `sned.chat`: answers about what is selected, in Markdown."""

from typing import Any

from lsprotocol import types
from pydantic import TypeAdapter, ValidationError
from pygls.exceptions import JsonRpcInvalidParams

from assistant.chat.requests import Excerpt, ask, explain
from assistant.chat.types import ChatOptions, Message, Reply, Role
from assistant.engine.protocol import StopReason
from assistant.validation import readable
from lsp.answering import Question, answer
from lsp.buffers import View, folder_of
from lsp.server import SnedServer

_MESSAGES = TypeAdapter(tuple[Message, ...])


async def explain_selection(server: SnedServer, uri: str, where: types.Range) -> dict[str, Any] | None:
    """What the selected code does; None when the user was told why there is no answer."""
    view, excerpt = _selected(server, uri, where)
    if view is None or excerpt is None:
        return None
    question = Question("sned.explain", view, "Explaining the selection", explain(excerpt), ChatOptions())
    return _result(await answer(server, question))


async def chat(server: SnedServer, uri: str, where: types.Range, question: str, *earlier: Any) -> dict[str, Any] | None:
    """The answer to a question about the selected code; None when the user was told why there is none.

    `earlier` is a list of the messages before, each with `role` (`user` or `assistant`) and `text`.
    """
    messages = _earlier(earlier)
    view, excerpt = _selected(server, uri, where)
    if view is None or excerpt is None:
        return None
    if not question.strip():
        server.status.warn("The question is empty; write what you want to know of the selection.")
        return None
    conversation = ask(excerpt, question, messages)
    return _result(await answer(server, Question("sned.chat", view, "Answering", conversation, ChatOptions())))


def excerpt_of(server: SnedServer, view: View, begin: int, end: int) -> Excerpt:
    """The stretch of a document between two offsets, with what the document is called in its folder."""
    text, path = view.document.source, view.buffer.path
    folder = folder_of(server.workspace, view.buffer)
    name = view.buffer.uri.rpartition("/")[2]
    if path is not None:
        name = path.relative_to(folder).as_posix() if folder is not None else path.name
    return Excerpt(name, view.buffer.language_id, text[:begin], text[begin:end], text[end:])


def _selected(server: SnedServer, uri: str, where: types.Range) -> tuple[View | None, Excerpt | None]:
    """The document and what is selected of it; None, with a warning, for what is not there."""
    view = server.view(uri)
    if view is None:
        server.status.warn(f"{uri} is not open; open it and select what you want to ask about.")
        return None, None
    offsets = sorted(map(view.document.offset_at_position, (where.start, where.end)))
    excerpt = excerpt_of(server, view, *offsets)
    if not excerpt.text.strip():
        server.status.warn("No code is selected; select what you want to ask about.")
        return view, None
    return view, excerpt


def _earlier(given: tuple[Any, ...]) -> tuple[Message, ...]:
    """The messages of a client, checked: the user's and the model's in turn.

    Raises:
        JsonRpcInvalidParams: they are not.
    """
    if len(given) > 1:
        raise JsonRpcInvalidParams.of(f"sned.chat takes 3 or 4 arguments, got {3 + len(given)}")
    try:
        messages = _MESSAGES.validate_python(given[0] if given else ())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise JsonRpcInvalidParams.of(
            f"the earlier messages are not usable: {place}: {readable(first['msg'])} (got {first['input']!r})"
        ) from error
    roles = [message.role for message in messages]
    if roles != [Role.USER, Role.ASSISTANT] * (len(roles) // 2):
        raise JsonRpcInvalidParams.of(
            f"the earlier messages have to be the user's and the assistant's in turn, and are {', '.join(roles)}"
        )
    return messages


def _result(reply: Reply | None) -> dict[str, Any] | None:
    if reply is None:
        return None
    return {
        "text": reply.text,
        "finished": reply.usage.stop_reason is StopReason.END_TOKEN,
        "model": reply.model,
        "notice": reply.notice,
    }
