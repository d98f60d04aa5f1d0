"""A Hugging Face hub on the loopback interface, as far as small repositories go: what is read, and commits.

Files are taken as the hub takes small ones, within the commit; it has no large-file storage.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.loopback import LoopbackServer

REPO = "org/repo"
TOKEN = "hf_secret"


@dataclass
class HubServer(LoopbackServer):
    """One repository, `REPO`, which `TOKEN` may write.

    Attributes:
        files: what is in it now.
        commits: the files of each commit, and its message.
        race: files that somebody else commits just before the next commit arrives.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[tuple[str, list[str]]] = field(default_factory=list)
    race: dict[str, bytes] = field(default_factory=dict)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return _Handler

    @property
    def head(self) -> str:
        """The commit that names all files as they are now."""
        state = sorted((name, hashlib.sha256(data).hexdigest()) for name, data in self.files.items())
        return hashlib.sha1(repr(state).encode()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    owner: HubServer

    def do_HEAD(self) -> None:
        self._read(with_body=False)

    def do_GET(self) -> None:
        self._read(with_body=True)

    def do_POST(self) -> None:
        body = self._body()
        api = f"/api/models/{REPO}"
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._json(401, {"error": "Invalid username or password."})
        elif self.path.startswith(f"{api}/preupload/"):
            files = [
                {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False}
                for each in json.loads(body)["files"]
            ]
            self._json(200, {"files": files})
        elif self.path.startswith(f"{api}/commit/"):
            self._commit(body)
        else:
            self._json(404, {"error": "Not found"}, {"X-Error-Code": "RepoNotFound"})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _read(self, *, with_body: bool) -> None:
        hub = self.owner
        if self.path.partition("?")[0] == f"/api/models/{REPO}":
            self._json(200, {"id": REPO, "sha": hub.head, "siblings": []})
            return
        resolve = f"/{REPO}/resolve/"
        if not self.path.startswith(resolve):
            self._json(404, {"error": "Not found"}, {"X-Error-Code": "RepoNotFound"})
            return
        _, _, name = self.path.removeprefix(resolve).partition("/")
        if name not in hub.files:
            self._json(404, {"error": "Not found"}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": hub.head})
            return
        data = hub.files[name]
        digest = hashlib.sha256(data).hexdigest()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        for header, value in (("ETag", f'"{digest}"'), ("X-Linked-ETag", f'"{digest}"'), ("X-Repo-Commit", hub.head)):
            self.send_header(header, value)
        self.end_headers()
        if with_body:
            self.wfile.write(data)

    def _commit(self, body: bytes) -> None:
        hub = self.owner
        lines = [json.loads(line) for line in body.splitlines()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        hub.files |= hub.race
        hub.race = {}
        if header.get("parentCommit") not in (None, hub.head):
            self._json(412, {"error": "A commit has happened since. Please refresh and try again."})
            return
        files = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"]) for line in lines if line["key"] == "file"
        }
        hub.files |= files
        hub.commits.append((header["summary"], sorted(files)))
        self._json(200, {"commitUrl": f"{hub.url}/{REPO}/commit/{hub.head}", "commitOid": hub.head})

    def _json(self, status: int, answer: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
