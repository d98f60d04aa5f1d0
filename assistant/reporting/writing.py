"""Which models are reported on, and where the report goes."""

from pathlib import Path

from assistant.durable import write_bytes
from assistant.errors import UsageError
from assistant.languages import Language
from assistant.reporting.evidence import Evidence, ReportedModel
from assistant.reporting.page import page
from assistant.reporting.plots import can_plot, plots
from assistant.selection import select_model
from assistant.settings import Settings
from assistant.store import Store
from prune.gguf_file import GGUFFile

PAGE = "report.html"


def reported_model(settings: Settings, name: str) -> ReportedModel:
    """The model called `name`: of the store, of the catalog, or a `.gguf` file.

    Raises:
        UsageError: there is none.
        CheckpointError: its file cannot be read.
    """
    path = select_model(settings, None, name).path
    entry = next((each for each in Store(settings.home).submodels() if each.path.resolve() == path.resolve()), None)
    if entry is not None:
        return ReportedModel(entry.name, path, entry.manifest.language, entry.manifest.errors)
    with GGUFFile(path) as file:
        language = file.value("sned.language", "")
    known = next((each for each in Language if each.value == language), None)
    return ReportedModel(path.stem if path.suffix == ".gguf" and path.stem != "model" else name, path, known)


def write_report(evidence: Evidence, folder: Path) -> list[Path]:
    """Writes the page, and the pictures where matplotlib is installed; their paths come back, the page's first.

    Raises:
        UsageError: `folder` is no folder.
        OSError: it cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder for the report with --out.")
    folder.mkdir(parents=True, exist_ok=True)
    files = {PAGE: page(evidence).encode("utf-8", "replace"), **(plots(evidence) if can_plot() else {})}
    for name, content in files.items():
        write_bytes(folder / name, content)
    return [folder / name for name in files]
