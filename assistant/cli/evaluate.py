"""`sned eval`: what a model is worth, measured here."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assistant.cli.options import GpuLayersOption, IgnoreMemoryOption, ProgressForm, ProgressOption
from assistant.cli.output import print_json
from assistant.errors import UsageError

if TYPE_CHECKING:
    from assistant.evaluation.request import EvaluationRequest


class AskingChoice(StrEnum):
    """How models are asked for functions."""

    COMPLETION = "completion"
    CHAT = "chat"
    BOTH = "both"


def evaluate(
    what: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL|FOLDER]...",
            help="Models (names of the store, or .gguf files), compared with the first one.",
        ),
    ] = None,
    tasks: Annotated[
        list[Path] | None,
        typer.Option("--tasks", metavar="FILE", help="Functions to write, in HumanEval-X's format; may be repeated."),
    ] = None,
    asking: Annotated[
        AskingChoice, typer.Option("--as", help="How functions are asked for.")
    ] = AskingChoice.COMPLETION,
    samples: Annotated[int, typer.Option(min=1, help="Programs a task; pass@k needs k of them.")] = 1,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, help="0 is greedy; 0 for one sample and 0.8 for more by default.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="For temperatures above 0, and for what is masked.")] = 0,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens of a program, at most.")] = 512,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Take so many tasks of each file, the same ones each time.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Run the tasks' own solutions instead; no model is needed.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Measure anew what was measured before.")] = False,
    unsafe: Annotated[
        bool,
        typer.Option(
            "--unsafe-without-sandbox", help="Run models' programs under your account where there is no sandbox."
        ),
    ] = False,
    gpu_layers: GpuLayersOption = None,
    ignore_memory: IgnoreMemoryOption = False,
    progress: ProgressOption = ProgressForm.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Measure models on this machine: whether what they write is right, and what it costs.

    Results are kept as they come: an interrupted measurement goes on where it was.
    """
    from assistant.evaluation.functions import Asking, FunctionOptions
    from assistant.evaluation.request import EvaluationRequest

    if temperature is None:
        temperature = 0.0 if samples == 1 else 0.8
    if samples > 1 and temperature == 0:
        raise UsageError("At temperature 0 all samples are the same; leave --samples out, or raise --temperature.")
    askings = [Asking.COMPLETION, Asking.CHAT] if asking is AskingChoice.BOTH else [Asking(asking.value)]
    request = EvaluationRequest(
        what=tuple(what or ()),
        tasks=tuple(tasks or ()),
        functions=tuple(
            FunctionOptions(each, samples, temperature, seed=seed, max_tokens=max_tokens) for each in askings
        ),
        limit=limit,
        seed=seed,
        again=again,
        unsafe=unsafe,
        gpu_layers=gpu_layers,
        check_memory=not ignore_memory,
    )
    if check:
        _check(request, progress, as_json)
    else:
        _measure(request, progress, as_json)


def _check(request: "EvaluationRequest", progress: ProgressForm, as_json: bool) -> None:
    from assistant.cli.evaluation_display import display
    from assistant.evaluation.request import checked

    with display(progress) as shown:
        answer = checked(request, shown.advanced, shown.note)
    if as_json:
        print_json(answer)
    else:
        for file in answer["files"]:
            if "skipped" in file:
                print(f"{file['tasks']}: skipped: {file['skipped']}")
                continue
            print(f"{file['tasks']}: {file['passed']} of {file['count']} solutions pass ({file['toolchain']})")
            for failure in file["failed"]:
                print(f"  {failure['task']}: {failure['outcome']}: {failure['reason']}")
    if any(file.get("failed") for file in answer["files"]):
        raise typer.Exit(1)


def _measure(request: "EvaluationRequest", progress: ProgressForm, as_json: bool) -> None:
    from assistant.cli.evaluation_display import display
    from assistant.cli.evaluation_tables import print_report
    from assistant.cli.interruptible import interruptible
    from assistant.evaluation.request import evaluated

    with display(progress) as shown:
        answer: dict[str, Any] = interruptible(lambda cancel: evaluated(request, shown.advanced, shown.note, cancel))
    if as_json:
        print_json(answer)
    else:
        print_report(answer)
