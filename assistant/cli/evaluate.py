"""`sned eval`: what a model is worth, measured here."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assistant.cli.options import (
    GpuLayersOption,
    IgnoreMemoryOption,
    NoSparseBackendOption,
    ProgressForm,
    ProgressOption,
    UnsafeOption,
    without_sparse_backend,
)
from assistant.cli.output import print_json
from assistant.errors import UsageError
from assistant.recipe import DEFAULT_RECIPE

if TYPE_CHECKING:
    from assistant.evaluation.request import EvaluationRequest


class OrderChoice(StrEnum):
    """Orders of infilling's prompts, as `gaps.Order` has them."""

    PREFIX_FIRST = "prefix-first"
    SUFFIX_FIRST = "suffix-first"
    SERVER = "server"


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
            help="Models (names of the store, or .gguf files), compared with the first one; and a project's folder, "
            "whose files that are held out of calibration are completed.",
        ),
    ] = None,
    tasks: Annotated[
        list[Path] | None,
        typer.Option("--tasks", metavar="FILE", help="Functions to write, in HumanEval-X's format; may be repeated."),
    ] = None,
    infilling: Annotated[
        list[Path] | None,
        typer.Option("--infilling", metavar="FILE", help="Functions to fill in, in HumanEval-Infilling's format."),
    ] = None,
    order: Annotated[
        list[OrderChoice] | None, typer.Option(help="Of infilling's prompts; all three by default.")
    ] = None,
    perplexity: Annotated[
        bool, typer.Option("--perplexity", help="Have held-out code found on this machine predicted.")
    ] = False,
    cost: Annotated[bool, typer.Option("--cost", help="Measure memory, loading, and tokens a second.")] = False,
    turns: Annotated[int, typer.Option(min=1, help="Turns of --cost; medians count.")] = 5,
    language: Annotated[str | None, typer.Option(help="The project's, or of --perplexity.")] = None,
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
        int | None,
        typer.Option(min=1, help="So many tasks of each file, or files of the project, the same ones each time."),
    ] = None,
    matrix: Annotated[
        bool,
        typer.Option(
            "--matrix",
            help="Build and measure the table of four languages by the dense model, each language's sub-model and one "
            "of all; perplexity, and --tasks if given.",
        ),
    ] = False,
    recipe: Annotated[
        str | None,
        typer.Option(
            help="Of --matrix's sub-models: fast, balanced, best, trimmed, or a TOML file.", show_default=DEFAULT_RECIPE
        ),
    ] = None,
    base: Annotated[str | None, typer.Option(help="Base model of --matrix; see sned models.")] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Run the tasks' own solutions instead; no model is needed.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Measure anew what was measured before.")] = False,
    measured: Annotated[
        bool, typer.Option("--measured", help="Measure nothing, and tell what was measured before.")
    ] = False,
    unsafe: UnsafeOption = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with tables and plots.")] = None,
    gpu_layers: GpuLayersOption = None,
    no_sparse_backend: NoSparseBackendOption = False,
    ignore_memory: IgnoreMemoryOption = False,
    progress: ProgressOption = ProgressForm.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Measure models on this machine: whether what they write is right, and what it costs.

    Results are kept as they come: an interrupted measurement goes on where it was.
    """
    from assistant.evaluation.functions import Asking, FunctionOptions
    from assistant.evaluation.gaps import Order
    from assistant.evaluation.request import EvaluationRequest

    if no_sparse_backend:
        without_sparse_backend()
    if temperature is None:
        temperature = 0.0 if samples == 1 else 0.8
    if samples > 1 and temperature == 0:
        raise UsageError("At temperature 0 all samples are the same; leave --samples out, or raise --temperature.")
    askings = [Asking.COMPLETION, Asking.CHAT] if asking is AskingChoice.BOTH else [Asking(asking.value)]
    folders = [Path(each) for each in what or () if Path(each).is_dir()]
    if len(folders) > 1:
        raise UsageError(f"{', '.join(map(str, folders))} are several folders; a project is one.")
    request = EvaluationRequest(
        models=tuple(each for each in what or () if not Path(each).is_dir()),
        project=folders[0] if folders else None,
        language=language,
        tasks=tuple(tasks or ()),
        functions=tuple(
            FunctionOptions(each, samples, temperature, seed=seed, max_tokens=max_tokens) for each in askings
        ),
        infilling=tuple(infilling or ()),
        orders=tuple(Order(each.value) for each in order) if order else tuple(Order),
        perplexity=perplexity,
        turns=turns if cost else 0,
        limit=limit,
        seed=seed,
        again=again,
        only_kept=measured,
        unsafe=unsafe,
        gpu_layers=gpu_layers,
        check_memory=not ignore_memory,
    )
    if again and measured:
        raise UsageError("--again measures anew, and --measured measures nothing; choose one.")
    if matrix and (what or check or infilling or cost or language):
        raise UsageError(
            "--matrix makes its own models in all languages; give it --tasks, --recipe and --base, and measure other "
            "things apart."
        )
    if not matrix and (recipe is not None or base is not None):
        raise UsageError("--recipe and --base are of --matrix; name models to measure them as they are.")
    if matrix:
        _measure_matrix(request, recipe or DEFAULT_RECIPE, base, progress, html, as_json=as_json)
    elif check:
        _check(request, progress, as_json)
    else:
        _measure(request, progress, html, as_json=as_json)


def _check(request: "EvaluationRequest", progress: ProgressForm, as_json: bool) -> None:
    from assistant.cli.evaluation_display import display
    from assistant.evaluation.running import checked

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


def _measure(request: "EvaluationRequest", progress: ProgressForm, html: Path | None, *, as_json: bool) -> None:
    from assistant.cli.evaluation_display import display
    from assistant.cli.evaluation_tables import print_report
    from assistant.cli.interruptible import interruptible
    from assistant.evaluation.running import evaluated

    with display(progress) as shown:
        answer: dict[str, Any] = interruptible(lambda cancel: evaluated(request, shown.advanced, shown.note, cancel))
    _tell(answer, html, as_json=as_json)
    if not as_json:
        print_report(answer)


def _measure_matrix(
    request: "EvaluationRequest",
    recipe: str,
    base: str | None,
    progress: ProgressForm,
    html: Path | None,
    *,
    as_json: bool,
) -> None:
    from assistant.cli.evaluation_display import display
    from assistant.cli.evaluation_tables import print_matrix
    from assistant.cli.interruptible import interruptible
    from assistant.evaluation.matrix import Listener, MatrixRequest, matrix
    from assistant.recipe_files import recipe_called

    asked = MatrixRequest(request, recipe_called(recipe, {}), base)
    with display(progress) as shown:
        answer: dict[str, Any] = interruptible(
            lambda cancel: matrix(asked, Listener(shown.advanced, shown.building, shown.note, cancel))
        )
    _tell(answer, html, as_json=as_json)
    if not as_json:
        print_matrix(answer)


def _tell(answer: dict[str, Any], html: Path | None, *, as_json: bool) -> None:
    """The page and the JSON, where they are asked for."""
    if html is not None:
        from assistant.durable import write_text
        from assistant.evaluation.page import page

        write_text(html, page(answer))
    if as_json:
        print_json(answer)
