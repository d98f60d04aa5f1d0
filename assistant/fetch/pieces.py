"""A large file in pieces, several at once (RFC 9110, section 14).

Each piece is a file whose size says how far it has come, so that a kill costs nothing; those that are whole are joined
in order to the partial file, which is hashed as it grows.
"""

import re
import shutil
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Self

import httpx2

from assistant.fetch.connection import BrokenOffError, Remote, insist, refuse
from assistant.fetch.transfer import Expected, Listener, PartialFile, SourceError
from assistant.fetch.validator import Validator, version_of

CONNECTIONS = 4
# Smaller files are here before further connections are.
SMALLEST_FILE = 16 << 20
SMALLEST_PIECE = 4 << 20
_MOST_PIECES = 32
_COPY = 1 << 20
_POLL_SECONDS = 0.05
_END_SECONDS = 1.0
_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")


class _ChangedError(Exception):
    """The server sends another file by now, or no ranges any more."""


class Piece:
    """The bytes from `start` up to `end`, as far as they have come.

    Attributes:
        have: bytes so far.
    """

    def __init__(self, folder: Path, start: int, end: int) -> None:
        """Goes on with what an earlier run left in `folder`."""
        self.path = folder / str(start)
        self.start = start
        self.end = end
        self.have = self.path.stat().st_size if self.path.exists() else 0
        if self.have > end - start:  # not what such a run writes
            self.path.unlink()
            self.have = 0

    @property
    def whole(self) -> bool:
        """Whether all of it is here."""
        return self.have == self.end - self.start


class Pieces:
    """What is missing of a partial file, cut at multiples of a length that follows from the file's."""

    def __init__(self, folder: Path, partial: PartialFile, size: int, length: int) -> None:
        """What an earlier run left in `folder` is gone on with."""
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self._partial = partial
        self._length = length
        self.size = size
        self._join_rest(folder / str(partial.size // length * length))
        bounds = [partial.size, *range((partial.size // length + 1) * length, size, length), size]
        wanted = [Piece(folder, start, end) for start, end in pairwise(bounds)]
        self._missing: list[Piece] = [] if partial.size == size else wanted

    @classmethod
    def of(cls, work: Path, partial: PartialFile, expected: Expected) -> Self | None:
        """The pieces of a file that is large enough for them, and can be verified when they are joined."""
        size = expected.size
        if size is None or expected.sha256 is None or size < SMALLEST_FILE:
            return None
        length = max(SMALLEST_PIECE, -(-size // _MOST_PIECES))
        return cls(work / f"pieces-{length}", partial, size, length)

    def __iter__(self) -> Iterator[Piece]:
        """Those that are not joined, in order."""
        return iter(self._missing)

    @property
    def done(self) -> int:
        """Bytes in pieces that are not joined."""
        return sum(piece.have for piece in self._missing)

    @property
    def moved(self) -> int:
        """Bytes of the file that are here."""
        return self._partial.size + self.done

    @property
    def room(self) -> int:
        """Bytes that the disk has to have free: a piece lies there twice while it is joined."""
        return self.size - self.moved + (self._length if self._missing else 0)

    def join(self) -> None:
        """Appends the pieces that are whole, as far as none is missing before them."""
        while self._missing and self._missing[0].whole:
            piece = self._missing[0]
            self._append(piece.path, 0)
            del self._missing[0]
            piece.path.unlink()

    def drop(self) -> None:
        """Forgets the pieces; what is joined stays."""
        self._missing = []
        shutil.rmtree(self._folder, ignore_errors=True)

    def restart(self) -> None:
        """Forgets everything, the partial file too."""
        self.drop()
        self._partial.restart()

    def _join_rest(self, path: Path) -> None:
        """Ends what a kill cut short: a piece that is joined up to the partial file's end, and not deleted yet."""
        joined = self._partial.size - int(path.name)
        if joined and path.exists():
            self._append(path, joined)
            path.unlink()

    def _append(self, path: Path, offset: int) -> None:
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            while chunk := file.read(_COPY):
                self._partial.write(chunk)


def receive_pieces(remote: Remote, pieces: Pieces, validator: Validator, listener: Listener) -> bool:
    """Completes the partial file; False, with no pieces left, where the server sends no ranges.

    Raises:
        SourceError: the file cannot be had.
    """
    try:
        if not _sends_ranges(remote, pieces, validator):
            pieces.drop()
            return False
        listener.started(pieces.moved, pieces.size)
        _Workers(remote, pieces, validator.condition()).run(listener)
    except _ChangedError:
        pieces.restart()
        return False
    pieces.drop()
    return True


def _sends_ranges(remote: Remote, pieces: Pieces, validator: Validator) -> bool:
    """Asks for one byte. A file that is not the one the pieces are of begins anew."""
    answers: list[bool] = []

    def ask() -> None:
        with remote.answer({"Range": "bytes=0-0"}) as response:
            if response.status_code == httpx2.codes.OK:
                answers.append(False)
                return
            _check_range(response, 0, 1, pieces.size)
            version = version_of(response.headers)
            if pieces.moved and validator.version not in (None, version):
                raise _ChangedError
            validator.remember(response.headers)
            answers.append(True)

    insist(ask, lambda: 0)
    return answers[-1]


class _Workers:
    """Threads that each take the next piece until none is left."""

    def __init__(self, remote: Remote, pieces: Pieces, condition: dict[str, str]) -> None:
        self._remote = remote
        self._pieces = pieces
        self._condition = condition
        self._stop = threading.Event()
        self._queue: SimpleQueue[Piece] = SimpleQueue()
        # A server may grant fewer connections than are asked for: one that gives up is an end only if it was the last.
        self._given_up: SourceError | None = None
        self._failure: BaseException | None = None

    def run(self, listener: Listener) -> None:
        """Joins what the threads bring until all is there.

        Raises:
            SourceError: it cannot be had.
            _ChangedError: the server sends another file by now.
            OSError: it cannot be written.
        """
        for piece in self._pieces:
            if not piece.whole:
                self._queue.put(piece)
        threads = [
            threading.Thread(target=self._work, daemon=True) for _ in range(min(CONNECTIONS, self._queue.qsize()))
        ]
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads) and self._failure is None:
                self._stop.wait(_POLL_SECONDS)
                self._pieces.join()
                listener.moved(self._pieces.moved)
        except Exception:  # a disk that is full, say; who presses Ctrl-C waits for no server
            self._end(threads)
            raise
        finally:
            self._stop.set()
        self._end(threads)
        if self._failure is not None:
            raise self._failure
        self._pieces.join()
        listener.moved(self._pieces.moved)
        if any(True for _ in self._pieces):
            assert self._given_up is not None
            raise self._given_up

    def _end(self, threads: list[threading.Thread]) -> None:
        """Gives threads at work the time to notice, so that none writes to a piece that is being deleted."""
        self._stop.set()
        for thread in threads:
            thread.join(_END_SECONDS)

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                piece = self._queue.get_nowait()
                try:
                    insist(self._attempt(piece), lambda piece=piece: piece.have, self._stop.wait)  # type: ignore[misc]
                except SourceError as error:
                    if isinstance(error.__cause__, BrokenOffError | httpx2.TransportError):
                        self._given_up = error
                        self._queue.put(piece)
                        return
                    raise
        except Empty:
            return
        except BaseException as error:  # noqa: BLE001 - raised again by `run`, in the thread that waits for it
            self._failure = error
            self._stop.set()

    def _attempt(self, piece: Piece) -> Callable[[], None]:
        return lambda: self._receive(piece)

    def _receive(self, piece: Piece) -> None:
        """Asks for what is missing of a piece and writes it."""
        if self._stop.is_set():
            return
        first = piece.start + piece.have
        headers = {"Range": f"bytes={first}-{piece.end - 1}", **self._condition}
        with self._remote.answer(headers) as response, piece.path.open("ab", buffering=0) as file:
            if response.status_code == httpx2.codes.OK:
                raise _ChangedError
            _check_range(response, first, piece.end, self._pieces.size)
            for chunk in response.iter_raw():
                if self._stop.is_set():
                    return
                if piece.have + len(chunk) > piece.end - piece.start:
                    raise SourceError("the server sends more than the range it was asked for")
                rest = memoryview(chunk)
                while rest:
                    rest = rest[file.write(rest) :]
                piece.have += len(chunk)
        if not piece.whole:
            raise BrokenOffError(f"{piece.have} of {piece.end - piece.start} bytes of a range came")


def _check_range(response: httpx2.Response, first: int, end: int, size: int) -> None:
    """Raises unless the answer is the file's bytes from `first`, `end` at most."""
    if response.status_code != httpx2.codes.PARTIAL_CONTENT:
        refuse(response)
    told = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    if told is None:
        raise SourceError("the server sends a range and does not say which")
    if int(told[3]) != size:
        raise SourceError(f"the server's file has {told[3]} bytes instead of {size}")
    if int(told[1]) != first or int(told[2]) >= end:
        raise SourceError(f"the server sends the range {told[1]} to {told[2]} instead of {first} to {end - 1}")
