"""A file over connections that are each as slow as a server makes them: sned in pieces, sned in one stream, curl.

python benchmarks/fetching.py [MEGABYTES] [MEGABYTES-A-SECOND]

Beyond some 50 MB/s the server, which is written in Python, is what is measured.
"""

import hashlib
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from assistant.catalog import HttpSource
from assistant.fetch import http, pieces
from assistant.fetch.transfer import Expected, Silent

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.model_server import CHUNK, ModelServer


def serve(content: bytes, speed: float, caller: Connection) -> None:
    """Serves the file in a process of its own, whose address it sends to the caller."""
    with ModelServer({"/model.gguf": content}, pause=CHUNK / speed) as server:
        caller.send(f"{server.url}/model.gguf")
        time.sleep(3600)


def in_pieces(url: str, work: Path, expected: Expected) -> None:
    """As `sned fetch` does it."""
    http.download(HttpSource(url=url), work, expected, Silent())


def in_one_stream(url: str, work: Path, expected: Expected) -> None:
    """As `sned fetch` does it where the server sends no ranges."""
    smallest, pieces.SMALLEST_FILE = pieces.SMALLEST_FILE, sys.maxsize
    in_pieces(url, work, expected)
    pieces.SMALLEST_FILE = smallest


def with_curl(url: str, work: Path, expected: Expected) -> None:
    """With curl, and sha256sum to verify it."""
    subprocess.run(["curl", "--silent", "--fail", "--output", work / "model.gguf", url], check=True)
    told = subprocess.run(["sha256sum", work / "model.gguf"], check=True, capture_output=True, text=True).stdout
    assert told.split()[0] == expected.sha256


def seconds(run: Callable[[str, Path, Expected], None], url: str, expected: Expected) -> float:
    """How long it takes."""
    with tempfile.TemporaryDirectory() as name:
        begin = time.monotonic()
        run(url, Path(name), expected)
        return time.monotonic() - begin


def main() -> None:
    """Prints seconds, and each as a multiple of curl's."""
    size = int(sys.argv[1] if len(sys.argv) > 1 else 100) * 1_000_000
    speed = float(sys.argv[2] if len(sys.argv) > 2 else 10) * 1e6
    content = random.Random(0).randbytes(size)
    expected = Expected(size, hashlib.sha256(content).hexdigest())
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(content, speed, theirs), daemon=True)
    server.start()
    url = ours.recv()
    runs = {"curl": with_curl, "one stream": in_one_stream, "pieces": in_pieces}
    times = {name: seconds(run, url, expected) for name, run in runs.items()}
    server.terminate()
    print(f"{size / 1e6:.0f} MB, {speed / 1e6:.0f} MB/s a connection at most")
    for name, taken in times.items():
        print(f"{name:<12}{taken:8.1f} s   {taken / times['curl']:.2f} of curl's")


if __name__ == "__main__":
    main()
