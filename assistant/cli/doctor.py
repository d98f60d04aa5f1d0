"""`sned doctor`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli.options import GpuLayersOption, ModelOption
from assistant.cli.output import print_json

if TYPE_CHECKING:
    from assistant.doctor import Check


def doctor(
    project: Annotated[Path, typer.Argument(help="The project's folder; its language chooses the model.")] = Path(),
    model: ModelOption = None,
    gpu_layers: GpuLayersOption = None,
    build: Annotated[
        bool, typer.Option("--build", help="Compile the native libraries first, which make pruned models faster.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Check that everything sned needs is here, and complete a known line with the current model.

    Each problem comes with what to do about it. The exit status is 1 if a check failed, 0 otherwise.
    """
    from assistant.doctor import Request, Status, examine

    if build:
        from assistant import native_libraries

        if missing := native_libraries.build():
            typer.echo(missing, err=True)
    checks = []
    for check in examine(Request(project, model, gpu_layers)):
        checks.append(check)
        if not as_json:
            _show(check)
    failed = any(check.status is Status.FAIL for check in checks)
    if as_json:
        print_json(
            {
                "ok": not failed,
                "checks": [
                    {
                        "name": check.name,
                        "status": check.status.value,
                        "found": check.found,
                        "remedy": check.remedy or None,
                    }
                    for check in checks
                ],
            }
        )
    if failed:
        raise typer.Exit(1)


def _show(check: "Check") -> None:
    from rich.console import Console
    from rich.text import Text

    style = {"pass": "green", "warn": "yellow", "fail": "bold red"}[check.status.value]
    line = Text(f"{check.status.value:4}  ", style=style)
    line.append(f"{check.name:14}", style="bold")
    line.append(check.found, style="none")
    console = Console(highlight=False, soft_wrap=True)
    console.print(line)
    if check.remedy:
        console.print(Text(f"{'':20}{check.remedy}", style="none"))
