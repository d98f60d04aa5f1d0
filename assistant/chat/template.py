"""A model's chat template: from messages to its prompt, with special tokens from the template's own text alone.

Templates are programs in Jinja that come with model files, which are untrusted: they run in Jinja's sandbox, within
bounds (`assistant.chat.rendering`). They never see what was said either. Each message's text is stood for by a mark,
and put in its place afterwards as plain text: so nothing that a user or a file says can become a special token.
"""

import re
import secrets
from collections.abc import Callable, Iterator, Sequence

from assistant.chat.rendering import RenderingError, render
from assistant.chat.types import Message, Role
from assistant.engine.protocol import ModelInfo, Segment
from assistant.errors import EngineError

# What may be the name of a special token: all families write them in angle or square brackets.
_BRACKETED = re.compile(r"<[^<>\s]{1,64}>|\[[^\[\]\s]{1,64}\]")


class ChatTemplate:
    """The template of one model."""

    def __init__(self, info: ModelInfo, has_token: Callable[[str], bool]) -> None:
        """The template in a model's file; `has_token` tells whether a special token has that name.

        Raises:
            EngineError: the model has none.
        """
        if info.chat_template is None:
            raise EngineError(
                f"{info.name} has no chat template, so it cannot answer; choose a model made to follow instructions."
            )
        self._info = info
        self._source = info.chat_template
        self._has_token = has_token

    def render(self, messages: Sequence[Message]) -> tuple[Segment, ...]:
        """The prompt after which the model writes its answer to `messages`.

        A template that takes no system message has it in front of the first message.

        Raises:
            EngineError: the template is not Jinja, fails, leaves a message out, or does not end.
        """
        messages = tuple(messages)
        if messages and messages[0].role is Role.SYSTEM:
            try:
                return self._rendered(messages)
            except EngineError:
                messages = _without_system(messages)
        return self._rendered(messages)

    def _rendered(self, messages: Sequence[Message]) -> tuple[Segment, ...]:
        nonce = secrets.token_hex(8)
        marks = [f"m{nonce}n{number}e" for number in range(len(messages))]
        output = self._output(
            [
                {"role": message.role.value, "content": mark if message.text else ""}
                for message, mark in zip(messages, marks, strict=True)
            ]
        )
        parts = re.split(f"m{nonce}n([0-9]+)e", output)
        said = {int(number) for number in parts[1::2]}
        wanted = {number for number, message in enumerate(messages) if message.text}
        if said != wanted or any(nonce in text for text in parts[::2]):
            raise self._unusable("it does not keep the messages as they are")
        return tuple(_joined(self._segments(parts, messages)))

    def _output(self, messages: list[dict[str, str]]) -> str:
        variables = {
            "messages": messages,
            "add_generation_prompt": True,
            "bos_token": self._info.bos_token,
            "eos_token": self._info.eos_token,
            "tools": None,
            "documents": None,
        }
        try:
            return render(self._source, variables)
        except RenderingError as error:
            raise self._unusable(error) from error

    def _segments(self, parts: Sequence[str], messages: Sequence[Message]) -> Iterator[Segment]:
        """The template's own text, cut at special tokens, in turn with what was said."""
        for index, part in enumerate(parts):
            if index % 2:
                yield Segment(messages[int(part)].text)
                continue
            end = 0
            for match in _BRACKETED.finditer(part):
                if self._has_token(match.group()):
                    yield Segment(part[end : match.start()])
                    yield Segment(match.group(), special=True)
                    end = match.end()
            yield Segment(part[end:])

    def _unusable(self, why: object) -> EngineError:
        return EngineError(
            f"The chat template of {self._info.name} is not usable: {why}; choose another model to chat with."
        )


def _joined(segments: Iterator[Segment]) -> Iterator[Segment]:
    """Text that stands together in one segment, as models were shown it: tokens reach over such seams."""
    text = ""
    for segment in segments:
        if not segment.special:
            text += segment.text
            continue
        if text:
            yield Segment(text)
        yield segment
        text = ""
    if text:
        yield Segment(text)


def _without_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    system, first, *others = messages
    return Message(first.role, f"{system.text}\n\n{first.text}"), *others
