"""One answer on standard output, for `sned chat --prompt`."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.chat.attaching import CHATTING, of_changes, of_file, of_input
from assistant.chat.changes import git_diff
from assistant.chat.chat import Chat
from assistant.chat.types import Attachment, ChatOptions, Conversation, Message, Reply, Role
from assistant.chat.visible import visible
from assistant.cli.interruptible import interruptible
from assistant.cli.output import print_json
from assistant.cli.reading_line import ReadingLine
from assistant.detection import detect
from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import StopReason
from assistant.errors import UsageError
from assistant.selection import Selection, open_model, select_model
from assistant.settings import Settings, load_settings
from assistant.source_file import decode_source, read_source


@dataclass(frozen=True, slots=True)
class OneAnswer:
    """What is asked, of which model, with what to read.

    Attributes:
        prompt: the question.
        project: the folder whose language chooses the model, and whose diff is meant.
        model: the model's name; chosen by the project's language when None.
        system: the system prompt; the program's own when None.
        files: what to read.
        diff: whether to read the project's changes.
        piped: bytes from standard input; None when that is a terminal.
        options: how to answer.
        gpu_layers: `auto` or a number; the setting when None.
        check_memory: refuse a model that does not fit.
    """

    prompt: str
    project: Path
    model: str | None
    system: str | None
    files: tuple[Path, ...]
    diff: bool
    piped: bytes | None
    options: ChatOptions
    gpu_layers: str | None
    check_memory: bool


@dataclass(frozen=True, slots=True)
class _Seconds:
    load: float
    first_text: float | None
    total: float


def answer_once(asked: OneAnswer, *, as_json: bool) -> None:
    """Writes the answer as it comes, or when it is whole as JSON.

    Raises:
        SnedError: the question cannot be answered.
        KeyboardInterrupt: the user stopped it.
    """
    conversation = _conversation(asked)
    settings = load_settings()
    selection = _selection(asked, settings)
    if selection.notice:
        print(f"sned: {selection.notice}", file=sys.stderr)
    reply, seconds, backend = interruptible(
        lambda cancel: _answered(asked, selection, settings, conversation, cancel, as_json)
    )
    if reply.notice:
        print(f"sned: {reply.notice}", file=sys.stderr)
    if as_json:
        print_json(_as_dict(reply, seconds, backend))
    else:
        _summarise(reply, seconds)


def _answered(
    asked: OneAnswer,
    selection: Selection,
    settings: Settings,
    conversation: Conversation,
    cancel: Cancellation,
    as_json: bool,
) -> tuple[Reply, _Seconds, str]:
    started = time.perf_counter()
    engine = open_model(selection, settings, gpu_layers=asked.gpu_layers, check_memory=asked.check_memory)
    try:
        loaded = time.perf_counter()
        line = ReadingLine(silent=as_json)
        writer = _Writer(line, silent=as_json)
        try:
            chat = Chat(engine, line.hear if line.shows else None)
            reply = chat.reply(conversation, asked.options, cancel, hear=writer.hear)
        finally:
            line.clear()
        writer.end()
    finally:
        engine.close()
    first = None if writer.first is None else writer.first - loaded
    return reply, _Seconds(loaded - started, first, time.perf_counter() - started), engine.info.backend


class _Writer:
    """Writes pieces to standard output; on a terminal, without what would steer it."""

    def __init__(self, line: ReadingLine, *, silent: bool) -> None:
        self._line = line
        self.first: float | None = None
        self._silent = silent
        self._on_terminal = sys.stdout.isatty()
        self._ends_line = True

    def hear(self, piece: str) -> None:
        if self.first is None:
            self.first = time.perf_counter()
            self._line.clear()
        if not self._silent:
            sys.stdout.write(visible(piece) if self._on_terminal else piece)
            sys.stdout.flush()
            self._ends_line = piece.endswith("\n")

    def end(self) -> None:
        if not self._silent and not self._ends_line:
            sys.stdout.write("\n")
            sys.stdout.flush()


def _conversation(asked: OneAnswer) -> Conversation:
    if not asked.prompt.strip():
        raise UsageError("The prompt is empty; write what you want to know.")
    read = [of_file(path.as_posix(), read_source(path)) for path in asked.files]
    read += _of_project(asked)
    if asked.piped is not None and (text := decode_source(asked.piped, "standard input")).strip():
        read.append(of_input(text))
    return Conversation(asked.system or CHATTING, (Message(Role.USER, asked.prompt),), tuple(read))


def _of_project(asked: OneAnswer) -> list[Attachment]:
    return [of_changes(git_diff(asked.project))] if asked.diff else []


def _selection(asked: OneAnswer, settings: Settings) -> Selection:
    language = None if asked.model is not None else detect(asked.project).submodel_language
    return select_model(settings, language, asked.model)


def _as_dict(reply: Reply, seconds: _Seconds, backend: str) -> dict[str, Any]:
    usage = reply.usage
    return {
        "text": reply.text,
        "model": reply.model,
        "backend": backend,
        "finished": usage.stop_reason is StopReason.END_TOKEN,
        "stop_reason": usage.stop_reason.value,
        "notice": reply.notice,
        "tokens": {
            "prompt": usage.prompt_tokens,
            "cached": usage.cached_tokens,
            "completion": usage.completion_tokens,
        },
        "tokens_per_second": {"prefill": round(usage.prefill_rate, 2), "decode": round(usage.decode_rate, 2)},
        "seconds": {
            "load": round(seconds.load, 4),
            "first_text": None if seconds.first_text is None else round(seconds.first_text, 4),
            "total": round(seconds.total, 4),
        },
    }


def _summarise(reply: Reply, seconds: _Seconds) -> None:
    usage = reply.usage
    if usage.stop_reason is not StopReason.END_TOKEN:
        reason = usage.stop_reason.value.replace("-", " ")
        print(f"sned: the answer is unfinished ({reason}); --max-tokens allows a longer one.", file=sys.stderr)
    print(
        f"sned: {reply.model}, {seconds.total:.2f} s, {seconds.load:.2f} s of them to load; "
        f"prefill {usage.prompt_tokens} tokens at {usage.prefill_rate:.0f} tokens/s, "
        f"decode {usage.completion_tokens} at {usage.decode_rate:.0f} tokens/s.",
        file=sys.stderr,
    )
