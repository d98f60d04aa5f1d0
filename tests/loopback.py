"""A real HTTP server on the loopback interface: what every server of the tests begins with."""

import threading
from abc import ABC, abstractmethod
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self


class LoopbackServer(ABC):
    """A context manager: serves at `url`, each connection in a thread of its own."""

    @abstractmethod
    def handler(self) -> type[BaseHTTPRequestHandler]:
        """What answers a connection; it finds the server as its `owner`."""

    def __enter__(self) -> Self:
        given = {"owner": self, "protocol_version": "HTTP/1.1", "log_message": lambda *_: None}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (self.handler(),), given))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"
