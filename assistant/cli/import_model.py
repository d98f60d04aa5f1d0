"""`sned import`."""

from pathlib import Path
from typing import Annotated

import typer

from assistant.cli.output import print_json


def import_model(
    file: Annotated[
        Path,
        typer.Argument(
            help="A GGUF file, plain or sparse; or a Hugging Face folder with safetensors.", metavar="FILE.gguf|DIR"
        ),
    ],
    name: Annotated[str | None, typer.Option(help="What to call it; the file's name by default.")] = None,
    licence: Annotated[str | None, typer.Option(help="Its licence; what the file says by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Take a model that someone else built into the store; --model NAME or SNED_BASE chooses it then."""
    from assistant.catalog import load_catalog
    from assistant.importing import import_model as take_in
    from assistant.settings import load_settings
    from assistant.store import Store

    settings = load_settings()
    imported = take_in(file, Store(settings.home), load_catalog(settings.catalog), name, licence)
    entry = imported.entry
    if as_json:
        print_json({"new": imported.new, "path": str(entry.path), **entry.manifest.model_dump(mode="json")})
    elif imported.new:
        print(f"{entry.name} is here ({entry.manifest.size / 1e6:,.1f} MB, licence: {entry.manifest.licence}).")
    else:
        print(f"{entry.name} is here already: {entry.path}")
