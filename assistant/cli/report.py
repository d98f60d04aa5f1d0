"""`sned report`: what pruning did to models, and how far their masks differ."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from assistant.cli.output import print_json


def report(
    models: Annotated[list[str], typer.Argument(help="Sub-models of the store, or .gguf files.", metavar="MODEL...")],
    out: Annotated[
        Path, typer.Option(help="The folder that page and pictures are written to; those there are replaced.")
    ] = Path("sned-report"),
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Show the sparsity of models by layer, and how far the masks of different languages differ; write it as a page."""
    from assistant.reporting.answer import as_data, table_lines
    from assistant.reporting.evidence import gather
    from assistant.reporting.plots import can_plot
    from assistant.reporting.writing import reported_model, write_report
    from assistant.settings import load_settings

    settings = load_settings()
    evidence = gather([reported_model(settings, name) for name in models])
    written = write_report(evidence, out)
    if as_json:
        print_json({**as_data(evidence), "written": [str(path) for path in written]})
        return
    print("\n".join(table_lines(evidence)))
    print(f"\nWrote {', '.join(map(str, written))}.")
    if not can_plot():
        print("For pictures as well, install matplotlib: pip install 'sned[plots]'.", file=sys.stderr)
