"""A Hugging Face hub on the loopback interface, as far as one repository of models goes: what is read, and commits.

As on the hub, small files come within the commit, and `.gguf` files before it, by Git LFS, to a storage at another
address, to which whoever asks for one is redirected with a signed address. The hub's newer way in, xet, it has not:
tests set HF_HUB_DISABLE_XET.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, Self

from tests.loopback import LoopbackServer
from tests.model_server import ModelServer

REPO = "org/repo"
TOKEN = "hf_secret"
_SIGNED = "X-Signature=0123"


@dataclass
class HubServer(LoopbackServer):
    """One repository, `REPO`, which `TOKEN` may write.

    Attributes:
        files: what is in it now.
        storage: the large ones by their signed addresses, and what was asked of it.
        refuse_uploads: whether the storage takes none.
        commits: the files of each commit, and its message.
        race: files that somebody else commits just before the next commit arrives.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    storage: ModelServer = field(default_factory=lambda: ModelServer({}))
    refuse_uploads: bool = False
    commits: list[tuple[str, list[str]]] = field(default_factory=list)
    race: dict[str, bytes] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.storage.__enter__()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self.storage.__exit__(kind, error, trace)

    def handler(self) -> type[BaseHTTPRequestHandler]:
        return _Handler

    @property
    def head(self) -> str:
        """The commit that names all files as they are now."""
        state = sorted((name, hashlib.sha256(data).hexdigest()) for name, data in self.files.items())
        return hashlib.sha1(repr(state).encode()).hexdigest()

    def store(self, data: bytes) -> None:
        """Takes a large file into the storage."""
        self.storage.files[_object(hashlib.sha256(data).hexdigest())] = data


def _is_large(name: str) -> bool:
    """As the hub's usual .gitattributes have it."""
    return name.endswith(".gguf")


def _object(digest: str) -> str:
    return f"/objects/{digest}?{_SIGNED}"


class _Handler(BaseHTTPRequestHandler):
    owner: HubServer

    def do_HEAD(self) -> None:
        self._read(with_body=False)

    def do_GET(self) -> None:
        self._read(with_body=True)

    def do_POST(self) -> None:
        body = self._body()
        api, lfs = f"/api/models/{REPO}", f"/{REPO}.git/info/lfs/"
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._json(401, {"error": "Invalid username or password."})
        elif self.path.startswith(f"{api}/preupload/"):
            files = [
                {
                    "path": each["path"],
                    "uploadMode": "lfs" if _is_large(each["path"]) else "regular",
                    "shouldIgnore": False,
                }
                for each in json.loads(body)["files"]
            ]
            self._json(200, {"files": files})
        elif self.path == f"{lfs}objects/batch":
            self._batch(json.loads(body))
        elif self.path == f"{lfs}verify":
            known = _object(json.loads(body)["oid"]) in self.owner.storage.files
            self._json(200 if known else 404, {})
        elif self.path.startswith(f"{api}/commit/"):
            self._commit(body)
        else:
            self._json(404, {"error": "Not found"}, {"X-Error-Code": "RepoNotFound"})

    def do_PUT(self) -> None:
        """The storage's side of an upload: whoever has the signed address may write there, unnamed."""
        data = self._body()
        _, _, digest = self.path.partition("/upload/")
        if self.owner.refuse_uploads or self.headers.get("Authorization") or not digest.endswith(f"?{_SIGNED}"):
            self._json(403, {"error": "AccessDenied"})
            return
        self.owner.store(data)
        self._json(200, {})

    def _batch(self, asked: dict[str, Any]) -> None:
        """Where objects go, by Git LFS's batch API; nowhere, if they are there."""
        hub = self.owner
        assert asked["operation"] == "upload"
        objects = []
        for each in asked["objects"]:
            answer = {"oid": each["oid"], "size": each["size"]}
            if _object(each["oid"]) not in hub.storage.files:
                answer["actions"] = {
                    "upload": {"href": f"{hub.url}/upload/{each['oid']}?{_SIGNED}", "header": {}},
                    "verify": {"href": f"{hub.url}/{REPO}.git/info/lfs/verify", "header": {}},
                }
            objects.append(answer)
        self._json(200, {"transfer": "basic", "objects": objects})

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
        resolve, cached = f"/{REPO}/resolve/", f"/api/resolve-cache/models/{REPO}/"
        is_cached = self.path.startswith(cached)
        if is_cached:
            resolve = cached
        if not self.path.startswith(resolve):
            self._json(404, {"error": "Not found"}, {"X-Error-Code": "RepoNotFound"})
            return
        _, _, name = self.path.removeprefix(resolve).partition("/")
        if name not in hub.files:
            self._json(404, {"error": "Not found"}, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": hub.head})
            return
        data = hub.files[name]
        headers = {"X-Repo-Commit": hub.head}
        if _is_large(name):
            digest = hashlib.sha256(data).hexdigest()
            hub.store(data)
            headers |= {"X-Linked-Size": str(len(data)), "X-Linked-ETag": f'"{digest}"'}
            self._empty(302, {**headers, "Location": f"http://localhost:{hub.storage.port}{_object(digest)}"})
            return
        blob = b"blob %d\0" % len(data) + data  # what git names it by
        headers |= {"ETag": f'"{hashlib.sha1(blob).hexdigest()}"'}
        if not is_cached:
            self._empty(307, {**headers, "Location": f"{cached}{hub.head}/{name}"})
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        for header, value in headers.items():
            self.send_header(header, value)
        self.end_headers()
        if with_body:
            self.wfile.write(data)

    def _empty(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

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
        for line in lines:
            if line["key"] == "lfsFile":
                value = line["value"]
                data = hub.storage.files.get(_object(value["oid"]))
                if value["algo"] != "sha256" or data is None or len(data) != value["size"]:
                    self._json(400, {"error": f"{value['path']} was not uploaded"})
                    return
                files[value["path"]] = data
        assert not any(_is_large(line["value"]["path"]) for line in lines if line["key"] == "file")
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
