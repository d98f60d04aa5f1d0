"""What a start of `sned lsp` gains from the last one's saved cache.

In a project's largest Python file (or the one given) suggestions are asked for until all of the prompt is evaluated;
then the server is ended as editors end it, and started again, with the cache and without. Printed for each start: from
starting the process to the first suggestion, the tokens evaluated for it, and how long ending took.

    python benchmarks/restart.py --project . [--file benchmarks/context.py] [--home FOLDER]

`--home` is a store with the models; its `caches` folder is neither read nor written.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.lsp.client import LanguageClient

from assistant.project_files import project_files
from assistant.settings import load_settings

SNED = [str(Path(sys.executable).with_name("sned")), "lsp"]
SETTLED_SECONDS = 6.0


@dataclass(frozen=True)
class Start:
    """One run of the server."""

    to_first: float
    first_tokens: int
    all_tokens: int
    ending: float


async def run(project: Path, file: Path, environment: dict[str, str], *, prepare: bool) -> Start:
    """Starts the server, asks for a suggestion in the file's middle, perhaps waits for idle work, and ends it."""
    client = LanguageClient("benchmark", "1")
    for notification in ("sned/status", "window/logMessage"):
        client.feature(notification)(lambda _: None)
    text = file.read_text(encoding="utf-8")
    line = text[: len(text) // 2].count("\n")
    while not text.split("\n")[line].strip():
        line += 1
    started = time.perf_counter()
    await client.start_io(*SNED, env=os.environ | environment)
    inline = types.TextDocumentClientCapabilities(inline_completion=types.InlineCompletionClientCapabilities())
    await client.initialize_async(
        types.InitializeParams(
            capabilities=types.ClientCapabilities(text_document=inline),
            workspace_folders=[types.WorkspaceFolder(project.as_uri(), project.name)],
        )
    )
    client.initialized(types.InitializedParams())
    document = types.TextDocumentItem(file.as_uri(), "python", 1, text)
    client.text_document_did_open(types.DidOpenTextDocumentParams(document))
    automatic = types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic)
    place = types.Position(line, len(text.split("\n")[line]))
    await client.text_document_inline_completion_async(
        types.InlineCompletionParams(automatic, types.TextDocumentIdentifier(file.as_uri()), place)
    )
    to_first, first_tokens = time.perf_counter() - started, await evaluated(client)
    all_tokens, since = first_tokens, time.perf_counter()
    while prepare and time.perf_counter() - since < SETTLED_SECONDS:
        await asyncio.sleep(0.5)
        if (now := await evaluated(client)) != all_tokens:
            all_tokens, since = now, time.perf_counter()
    started = time.perf_counter()
    await client.shutdown_async(None)
    client.exit(None)
    assert client._server is not None
    await client._server.wait()
    ending = time.perf_counter() - started
    await client.stop()
    return Start(to_first, first_tokens, all_tokens, ending)


async def evaluated(client: LanguageClient) -> int:
    """Tokens the server's models have evaluated."""
    answer: Any = await client.workspace_execute_command_async(types.ExecuteCommandParams("sned.status", []))
    return max((session["evaluatedTokens"] for session in answer["sessions"]), default=0)


async def measure(project: Path, file: Path, home: Path) -> None:
    """Prints a line for each start."""
    environment = {"SNED_HOME": str(home)}
    print(f"{'start':24} {'to first suggestion':>20} {'tokens for it':>14} {'tokens in all':>14} {'ending':>8}")
    for name, saving, prepare in (
        ("without a cache", "true", True),
        ("from the saved cache", "true", False),
        ("again", "true", False),
        ("saving switched off", "false", False),
    ):
        start = await run(project, file, environment | {"SNED_SAVE_CACHE": saving}, prepare=prepare)
        print(
            f"{name:24} {start.to_first:18.2f} s {start.first_tokens:14} {start.all_tokens:14} {start.ending:6.2f} s",
            flush=True,
        )
    for path in sorted((home / "caches").iterdir()):
        print(f"{path.suffix:6} {path.stat().st_size:,} bytes")


def main() -> None:
    """Measures in a store of its own, whose models are those of the user's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--file", type=Path)
    parser.add_argument("--home", type=Path, default=load_settings().home)
    options = parser.parse_args()
    project = options.project.resolve()
    python = (Path(file.path) for file in project_files(project, lambda _: None) if file.name.endswith(".py"))
    file = options.file or max(python, key=lambda path: path.stat().st_size)
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("bases", "submodels"):
            if (options.home / kind).is_dir():
                (Path(folder) / kind).symlink_to(options.home / kind)
        asyncio.run(measure(project, file.resolve(), Path(folder)))


if __name__ == "__main__":
    main()
