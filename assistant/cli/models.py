"""`sned models`: what is in the store and the catalog."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli.output import print_json
from assistant.errors import StoreError, UsageError

if TYPE_CHECKING:
    from assistant.catalog import Catalog
    from assistant.store import BrokenEntry, Entry, Store

AsJson = Annotated[bool, typer.Option("--json", help="Answer as JSON.")]

models = typer.Typer(help="List, show, verify and remove models.", no_args_is_help=False)


@models.callback(invoke_without_command=True)
def root(context: typer.Context, as_json: AsJson = False) -> None:
    """List, show, verify and remove base models and sub-models; alone it lists them."""
    if context.invoked_subcommand is None:
        list_models(as_json=as_json)


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the catalog's base models, and the sub-models that were built."""
    from assistant.cli.model_listing import listing, print_listing

    store, catalog = _open()
    answer = listing(store, catalog)
    if as_json:
        print_json(answer)
    else:
        print_listing(answer)


@models.command()
def show(
    name: Annotated[str, typer.Argument(help="A model's name, its beginning, or that of a sub-model's identity.")],
    tensors: Annotated[bool, typer.Option("--tensors", help="Show the sparsity of each tensor.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is known of a model: origin, licence, recipe, and the sparsity measured in its file."""
    from assistant.cli.model_listing import model_facts, print_facts

    store, catalog = _open()
    known = catalog.get(name)
    if known is not None and not store.has_base(known.name):
        answer = model_facts(None, known)
    else:
        entry = store.find(known.name if known is not None else name)
        answer = model_facts(entry, catalog.get(entry.name))
    if as_json:
        print_json(answer)
    else:
        print_facts(answer, tensors=tensors)


@models.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="A model of the store; all of them otherwise.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read model files again and compare them with their manifests; exit status 1 if one differs."""
    store, catalog = _open()
    entries: list[Entry | BrokenEntry]
    if name is None:
        entries = [*store.bases(), *store.submodels(), *store.broken()]
    else:
        entries = [store.locate(_catalog_name(catalog, name))]
    faults: dict[str, str | None] = {}
    for entry in entries:
        faults[entry.name] = _fault(store, entry)
        if not as_json:
            fault = faults[entry.name]
            print(f"{entry.name}: whole" if fault is None else fault)
    if as_json:
        print_json([{"name": name, "whole": fault is None, "fault": fault} for name, fault in faults.items()])
    elif not entries:
        print("There is no model in the store; sned fetch gets the default base model.")
    if any(faults.values()):
        raise typer.Exit(1)


@models.command()
def remove(
    name: Annotated[str, typer.Argument(help="A model of the store, or one that is not finished.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove a model from the store."""
    store, catalog = _open()
    wanted = _catalog_name(catalog, name)
    unfinished = None if store.has_base(wanted) else store.unfinished().get(wanted)
    if unfinished is not None:
        _confirm(f"Remove what is here of {wanted}, which is not finished, {unfinished / 1e6:,.1f} MB?", yes)
        store.remove_unfinished(wanted)
        removed, freed, left = wanted, unfinished, []
    else:
        entry = store.locate(wanted)
        removed, freed = entry.name, sum(path.stat().st_size for path in entry.directory.iterdir())
        left = [each.name for each in store.submodels() if each.manifest.base.name == entry.name]
        _confirm(f"Remove {removed}, {freed / 1e6:,.1f} MB?", yes)
        store.remove(entry)
    if as_json:
        print_json({"removed": removed, "bytes": freed, "submodels_left": left})
        return
    print(f"Removed {removed}, {freed / 1e6:,.1f} MB.")
    if left:
        print(f"The sub-models cut from it stay, and work without it: {', '.join(left)}.")


def _fault(store: "Store", entry: "Entry | BrokenEntry") -> str | None:
    """What is wrong with an entry, if anything."""
    from assistant.store import BrokenEntry

    if isinstance(entry, BrokenEntry):
        return f"{entry.name} is broken: {entry.reason}; {entry.remedy}."
    try:
        store.verify(entry)
    except StoreError as error:
        return str(error)
    return None


def _catalog_name(catalog: "Catalog", name: str) -> str:
    """The name behind a catalog's alias; any other name as it is."""
    known = catalog.get(name)
    return name if known is None else known.name


def _open() -> "tuple[Store, Catalog]":
    from assistant.catalog import load_catalog
    from assistant.settings import load_settings
    from assistant.store import Store

    settings = load_settings()
    return Store(settings.home), load_catalog(settings.catalog)


def _confirm(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("Nobody is there to confirm it; add --yes.")
    typer.confirm(question, abort=True, err=True)
