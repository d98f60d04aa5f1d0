"""What `sned models` answers, as data and as text."""

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from assistant.manifest import PERPLEXITY_RATIO

if TYPE_CHECKING:
    from assistant.catalog import Catalog, CatalogModel
    from assistant.store import BaseEntry, Store, SubModelEntry


def listing(store: "Store", catalog: "Catalog") -> dict[str, Any]:
    """Base models of catalog and store, sub-models, broken entries and what is unfinished, as JSON has them."""
    here = {entry.name: entry for entry in store.bases()}
    bases = [model_facts(here.pop(model.name, None), model) for model in catalog.models]
    bases += [model_facts(entry, None) for entry in here.values()]
    for base in bases:
        base["default"] = base["name"] == catalog.default.name
    return {
        "home": str(store.home),
        "bases": bases,
        "submodels": [model_facts(entry, None) for entry in store.submodels()],
        "broken": [
            {"name": entry.name, "reason": entry.reason, "remedy": entry.remedy, "path": str(entry.directory)}
            for entry in store.broken()
        ],
        "unfinished": [{"name": name, "bytes": size} for name, size in store.unfinished().items()],
    }


def model_facts(entry: "BaseEntry | SubModelEntry | None", known: "CatalogModel | None") -> dict[str, Any]:
    """All that manifest and catalog say of a model, as JSON has it."""
    facts: dict[str, Any] = {"kind": "base", "fetched": entry is not None}
    if entry is not None and entry.manifest.kind == "sub-model":
        facts = {"kind": entry.manifest.kind, "built_here": entry.manifest.provenance is None}
    if known is not None:
        facts |= known.model_dump(mode="json", exclude_none=True)
    if entry is not None:
        facts |= entry.manifest.model_dump(mode="json") | {"path": str(entry.path)}
    if sparsity := facts.get("sparsity"):
        shares = sparsity.values()
        facts["sparsity_range"] = {
            "min": min(shares),
            "mean": sum(shares) / len(shares),
            "max": max(shares),
        }
    return facts


def print_listing(answer: dict[str, Any]) -> None:
    """A table of each part that is not empty."""
    console = _console()
    bases = _table("base model", "", "size", "licence", "or")
    for base in answer["bases"]:
        marks = [mark for mark in ("fetched", "default") if base[mark]]
        if "family" in base and "fim" not in base:
            marks.append("chat only")
        licence = base["licence"].removeprefix("LicenseRef-")
        shortest = min(base.get("aliases", [""]), key=len, default="")
        bases.add_row(base["name"], ", ".join(marks), _size(base["size"]), licence, shortest)
    console.print(bases)
    if answer["submodels"]:
        submodels = _table("sub-model", "language", "size", "sparsity", "quality", "base model")
        for each in answer["submodels"]:
            sparsity = f"{each['sparsity_range']['mean']:.2f}" if "sparsity_range" in each else "-"
            quality = _quality(each["quality"])
            submodels.add_row(
                each["name"], each["language"], _size(each["size"]), sparsity, quality, each["base"]["name"]
            )
        console.print()
        console.print(submodels)
    else:
        console.print("\nNo sub-model yet; sned build makes one for the project you are in.")
    known = {base["name"] for base in answer["bases"]}
    for each in answer["unfinished"]:
        how = f"sned fetch {each['name']}" if each["name"] in known else "the sned fetch or sned build that began it"
        console.print(f"\n{each['name']} is not finished: {_size(each['bytes'])} are here; {how} goes on.")
    for each in answer["broken"]:
        console.print(f"\n{each['name']} is broken: {each['reason']}; {each['remedy']}.")


def print_facts(facts: dict[str, Any], *, tensors: bool) -> None:
    """A line for each fact."""
    console = _console()
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _lines(facts):
        table.add_row(name, value)
    console.print(table)
    if not facts.get("fetched", True):
        console.print(f"\nIt is not in the store; sned fetch {facts['name']} gets it.")
    if tensors:
        each = _table("tensor", "sparsity")
        for name, share in facts.get("sparsity", {}).items():
            each.add_row(name, f"{share:.4f}")
        console.print()
        console.print(each)


def _lines(facts: dict[str, Any]) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for name, value in facts.items():
        match name, value:
            case "sparsity", _:
                pass
            case "size", int():
                lines.append((name, f"{_size(value)} ({value:,} bytes)"))
            case "sparsity_range", dict():
                span = f"mean {value['mean']:.4f}, from {value['min']:.4f} to {value['max']:.4f}"
                lines.append(("sparsity", f"{span}, in {len(facts['sparsity'])} tensors"))
            case _, dict():
                lines += [(f"{name}.{key}", str(item)) for key, item in value.items()]
            case "sources", list():
                lines += [(name, " ".join(str(item) for item in each.values())) for each in value]
            case _, list():
                lines.append((name, ", ".join(str(item) for item in value)))
            case _, bool():
                lines.append((name, "yes" if value else "no"))
            case _, int():
                lines.append((name, f"{value:,}"))
            case _:
                lines.append((name, str(value)))
    return lines


def _console() -> Console:
    """Standard output; in a file or a pipe, lines are as long as they are."""
    console = Console(soft_wrap=True, highlight=False)
    if not console.is_terminal:
        console.width = 1000
    return console


def _table(*headers: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for header in headers:
        table.add_column(header, justify="right" if header in ("size", "sparsity") else "left", no_wrap=header != "or")
    return table


def _quality(figures: dict[str, float]) -> str:
    """The figure that says most: how it predicts code beside its base, or else the share of tasks it solved."""
    if PERPLEXITY_RATIO in figures:
        return f"perplexity x{figures[PERPLEXITY_RATIO]:.2f}"
    solved = [(name, value) for name, value in figures.items() if name.startswith("pass@1")]
    return f"pass@1 {solved[0][1]:.2f}" if solved else "-"


def _size(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
