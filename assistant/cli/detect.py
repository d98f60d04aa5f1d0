"""`sned detect`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli.output import print_json

if TYPE_CHECKING:
    from assistant.detection import Detection


def detect(
    path: Annotated[Path, typer.Argument(help="The project's folder, or one source file.")] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Tells which language a project is written in, and why.

    Files that git ignores, vendored, generated and minified files do not count.
    """
    from assistant.detection import detect as detect_language

    detection = detect_language(path)
    if as_json:
        print_json({"language": detection.language, "shares": dict(detection.shares), "reason": detection.reason})
    else:
        _print_detection(detection)


def _print_detection(detection: "Detection") -> None:
    from rich.console import Console
    from rich.filesize import decimal
    from rich.table import Table

    from assistant.file_types import language_title

    console = Console(highlight=False)
    if detection.shares:
        table = Table("Language", box=None, pad_edge=False, header_style="bold")
        table.add_column("Share", justify="right")
        table.add_column("Size", justify="right")
        for language, share in detection.shares.items():
            table.add_row(
                language_title(language),
                f"{share:.1%}",
                decimal(round(share * detection.code_bytes)),
                style="bold" if language == detection.language else None,
            )
        console.print(table)
        console.print()
    console.print(detection.reason, markup=False, soft_wrap=True)
