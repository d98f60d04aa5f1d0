"""What a key costs the language server itself, without the model: hearing of the change, and answering a request.

The server runs on an engine that writes forty words at once (tests/lsp/slow_server.py). A person types at the middle of
a file; after each key the editor sends the change, and then asks for a suggestion or not. Counted are the server's
processor time a key for the change alone, with its answer, and with what is computed ahead once that is sent; and the
time by the clock from the change to the answer, which other work on the machine makes longer.

    python benchmarks/keystroke.py --lines 100 10000 --keys 300
"""

import argparse
import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

import psutil
from lsprotocol import types
from pygls.lsp.client import LanguageClient

_ROOT = Path(__file__).resolve().parents[1]
_FUNCTION = "def function_{0}(argument, other):\n    value = compute(argument, other)\n    return value + {0}\n\n\n"
_TYPED = "\n    result = function_1(argument, other) + function_2(value)"
_URI = "file:///long.py"


@dataclass
class Cost:
    """Milliseconds a key: of the server's processor time on the average, and to the answer (empty if none is asked)."""

    processor: float
    answers: list[float]


async def connected(lines: int, server: str) -> tuple[LanguageClient, psutil.Process]:
    """A client of a server that holds a document of so many lines."""
    client = LanguageClient("keystroke", "1")
    for told in ("sned/status", types.WINDOW_LOG_MESSAGE):
        client.feature(told)(lambda _: None)
    await client.start_io(sys.executable, "-m", "tests.lsp.slow_server", "0", server, cwd=_ROOT)
    inline = types.TextDocumentClientCapabilities(inline_completion=types.InlineCompletionClientCapabilities())
    await client.initialize_async(types.InitializeParams(types.ClientCapabilities(text_document=inline)))
    client.initialized(types.InitializedParams())
    text = "".join(_FUNCTION.format(number) for number in range(lines // 5))
    client.text_document_did_open(
        types.DidOpenTextDocumentParams(types.TextDocumentItem(_URI, "python", 0, text)),
    )
    process = client._server
    assert process is not None
    return client, psutil.Process(process.pid)


async def typed(lines: int, keys: int, *, asking: bool, server: str = "quiet") -> Cost:
    """Types so many keys in the middle of a document."""
    client, process = await connected(lines, server)
    line = lines // 10 * 5 + 1
    column = len(_FUNCTION.splitlines()[1])
    await ask(client, line, column)  # what only the first request costs is not a key's
    await asyncio.sleep(1)
    began, answers = processor(process), []
    for number in range(keys):
        key = _TYPED[number % len(_TYPED)]
        started = time.perf_counter()
        change(client, number + 1, line, column, key)
        line, column = (line + 1, 0) if key == "\n" else (line, column + 1)
        if asking:
            await ask(client, line, column)
            answers.append(1000 * (time.perf_counter() - started))
        await asyncio.sleep(0.05)
    await asyncio.sleep(1)
    cost = Cost(1000 * (processor(process) - began) / keys, answers)
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()  # type: ignore[no-untyped-call]
    return cost


def change(client: LanguageClient, version: int, line: int, column: int, text: str) -> None:
    """Tells of a text that was typed."""
    here = types.Position(line, column)
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            types.VersionedTextDocumentIdentifier(version, _URI),
            [types.TextDocumentContentChangePartial(types.Range(here, here), text)],
        )
    )


async def ask(client: LanguageClient, line: int, column: int) -> None:
    """Asks for a suggestion, as an editor does at each key."""
    await client.text_document_inline_completion_async(
        types.InlineCompletionParams(
            types.InlineCompletionContext(types.InlineCompletionTriggerKind.Automatic),
            types.TextDocumentIdentifier(_URI),
            types.Position(line, column),
        )
    )


def processor(process: psutil.Process) -> float:
    """Seconds of processor time so far."""
    times = process.cpu_times()
    return times.user + times.system


def main() -> None:
    """Prints a line for each length of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, nargs="+", default=[100, 1_000, 10_000, 50_000])
    parser.add_argument("--keys", type=int, default=300)
    arguments = parser.parse_args()
    print(f"{'':>7}{'change':>12}{'and answer':>12}{'and ahead':>12}{'to the answer':>26}")
    print(f"{'lines':>7}{'CPU ms':>12}{'CPU ms':>12}{'CPU ms':>12}{'median ms':>13}{'p95 ms':>13}")
    for lines in arguments.lines:
        told = asyncio.run(typed(lines, arguments.keys, asking=False))
        asked = asyncio.run(typed(lines, arguments.keys, asking=True, server="answering"))
        ahead = asyncio.run(typed(lines, arguments.keys, asking=True))
        p95 = quantiles(ahead.answers, n=20)[-1]
        costs = f"{told.processor:12.2f}{asked.processor:12.2f}{ahead.processor:12.2f}"
        print(f"{lines:>7}{costs}{median(ahead.answers):13.2f}{p95:13.2f}")


if __name__ == "__main__":
    main()
