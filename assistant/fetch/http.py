"""Source: an http or https address, with resume."""

import ipaddress
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from assistant.catalog import HttpSource
from assistant.fetch.transfer import Delivered, Expected, Listener, PartialFile, SourceError, require_space
from assistant.store_entries import MODEL_FILE

_CONNECT_SECONDS = 5.0
_READ_SECONDS = 30.0
_REDIRECTS = 5
# Seconds before each further try, counted anew whenever bytes have come.
_PAUSES = (0.5, 1.0, 2.0, 4.0)


class _InterruptedError(Exception):
    """The transfer broke off; trying again may do."""


@dataclass(frozen=True, slots=True)
class _Body:
    """What a server is about to send: its first byte's offset in the file, and the file's bytes if it says so."""

    offset: int
    total: int | None


def download(source: HttpSource, work: Path, expected: Expected, listener: Listener) -> Delivered:
    """The file at the source's address, going on from what an earlier run left in `work`.

    Raises:
        SourceError: it cannot be had, or is not the expected one.
        FetchError: no space for it.
    """
    return receive(source.url, {}, work, expected, listener)


def receive(url: str, headers: Mapping[str, str], work: Path, expected: Expected, listener: Listener) -> Delivered:
    """The file at `url`, asked for with `headers` besides our own; see `download`."""
    if not _is_safe(httpx2.URL(url)) and expected.sha256 is None:
        raise SourceError("plain http without a known SHA-256 would let anyone on the way change the file")
    timeout = httpx2.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
    with PartialFile(work / MODEL_FILE) as partial, httpx2.Client(timeout=timeout) as client:
        if expected.size is not None and partial.size > expected.size:
            partial.restart()
        if expected.size is None or partial.size < expected.size:
            require_space(work, (expected.size or 0) - partial.size)
            _Transfer(client, httpx2.URL(url), headers, partial, expected, listener).run()
        return partial.finish(expected)


@dataclass(frozen=True, slots=True)
class _Transfer:
    """One file on its way from one address."""

    client: httpx2.Client
    url: httpx2.URL
    headers: Mapping[str, str]
    partial: PartialFile
    expected: Expected
    listener: Listener

    def run(self) -> None:
        """Asks again, from where it broke off, until the whole has come or nothing comes any more."""
        failures = 0
        answered = False
        while True:
            before = self.partial.size
            try:
                return self._receive()
            except (httpx2.TransportError, _InterruptedError) as error:
                answered = answered or isinstance(error, _InterruptedError) or self.partial.size != before
                # A server that was never reached will not be in a second either, and another source may be at hand.
                if not answered and isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
                    raise SourceError(f"no connection ({_reason(error)})", unreachable=True) from error
                failures = 1 if self.partial.size > before else failures + 1
                if failures > len(_PAUSES):
                    raise SourceError(f"the transfer broke off ({_reason(error)})", unreachable=not answered) from error
                time.sleep(_PAUSES[failures - 1])

    def _receive(self) -> None:
        """Asks for what is missing and writes it; returns when the server has sent the whole."""
        validator = _Validator(self.partial.path.with_name("validator.json"))
        headers = {**self.headers, "Accept-Encoding": "identity"}
        if self.partial.size:
            headers |= {"Range": f"bytes={self.partial.size}-"} | validator.condition()
        with self._answer(headers) as response:
            body = _body(response, self.partial)
            if self.expected.size is not None and body.total not in (None, self.expected.size):
                raise SourceError(f"the server's file has {body.total} bytes instead of {self.expected.size}")
            if body.offset == 0:
                self.partial.restart()
                validator.remember(response.headers)
            total = body.total or self.expected.size
            self.listener.started(self.partial.size, total)
            # Unbuffered: what came before a connection broke is kept, to the last byte.
            for chunk in response.iter_raw():
                if total is not None and self.partial.size + len(chunk) > total:
                    raise SourceError(f"the server sends more than {total} bytes")
                self.partial.write(chunk)
                self.listener.moved(self.partial.size)
        if total is not None and self.partial.size < total:
            raise _InterruptedError(f"{self.partial.size} of {total} bytes came")

    @contextmanager
    def _answer(self, headers: dict[str, str]) -> Iterator[httpx2.Response]:
        """The answer to a GET, after redirects; none leads from a secure address to one that is not."""
        address = self.url
        for _ in range(_REDIRECTS + 1):
            with self.client.stream("GET", address, headers=headers, follow_redirects=False) as response:
                if not response.has_redirect_location:
                    yield response
                    return
                target = address.join(response.headers["Location"])
            if not _is_safe(target) or (_is_loopback(target) and not _is_loopback(address)):
                raise SourceError(f"the server redirects to {target}, which is not https")
            if target.host != address.host:
                headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            address = target
        raise SourceError(f"the server redirects more than {_REDIRECTS} times")


def _body(response: httpx2.Response, partial: PartialFile) -> _Body:
    status = response.status_code
    if status == httpx2.codes.PARTIAL_CONTENT:
        unit, _, extent = response.headers.get("Content-Range", "").partition(" ")
        first, _, total = extent.replace("/", "-").partition("-")
        total = total.partition("-")[2]
        if unit == "bytes" and first == str(partial.size):
            return _Body(partial.size, int(total) if total.isdecimal() else None)
    elif status == httpx2.codes.OK:
        length = response.headers.get("Content-Length", "")
        return _Body(0, int(length) if length.isdecimal() else None)
    elif status < 500 and status not in (
        httpx2.codes.REQUEST_TIMEOUT,
        httpx2.codes.RANGE_NOT_SATISFIABLE,
        httpx2.codes.TOO_MANY_REQUESTS,
    ):
        raise SourceError(f"the server answers {status} {response.reason_phrase}")
    if status in (httpx2.codes.PARTIAL_CONTENT, httpx2.codes.RANGE_NOT_SATISFIABLE):
        partial.restart()  # the server's file is not the one this part is of
    raise _InterruptedError(f"the server answers {status} {response.reason_phrase}")


class _Validator:
    """What the server called the version of the file that a partial file is of (RFC 9110, section 13.1.5)."""

    def __init__(self, path: Path) -> None:
        """Kept at `path`."""
        self._path = path

    def condition(self) -> dict[str, str]:
        """The header that has the server send the whole file if it is another one by now."""
        try:
            return {"If-Range": str(json.loads(self._path.read_text(encoding="utf-8"))["version"])}
        except (OSError, ValueError, KeyError, TypeError):  # none was given, or a kill cut it short
            return {}

    def remember(self, headers: httpx2.Headers) -> None:
        """Keeps what the server calls the version it is about to send."""
        etag = headers.get("ETag", "")
        version = etag if etag.startswith('"') else headers.get("Last-Modified")
        if version is None:
            self._path.unlink(missing_ok=True)
        else:
            self._path.write_text(json.dumps({"version": version}), encoding="utf-8")


def _is_loopback(url: httpx2.URL) -> bool:
    if url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False


def _is_safe(url: httpx2.URL) -> bool:
    return url.scheme == "https" or (url.scheme == "http" and _is_loopback(url))


def _reason(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
