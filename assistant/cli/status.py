"""`sned` without a command: where things stand, and what to do next."""

import dataclasses
from pathlib import Path

from assistant.cli.output import print_json


def status(as_json: bool) -> None:
    """Shows where things stand for the project in the current folder."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from assistant.settings import load_settings
    from assistant.status import status_of

    found = status_of(Path.cwd(), load_settings())
    if as_json:
        print_json({**dataclasses.asdict(found), "project": str(found.project)})
        return
    table = Table.grid(padding=(0, 2))
    for label, value in (
        ("Project", str(found.project)),
        ("Language", found.reason),
        ("Base model", found.base if found.base_is_here else f"{found.base} (not fetched yet)"),
        ("Sub-model", found.submodel or "none yet"),
        ("Next", found.next_step),
    ):
        table.add_row(Text(label, style="bold"), Text(value))
    Console(highlight=False).print(table)
    print("\nAll commands: sned --help")
