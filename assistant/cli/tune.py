"""`sned tune`: searches for the recipe that suits a project and a machine."""

from pathlib import Path
from typing import Annotated, Any

import typer

from assistant.cli.options import GpuLayersOption, IgnoreMemoryOption, ProgressForm, ProgressOption, UnsafeOption
from assistant.cli.output import print_json


def tune(
    path: Annotated[Path, typer.Argument(help="The project to tune for.", show_default="the current folder")] = Path(),
    language: Annotated[str | None, typer.Option(help="python, java, cpp or javascript; its own by default.")] = None,
    base: Annotated[
        list[str] | None,
        typer.Option(help="Base model to cut from; may be repeated. Quality is a share of the first one's."),
    ] = None,
    max_bytes: Annotated[str | None, typer.Option(metavar="BYTES", help="Of the model's file, such as 350M.")] = None,
    max_latency: Annotated[
        str | None, typer.Option(metavar="SECONDS", help="To the first suggestion, with the loading.")
    ] = None,
    min_quality: Annotated[
        float | None, typer.Option(min=0.0, help="As a share of the dense model's, such as 0.9.")
    ] = None,
    budget: Annotated[
        str, typer.Option(metavar="TIME", help="Such as 30min or 2h; what was measured before takes none of it.")
    ] = "2h",
    tasks: Annotated[
        list[Path] | None,
        typer.Option("--tasks", metavar="FILE", help="Functions to write, in HumanEval-X's format: quality is pass@1."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="So many tasks, and files to predict.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Where the recipe goes.")] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Build anew, from the project as it is now, what was built before.")
    ] = False,
    unsafe: UnsafeOption = False,
    gpu_layers: GpuLayersOption = None,
    ignore_memory: IgnoreMemoryOption = False,
    progress: ProgressOption = ProgressForm.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Search for the model of best quality within limits: base models as they are, and recipes built and measured here.

    What was measured is kept: an interrupted search goes on where it was, and another begins with what is known.
    """
    from assistant.cli.evaluation_display import display
    from assistant.cli.interruptible import interruptible
    from assistant.evaluation.matrix import Listener
    from assistant.evaluation.request import EvaluationRequest
    from assistant.tuning.limits import Limits, parse_bytes, parse_seconds
    from assistant.tuning.tuning import TuningRequest
    from assistant.tuning.tuning import tune as search

    request = TuningRequest(
        project=path,
        language=language,
        bases=tuple(base or ()),
        limits=Limits(
            None if max_bytes is None else parse_bytes(max_bytes),
            None if max_latency is None else parse_seconds(max_latency),
            min_quality,
        ),
        budget=parse_seconds(budget),
        evaluation=EvaluationRequest(
            tasks=tuple(tasks or ()),
            limit=limit,
            again=again,
            unsafe=unsafe,
            gpu_layers=gpu_layers,
            check_memory=not ignore_memory,
        ),
        out=out,
    )
    with display(progress) as shown:
        answer: dict[str, Any] = interruptible(
            lambda cancel: search(request, Listener(shown.advanced, shown.building, shown.note, cancel))
        )
    if as_json:
        print_json(answer)
    else:
        _print(answer, path)


def _print(answer: dict[str, Any], path: Path) -> None:
    from assistant.cli.evaluation_tables import print_candidates

    print_candidates(answer)
    recommended = answer["recommended"]
    if not answer["complete"]:
        print("\nTime was up before the search was through; the same command goes on.")
        if recommended is None:
            print("Nothing that keeps to the limits was measured by then.")
    elif recommended is None:
        print("\nNothing keeps to the limits; the table says why. Raise one, or fetch a smaller base model.")
    if recommended is None:
        return
    print(f"\nRecommended: {recommended['candidate']}, {recommended['bytes'] / 1e6:,.0f} MB.")
    searched = "these limits" if answer["complete"] else "what was measured so far"
    if answer["file"] is not None:
        print(f"No pruning is better within {searched}. Keep it with: sned import {answer['file']}")
    elif answer["recipe_file"] is None:
        print(f"No pruning is better within {searched} than the base model as it is.")
    else:
        print(f"Build it with: sned build {path} --base {recommended['base']} --recipe {answer['recipe_file']}")
