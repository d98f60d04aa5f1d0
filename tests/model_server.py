"""A real HTTP server of model files on the loopback interface, which can be told to misbehave."""

import hashlib
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType

from tests.loopback import LoopbackServer

CHUNK = 16 * 1024
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Request:
    """What a client asked for, and how many bytes of the body it was sent."""

    method: str
    path: str
    headers: dict[str, str]
    sent: int = 0


@dataclass
class ModelServer(LoopbackServer):
    """Serves `files` by path, as the Hugging Face hub does for paths with `/resolve/`.

    Attributes:
        ranges: whether Range is honoured.
        drop_after: body bytes after which each connection is cut; None never.
        claimed_length: a Content-Length that is not the body's.
        flipped: offsets whose bytes are sent wrong.
        pause: seconds between chunks.
        stall_after: body bytes after which nothing comes any more, over a connection that stays open; None never.
        connections: the most bodies sent at the same time; more are answered 503. None is any number.
        statuses: answered one after the other before anything else.
        redirects: Location by path.
    """

    files: dict[str, bytes]
    ranges: bool = True
    drop_after: int | None = None
    claimed_length: int | None = None
    flipped: tuple[int, ...] = ()
    pause: float = 0.0
    stall_after: int | None = None
    connections: int | None = None
    statuses: deque[int] = field(default_factory=deque)
    redirects: dict[str, str] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stopped = threading.Event()
        self.lock = threading.Lock()
        self.at_work = 0
        self.most_at_work = 0

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return _Handler

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped.set()
        super().__exit__(kind, error, trace)

    def gets(self) -> list[Request]:
        return [request for request in self.requests if request.method == "GET"]


class _Handler(BaseHTTPRequestHandler):
    owner: ModelServer

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        owner = self.owner
        request = Request(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        owner.requests.append(request)
        if owner.statuses:
            self._status(owner.statuses.popleft())
        elif self.path in owner.redirects:
            self._status(302, Location=owner.redirects[self.path])
        elif self.path in owner.files:
            with owner.lock:
                owner.at_work += 1
                owner.most_at_work = max(owner.most_at_work, owner.at_work)
                too_many = owner.connections is not None and owner.at_work > owner.connections
            try:
                if too_many:
                    self._status(503)
                else:
                    self._file(request, owner.files[self.path], with_body=with_body)
            finally:
                with owner.lock:
                    owner.at_work -= 1
        else:
            self._status(404)

    def _status(self, status: int, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _file(self, request: Request, data: bytes, *, with_body: bool) -> None:
        owner = self.owner
        digest = hashlib.sha256(data).hexdigest()
        etag = f'"{digest}"'
        start, end = 0, len(data)
        asked = request.headers.get("range", "")
        partial = owner.ranges and asked and request.headers.get("if-range", etag) == etag
        if partial:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last) + 1 if last else end, end)
        if start >= len(data):
            self._status(416)
            return
        self.send_response(206 if partial else 200)
        if partial:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")
        length = owner.claimed_length if owner.claimed_length is not None else end - start
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", etag)
        if "/resolve/" in self.path:
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("X-Linked-Size", str(len(data)))
            self.send_header("X-Linked-ETag", etag)
        self.end_headers()
        if with_body:
            self._body(request, data, start, end)

    def _body(self, request: Request, data: bytes, start: int, end: int) -> None:
        owner = self.owner
        stop = end if owner.drop_after is None else min(end, start + owner.drop_after)
        sent = bytearray(data[start:stop])
        for offset in owner.flipped:
            if start <= offset < stop:
                sent[offset - start] ^= 0xFF
        try:
            for offset in range(start, stop, CHUNK):
                if owner.stall_after is not None and offset - start >= owner.stall_after:
                    owner.stopped.wait(60)
                    break
                request.sent += min(CHUNK, stop - offset)  # before: a client that has all of it may look at once
                self.wfile.write(sent[offset - start : min(offset + CHUNK, stop) - start])
                time.sleep(owner.pause)
        except ConnectionError:  # the client was killed
            self.close_connection = True
        if stop < end or owner.claimed_length is not None or owner.stall_after is not None:
            self.close_connection = True
