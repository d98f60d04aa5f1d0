"""`sned lsp`: the language server."""

import os
import sys
from typing import Annotated

import typer

from assistant.cli.options import NoSparseBackendOption, without_sparse_backend


def lsp(
    tcp: Annotated[
        int | None,
        typer.Option(
            metavar="PORT", min=1, max=65535, help="Listen on this port of this machine instead; for debugging."
        ),
    ] = None,
    no_sparse_backend: NoSparseBackendOption = False,
) -> None:
    """Serve code completion to an editor, on standard input and output.

    Editors start this by themselves: sned setup EDITOR says how.
    """
    from assistant.settings import load_settings
    from lsp.start import serve, serve_tcp

    if no_sparse_backend:
        without_sparse_backend()
    settings = load_settings()
    if tcp is not None:
        print(f"sned: listening on 127.0.0.1:{tcp}", file=sys.stderr, flush=True)
        serve_tcp(settings, tcp)
        return
    # The client's pipe is kept for the protocol alone: whatever else writes to standard output goes to standard error.
    with os.fdopen(os.dup(sys.stdout.fileno()), "wb") as protocol_output:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        serve(settings, sys.stdin.buffer, protocol_output)
