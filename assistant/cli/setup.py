"""`sned setup`: an editor's configuration."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli.output import print_json

if TYPE_CHECKING:
    from assistant.editors.setups import Setup


def setup(
    editor: Annotated[str, typer.Argument(help="neovim, vscode, helix, emacs, vim, sublime or kate.")],
    write: Annotated[
        bool, typer.Option("--write", help="Write it where the editor looks for it, after asking.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON: each file's place and text.")] = False,
) -> None:
    """Print how an editor is told of sned, or write it there.

    A file that is there is never overwritten: it is added to, with a backup beside, or left to you.
    """
    from assistant.editors.setups import find_setup
    from assistant.errors import UsageError

    chosen = find_setup(editor)
    if yes and not write:
        raise UsageError("--yes answers what --write asks; give both.")
    if write:
        _write(chosen, yes=yes, as_json=as_json)
    elif as_json:
        print_json({"editor": chosen.name, "files": _listed(chosen), "notes": chosen.notes})
    else:
        _print(chosen)


def _print(chosen: "Setup") -> None:
    for path, text in chosen.files():
        print(f"sned: for {path}:", file=sys.stderr)
        sys.stdout.write(text)
    print(f"sned: {chosen.notes} sned setup {chosen.name} --write writes it.", file=sys.stderr)


def _write(chosen: "Setup", *, yes: bool, as_json: bool) -> None:
    from assistant.editors.writing import plan, write

    steps, written = plan(chosen), []
    for step in steps:
        question = f"Create {step.path}?" if step.action == "create" else f"Add to {step.path}?"
        if yes or typer.confirm(question, err=True):
            write(step)
            written.append(step)
    if as_json:
        print_json({"editor": chosen.name, "written": [str(step.path) for step in written], "notes": chosen.notes})
        return
    for step in written:
        kept = f" (as it was: {step.backup})" if step.action == "add" else ""
        print(f"Wrote {step.path}{kept}.")
    if len(written) == len(steps):
        print(f"{chosen.title} is set up. {chosen.notes}" if steps else f"{chosen.title} is set up already.")
    else:
        print(f"{chosen.title} is not set up: you refused {len(steps) - len(written)} of {len(steps)} files.")


def _listed(chosen: "Setup") -> list[dict[str, str]]:
    return [{"path": str(path), "text": text} for path, text in chosen.files()]
