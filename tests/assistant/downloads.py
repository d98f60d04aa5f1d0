"""What tests of downloads share: a file that a server has, and the download of it."""

import random
from hashlib import sha256
from pathlib import Path

from assistant.catalog import HttpSource
from assistant.fetch import http
from assistant.fetch.transfer import Expected, Silent
from tests.model_server import ModelServer

PATH = "/model.gguf"
CONTENT = random.Random(7).randbytes(600_000)
RIGHT = Expected(len(CONTENT), sha256(CONTENT).hexdigest())


def get(
    server: ModelServer, work: Path, expected: Expected = RIGHT, path: str = PATH, listener: Silent | None = None
) -> bytes:
    """Downloads a file of the server into the folder `work`, and gives its bytes."""
    return http.download(HttpSource(url=server.url + path), work, expected, listener or Silent()).path.read_bytes()
