"""`sned publish`: a sub-model where others can fetch it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli.export import Form
from assistant.cli.output import print_json
from assistant.errors import UsageError

if TYPE_CHECKING:
    from assistant.publishing.places import Place
    from assistant.publishing.preparing import Published, Wanted
    from assistant.store import Store


def publish(
    model: Annotated[str, typer.Argument(help="A sub-model of the store.")],
    place: Annotated[
        str,
        typer.Argument(metavar="FOLDER|hf:REPO", help="A folder that any web server can serve, or a hub repository."),
    ],
    to: Annotated[
        Form | None,
        typer.Option(
            help="sparse: zeros take a bit each, so that less is fetched. dense: plain GGUF.",
            show_default="sparse, and dense if nothing is pruned",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What to call it there; its own name by default.")] = None,
    key: Annotated[
        Path | None, typer.Option("--sign", metavar="KEY", help="Sign the index with this secret key of minisign's.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Publish a sub-model for sned fetch: its file, and an index with digest, size, recipe, licence and quality."""
    from assistant.publishing.places import parse_place
    from assistant.publishing.preparing import Wanted
    from assistant.publishing.signing import read_secret_key
    from assistant.settings import load_settings
    from assistant.store import Store, SubModelEntry

    if to is Form.SAFETENSORS:
        raise typer.BadParameter("what is published is one GGUF file; choose --to sparse or dense")
    there, extra = parse_place(place)
    if extra is not None:
        raise UsageError(f"{place!r} names a model; give the repository alone, and the model's name there with --name.")
    store = Store(load_settings().home)
    entry = store.find(model)
    if not isinstance(entry, SubModelEntry):
        raise UsageError(f"{entry.name} is a base model; sned publish is for sub-models, which sned build makes.")
    secret = None if key is None else read_secret_key(key, lambda: _password(key))
    is_sparse = bool(entry.manifest.sparsity) if to is None else to is Form.SPARSE
    wanted = Wanted(entry, is_sparse, name=name or entry.name, key=secret)
    published = _publish(wanted, there, store)
    manifest = published.publication.manifest
    if as_json:
        print_json(
            {
                "new": published.new,
                "place": there.description,
                "file": published.publication.file,
                "signed": published.signed,
                "form": published.publication.form,
                **manifest.model_dump(mode="json"),
            }
        )
        return
    verb = "Published" if published.new else "Already published:"
    print(f"{verb} {manifest.name} in {there.description} ({manifest.size / 1e6:,.1f} MB, {manifest.licence}).")


def _publish(wanted: "Wanted", place: "Place", store: "Store") -> "Published":
    from assistant.publishing.places import FolderPlace, HubPlace

    match place:
        case FolderPlace():
            from assistant.publishing.folder import publish_to_folder

            return publish_to_folder(wanted, place.path)
        case HubPlace():
            from assistant.fetch.hub_upload import publish_to_hub

            return publish_to_hub(wanted, place, store.home)
        case _:
            raise UsageError(
                f"{place.description} cannot be written to; publish into a folder, and have a web server serve it."
            )


def _password(key: Path) -> str:
    if not sys.stdin.isatty():
        raise UsageError(f"{key} wants a password, and nobody is there to give it; minisign -G -W makes a key without.")
    return str(typer.prompt(f"Password of {key}", hide_input=True, err=True))
