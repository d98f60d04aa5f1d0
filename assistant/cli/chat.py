"""`sned chat`: talks with a model, in the terminal or for one answer on standard output."""

from pathlib import Path
from typing import Annotated

import typer

from assistant.cli.options import (
    GpuLayersOption,
    IgnoreMemoryOption,
    ModelOption,
    NoSparseBackendOption,
    without_sparse_backend,
)


def chat(
    prompt: Annotated[
        str | None,
        typer.Option(
            "--prompt", "-p", help="Answer this on standard output; what is piped in is given to the model with it."
        ),
    ] = None,
    model: ModelOption = None,
    project: Annotated[
        Path, typer.Option(help="The project that is talked about.", show_default="the current folder")
    ] = Path(),
    attach: Annotated[
        list[Path] | None, typer.Option("--attach", "-a", metavar="FILE", help="A file to read; may be repeated.")
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Attach the project's git diff.")] = False,
    system: Annotated[str | None, typer.Option(help="The system prompt: how the model is to answer.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Tokens of an answer, at most.")] = 1024,
    temperature: Annotated[float, typer.Option(min=0.0, help="0 takes the likeliest token, always the same.")] = 0.5,
    seed: Annotated[int, typer.Option(min=0, help="For temperatures above 0.")] = 0,
    resume: Annotated[bool, typer.Option("--continue", "-c", help="Go on with the project's last session.")] = False,
    theme: Annotated[str | None, typer.Option(help="dark, light or the name of a theme of Textual's.")] = None,
    inline: Annotated[bool, typer.Option("--inline", help="Chat under the shell's prompt, not on the screen.")] = False,
    gpu_layers: GpuLayersOption = None,
    no_sparse_backend: NoSparseBackendOption = False,
    ignore_memory: IgnoreMemoryOption = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --prompt: answer as JSON, with tokens, speeds and times.")
    ] = False,
) -> None:
    """Ask a model about the project's code, offline.

    With --prompt the answer goes to standard output as it is written, and a summary to standard error.
    """
    from assistant.errors import UsageError

    if not project.is_dir():
        raise UsageError(f"There is no folder {project}; give the project's folder with --project.")
    if no_sparse_backend:
        without_sparse_backend()
    if prompt is None:
        if as_json:
            raise UsageError("--json is for one answer; give its question with --prompt.")
        from tui.opening import Opening
        from tui.start import start

        opening = Opening(model=model, system=system, files=tuple(attach or ()), diff=diff, resume=resume)
        raise typer.Exit(start(project, opening, theme=theme, inline=inline))
    if inline or resume or theme:
        raise UsageError("--inline, --continue and --theme are for the screen; leave out --prompt, or them.")
    from assistant.chat.types import ChatOptions
    from assistant.cli.chat_answer import OneAnswer, answer_once
    from assistant.cli.piped import read_piped

    asked = OneAnswer(
        prompt=prompt,
        project=project,
        model=model,
        system=system,
        files=tuple(attach or ()),
        diff=diff,
        piped=read_piped(),
        options=ChatOptions(max_tokens=max_tokens, temperature=temperature, seed=seed),
        gpu_layers=gpu_layers,
        check_memory=not ignore_memory,
    )
    answer_once(asked, as_json=as_json)
