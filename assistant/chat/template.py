"""A model's chat template: from messages to its prompt, with special tokens from the template's own text alone.

Templates are programs in Jinja that come with model files, which are untrusted: they run in Jinja's sandbox, and their
output is bounded. They never see what was said either. Each message's text is stood for by a mark, and put in its place
afterwards as plain text: so nothing that a user or a file says can become a special token.
"""

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from json import dumps
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from assistant.chat.types import Message, Role
from assistant.engine.protocol import ModelInfo, Segment
from assistant.errors import EngineError

# Templates write some tens of characters around a message; one that writes so much more does not end.
_MAX_OUTPUT = 1_000_000

# What may be the name of a special token: all families write them in angle or square brackets.
_BRACKETED = re.compile(r"<[^<>\s]{1,64}>|\[[^\[\]\s]{1,64}\]")


class ChatTemplate:
    """The template of one model."""

    def __init__(self, info: ModelInfo, has_token: Callable[[str], bool]) -> None:
        """The template in a model's file; `has_token` tells whether a special token has that name.

        Raises:
            EngineError: the model has none, or it is not Jinja.
        """
        if info.chat_template is None:
            raise EngineError(
                f"{info.name} has no chat template, so it cannot answer; choose a model made to follow instructions."
            )
        self._info = info
        self._has_token = has_token
        try:
            self._template = _environment().from_string(info.chat_template)
        except TemplateError as error:
            raise self._unusable(error) from error

    def render(self, messages: Sequence[Message]) -> tuple[Segment, ...]:
        """The prompt after which the model writes its answer to `messages`.

        A template that takes no system message has it in front of the first message.

        Raises:
            EngineError: the template fails, leaves a message out, or does not end.
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
        output: list[str] = []
        length = 0
        try:
            for text in self._template.generate(
                messages=messages,
                add_generation_prompt=True,
                bos_token=self._info.bos_token,
                eos_token=self._info.eos_token,
                tools=None,
                documents=None,
            ):
                output.append(text)
                length += len(text)
                if length > _MAX_OUTPUT:
                    break
        except Exception as error:  # a program's: it may fail in any way
            raise self._unusable(error) from error
        if length > _MAX_OUTPUT:
            raise self._unusable("it does not end")
        return "".join(output)

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


def _environment() -> ImmutableSandboxedEnvironment:
    """What chat templates expect to run in: as Hugging Face's transformers gives it."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
    return environment


def _to_json(value: Any, indent: int | None = None) -> str:
    # Jinja's own is made for HTML.
    return dumps(value, ensure_ascii=False, indent=indent)


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)
