"""`sned complete`."""

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assistant.cli.options import (
    GpuLayersOption,
    IgnoreMemoryOption,
    ModelOption,
    NoSparseBackendOption,
    without_sparse_backend,
)
from assistant.cli.output import print_json
from assistant.filters import Lines

if TYPE_CHECKING:
    from assistant.completion import Completion
    from assistant.engine.cancellation import Cancellation

_CONTEXT_LINES = 3


def complete(
    position: Annotated[
        str,
        typer.Argument(
            metavar="FILE:LINE:COLUMN",
            help="The cursor; line and column are counted from 1, columns in characters (Unicode code points).",
        ),
    ],
    stdin: Annotated[
        bool,
        typer.Option("--stdin", help="Take the text from standard input; FILE still tells its language."),
    ] = False,
    model: ModelOption = None,
    lines: Annotated[
        Lines, typer.Option(help="How many lines to complete; auto is one where the line has code already.")
    ] = Lines.AUTO,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens of new text, at most.")] = 128,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 takes the likeliest token, always the same.")] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="For temperatures above 0.")] = 0,
    gpu_layers: GpuLayersOption = None,
    no_sparse_backend: NoSparseBackendOption = False,
    ignore_memory: IgnoreMemoryOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON, with tokens, speeds and times.")] = False,
) -> None:
    """Complete the code at a position in a file.

    Writes the text to insert there; on a terminal, with the lines around it. A summary goes to standard error.
    """
    from assistant.cli.interruptible import interruptible
    from assistant.completion import Completer, CompletionOptions, Place
    from assistant.fim import find_fim_tokens
    from assistant.grammars import grammar_of
    from assistant.positions import parse_position, split_at
    from assistant.selection import language_of_file, open_model, select_model
    from assistant.settings import load_settings
    from assistant.source_file import decode_source, read_source

    options = CompletionOptions(lines=lines, max_tokens=max_tokens, temperature=temperature, seed=seed)
    place = parse_position(position)
    grammar = grammar_of(path=place.path)
    text = decode_source(sys.stdin.buffer.read(), "standard input") if stdin else read_source(place.path)
    before, after = split_at(text, place)
    if no_sparse_backend:
        without_sparse_backend()
    settings = load_settings()
    selection = select_model(settings, language_of_file(place.path), model)
    if selection.notice:
        print(f"sned: {selection.notice}", file=sys.stderr)

    def load_and_complete(cancel: "Cancellation") -> "tuple[Completion, float, str]":
        started = time.perf_counter()
        engine = open_model(selection, settings, gpu_layers=gpu_layers, check_memory=not ignore_memory)
        load_seconds = time.perf_counter() - started
        try:
            completer = Completer(engine, find_fim_tokens(engine, selection.fim).once())
            completion = completer.complete(before, after, options, cancel, Place(grammar))
            return completion, load_seconds, engine.info.backend
        finally:
            engine.close()

    completion, load_seconds, backend = interruptible(load_and_complete)
    if as_json:
        print_json(_as_dict(completion, load_seconds, backend))
    else:
        _show(completion, before, after, load_seconds)


def _as_dict(completion: "Completion", load_seconds: float, backend: str) -> dict[str, Any]:
    usage, first = completion.usage, completion.first_text_seconds
    return {
        "text": completion.text,
        "model": completion.model,
        "backend": backend,
        "stop_reason": completion.ending.value,
        "refusal": None if completion.refusal is None else completion.refusal.value,
        "tokens": {
            "prompt": usage.prompt_tokens,
            "cached": usage.cached_tokens,
            "completion": usage.completion_tokens,
        },
        "tokens_per_second": {
            "prefill": round(usage.prefill_rate, 2),
            "decode": round(usage.decode_rate, 2),
        },
        "seconds": {
            "load": round(load_seconds, 4),
            "first_text": None if first is None else round(first, 4),
            "completion": round(completion.seconds, 4),
            "total": round(load_seconds + completion.seconds, 4),
        },
    }


def _show(completion: "Completion", before: str, after: str, load_seconds: float) -> None:
    if sys.stdout.isatty():
        _show_in_context(completion.text, before, after)
    else:
        sys.stdout.write(completion.text + "\n")
    if completion.refusal is not None:
        print(f"sned: {completion.refusal.value}", file=sys.stderr)
    usage = completion.usage
    print(
        f"sned: {completion.model}, {completion.seconds:.2f} s and {load_seconds:.2f} s to load; "
        f"prefill {usage.prompt_tokens} tokens ({usage.cached_tokens} cached) at {usage.prefill_rate:.0f} tokens/s, "
        f"decode {usage.completion_tokens} at {usage.decode_rate:.0f} tokens/s.",
        file=sys.stderr,
    )


def _show_in_context(text: str, before: str, after: str) -> None:
    from rich.console import Console
    from rich.text import Text

    head = before.splitlines(keepends=True)[-_CONTEXT_LINES:]
    tail = after.splitlines(keepends=True)[:_CONTEXT_LINES]
    shown = Text(_printable("".join(head)), style="dim")
    shown.append(_printable(text), style="not dim bold green")
    shown.append(_printable("".join(tail)).rstrip("\n"))
    Console(highlight=False, soft_wrap=True).print(shown)


def _printable(text: str) -> str:
    # A file or a model may hold control characters that would steer the terminal.
    unix = text.replace("\r\n", "\n")
    return "".join(character if character.isprintable() or character in "\n\t" else "\ufffd" for character in unix)
