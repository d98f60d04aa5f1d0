"""The `sned` command: joins the subcommands, and turns errors into a message and an exit status."""

import errno
import logging
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from assistant.cli.build import build
from assistant.cli.chat import chat
from assistant.cli.complete import complete
from assistant.cli.detect import detect
from assistant.cli.doctor import doctor
from assistant.cli.evaluate import evaluate
from assistant.cli.export import export
from assistant.cli.fetch import fetch
from assistant.cli.import_model import import_model
from assistant.cli.lsp import lsp
from assistant.cli.models import models
from assistant.cli.publish import publish
from assistant.cli.report import report
from assistant.cli.setup import setup
from assistant.cli.status import status
from assistant.cli.tune import tune
from assistant.validation import readable
from prune.errors import SnedError

_INTERRUPTED = 130  # as shells have it: 128 and the number of SIGINT

app = typer.Typer(
    name="sned",
    help="An offline coding assistant: cuts a code model down to your project's language and runs it here.",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=False,
    add_completion=True,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"sned {version('sned')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show llama.cpp's log, and the traceback of a failure.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """An offline coding assistant: cuts a code model down to your project's language and runs it here.

    Without a command it shows where things stand for the project you are in, and what to do next.
    """
    if context.invoked_subcommand is None:
        status(as_json=as_json)


app.command()(detect)
app.add_typer(models, name="models")
app.command()(fetch)
app.command()(build)
app.command()(export)
app.command()(report)
app.command("import")(import_model)
app.command()(publish)
app.command()(complete)
app.command()(chat)
app.command("eval")(evaluate)
app.command()(tune)
app.command()(doctor)
app.command()(lsp)
app.command()(setup)


def _message(error: BaseException) -> str | None:
    """One sentence for a failure of a kind users can act on; None for a defect of the program."""
    if isinstance(error, SnedError):
        return str(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        place = error.filename or "the disk that holds the store"
        return f"No space is left at {place}; free some (sned models remove NAME does) and run the command again."
    if isinstance(error, PermissionError):
        return f"No permission to use {error.filename}; change its permissions or choose another place (SNED_HOME)."
    if isinstance(error, MemoryError):
        return "This machine's memory is too small for that; close other programs or choose a smaller base model."
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `sned` with `arguments` (the process's own by default); the exit status comes back."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    # Allowed before and after the subcommand: a user adds it to a line that has just failed.
    words = [word for word in words if word != "--debug"]
    if debug:
        logging.basicConfig(format="%(name)s: %(message)s")
        logging.getLogger("sned").setLevel(logging.DEBUG)
    try:
        result = app(args=words, standalone_mode=False)
    except typer.Exit as stop:
        return int(stop.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        print("sned: stopped.", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if (show := getattr(error, "show", None)) is not None:  # the parser's own usage errors
            if isinstance(error, typer.BadParameter):
                error.message = readable(error.message)
            show()
            return int(getattr(error, "exit_code", 2))
        message = _message(error)
        if debug or message is None:
            raise
        print(f"sned: {message}", file=sys.stderr)
        return error.exit_status if isinstance(error, SnedError) else 1
    if result == _INTERRUPTED:  # what the parser makes of Ctrl-C
        print("sned: stopped.", file=sys.stderr)
    return result if isinstance(result, int) else 0
