"""What a key costs the language server itself, without the model: hearing of the change, and answering a request.

The server runs on an engine that writes forty words at once (tests/lsp/slow_server.py). A person types at the middle of
a file; after each key the editor sends the change, and then asks for a suggestion or not. Counted are the server's
processor time a key for the change alone, with its answer, and with what is computed ahead once that is sent; and the
time by the clock from the change to the answer, which other work on the machine makes longer. The editor here only
writes and reads bytes: what a real one does with them is not the server's.

    python benchmarks/keystroke.py --lines 100 10000 --keys 300
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import psutil

_ROOT = Path(__file__).resolve().parents[1]
_FUNCTION = "def function_{0}(argument, other):\n    value = compute(argument, other)\n    return value + {0}\n\n\n"
_TYPED = "\n    result = function_1(argument, other) + function_2(value)"
_URI = "file:///long.py"


@dataclass
class Cost:
    """Milliseconds a key: of the server's processor time on the average, and to the answer (empty if none is asked)."""

    processor: float
    answers: list[float]


class Client:
    """An editor's end of the pipes to a server that holds a document of so many lines."""

    def __init__(self, lines: int, server: str) -> None:
        """Starts the server, in the way of `server`, and opens the document."""
        command = [sys.executable, "-m", "tests.lsp.slow_server", "0", server]
        self._server = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._requests = 0
        self.process = psutil.Process(self._server.pid)
        self.ask("initialize", {"capabilities": {"textDocument": {"inlineCompletion": {}}}, "processId": None})
        self.tell("initialized", {})
        text = "".join(_FUNCTION.format(number) for number in range(lines // 5))
        self.tell(
            "textDocument/didOpen",
            {"textDocument": {"uri": _URI, "languageId": "python", "version": 0, "text": text}},
        )

    def tell(self, method: str, params: Any) -> None:
        """Sends a notification."""
        self._send({"method": method, "params": params})

    def ask(self, method: str, params: Any) -> Any:
        """Sends a request; gives its result when it is there."""
        self._requests += 1
        self._send({"id": self._requests, "method": method, "params": params})
        while (message := self._receive()).get("id") != self._requests or "method" in message:
            pass
        return message["result"]

    def change(self, version: int, line: int, column: int, text: str) -> None:
        """Tells of a text that was typed."""
        here = {"line": line, "character": column}
        self.tell(
            "textDocument/didChange",
            {
                "textDocument": {"uri": _URI, "version": version},
                "contentChanges": [{"range": {"start": here, "end": here}, "text": text}],
            },
        )

    def suggestion(self, line: int, column: int) -> Any:
        """Asks for a suggestion, as an editor does at each key."""
        return self.ask(
            "textDocument/inlineCompletion",
            {
                "textDocument": {"uri": _URI},
                "position": {"line": line, "character": column},
                "context": {"triggerKind": 2},
            },
        )

    def processor(self) -> float:
        """Seconds of the server's processor time so far."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def close(self) -> None:
        """Ends the server."""
        self.ask("shutdown", None)
        self.tell("exit", None)
        self._server.wait()

    def _send(self, message: dict[str, Any]) -> None:
        assert self._server.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._server.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self._server.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self._server.stdout is not None
        length = 0
        while (header := self._server.stdout.readline()).strip():
            name, _, value = header.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        if not header:
            raise RuntimeError(f"The server ended with status {self._server.wait()}.")
        message: dict[str, Any] = json.loads(self._server.stdout.read(length))
        return message


def typed(lines: int, keys: int, *, asking: bool, server: str = "quiet") -> Cost:
    """Types so many keys in the middle of a document."""
    client = Client(lines, server)
    line = lines // 10 * 5 + 1
    column = len(_FUNCTION.splitlines()[1])
    client.suggestion(line, column)  # what only the first request costs is not a key's
    time.sleep(1)
    began, answers = client.processor(), []
    for number in range(keys):
        key = _TYPED[number % len(_TYPED)]
        started = time.perf_counter()
        client.change(number + 1, line, column, key)
        line, column = (line + 1, 0) if key == "\n" else (line, column + 1)
        if asking:
            client.suggestion(line, column)
            answers.append(1000 * (time.perf_counter() - started))
        time.sleep(0.05)
    time.sleep(1)
    cost = Cost(1000 * (client.processor() - began) / keys, answers)
    client.close()
    return cost


def main() -> None:
    """Prints a line for each length of the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, nargs="+", default=[100, 1_000, 10_000, 50_000])
    parser.add_argument("--keys", type=int, default=300)
    arguments = parser.parse_args()
    print(f"{'':>7}{'change':>12}{'and answer':>12}{'and ahead':>12}{'to the answer':>26}")
    print(f"{'lines':>7}{'CPU ms':>12}{'CPU ms':>12}{'CPU ms':>12}{'median ms':>13}{'p95 ms':>13}")
    for lines in arguments.lines:
        told = typed(lines, arguments.keys, asking=False)
        asked = typed(lines, arguments.keys, asking=True, server="answering")
        ahead = typed(lines, arguments.keys, asking=True)
        p95 = quantiles(ahead.answers, n=20)[-1]
        costs = f"{told.processor:12.2f}{asked.processor:12.2f}{ahead.processor:12.2f}"
        print(f"{lines:>7}{costs}{median(ahead.answers):13.2f}{p95:13.2f}")


if __name__ == "__main__":
    main()
