"""Source: an http or https address, with resume; large files in pieces where the server sends ranges."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx2

from assistant.catalog import HttpSource
from assistant.fetch.connection import BrokenOffError, Remote, insist, is_safe, opened, parsed, refuse
from assistant.fetch.pieces import Pieces, receive_pieces
from assistant.fetch.transfer import Delivered, Expected, Listener, PartialFile, SourceError, require_space
from assistant.fetch.validator import Validator
from assistant.store_entries import MODEL_FILE


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
    if not is_safe(parsed(url)) and expected.sha256 is None:
        raise SourceError("plain http without a known SHA-256 would let anyone on the way change the file")
    with PartialFile(work / MODEL_FILE) as partial, opened(url, headers) as remote:
        if expected.size is not None and partial.size > expected.size:
            partial.restart()
        validator = Validator(work / "validator.json")
        pieces = Pieces.of(work, partial, expected)
        if expected.size is None or partial.size < expected.size:
            require_space(work, pieces.room if pieces is not None else (expected.size or 0) - partial.size)
            if pieces is None or not receive_pieces(remote, pieces, validator, listener):
                _Stream(remote, partial, expected, validator, listener).run()
        return partial.finish(expected)


@dataclass(frozen=True, slots=True)
class _Stream:
    """One file on its way from one address, from its beginning to its end."""

    remote: Remote
    partial: PartialFile
    expected: Expected
    validator: Validator
    listener: Listener

    def run(self) -> None:
        """Asks again, from where it broke off, until the whole has come or nothing comes any more."""
        insist(self._receive, lambda: self.partial.size)

    def _receive(self) -> None:
        """Asks for what is missing and writes it; returns when the server has sent the whole."""
        headers: dict[str, str] = {}
        if self.partial.size:
            headers = {"Range": f"bytes={self.partial.size}-"} | self.validator.condition()
        with self.remote.answer(headers) as response:
            body = _body(response, self.partial)
            if self.expected.size is not None and body.total not in (None, self.expected.size):
                raise SourceError(f"the server's file has {body.total} bytes instead of {self.expected.size}")
            if body.offset == 0:
                self.partial.restart()
                self.validator.remember(response.headers)
            total = body.total or self.expected.size
            self.listener.started(self.partial.size, total)
            # Unbuffered: what came before a connection broke is kept, to the last byte.
            for chunk in response.iter_raw():
                if total is not None and self.partial.size + len(chunk) > total:
                    raise SourceError(f"the server sends more than {total} bytes")
                self.partial.write(chunk)
                self.listener.moved(self.partial.size)
        if total is not None and self.partial.size < total:
            raise BrokenOffError(f"{self.partial.size} of {total} bytes came")


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
    if status in (httpx2.codes.PARTIAL_CONTENT, httpx2.codes.RANGE_NOT_SATISFIABLE):
        partial.restart()  # the server's file is not the one this part is of
        raise BrokenOffError(f"the server answers {status} {response.reason_phrase}")
    refuse(response)
    raise AssertionError  # it always raises
