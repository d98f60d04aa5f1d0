"""A client's messages in the server's own thread: pygls reads each line of standard input in a thread of a pool."""

import asyncio
import os
from contextlib import suppress
from threading import Thread
from typing import BinaryIO

from assistant.errors import UsageError

# As much as a pipe holds.
_CHUNK = 1 << 16
# Of a header's line, which pygls takes however long it is.
_LONGEST_LINE = 1 << 30


class InTurn(asyncio.StreamReader):
    """Gives a message once what the one before has begun has taken its first step: each sees the text of its turn."""

    async def readexactly(self, n: int) -> bytes:
        """The next `n` bytes, which are a message."""
        await asyncio.sleep(0)
        return await super().readexactly(n)


def reader_of(stdin: BinaryIO) -> asyncio.StreamReader:
    """What comes from `stdin`, for the running loop.

    The loop itself waits for pipes, sockets and terminals. A file, or a system whose loop cannot, has a thread for it.
    """
    reader, loop = InTurn(_LONGEST_LINE), asyncio.get_running_loop()
    descriptor = stdin.fileno()

    def read() -> None:
        if not _feed(reader, _read(descriptor)):
            loop.remove_reader(descriptor)

    try:
        loop.add_reader(descriptor, read)
    except (NotImplementedError, OSError):
        # A daemon: nobody can wake it before something comes.
        Thread(target=_read_all, args=(descriptor, reader, loop), name="sned-stdin", daemon=True).start()
    return reader


async def connection_to(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Both ways of the first connection to a port; then nobody listens there any more.

    Raises:
        UsageError: the port is taken, or not ours to take.
    """
    loop = asyncio.get_running_loop()
    connected: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = loop.create_future()

    def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if connected.done():
            writer.close()
        else:
            connected.set_result((reader, writer))

    def protocol() -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(InTurn(_LONGEST_LINE), connect)

    try:
        listening = await loop.create_server(protocol, host, port)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise UsageError(f"Nobody can listen on port {port} of {host} ({reason}); choose another port.") from None
    try:
        return await connected
    finally:
        listening.close()


def _read(descriptor: int) -> bytes:
    # Whoever goes away without a word may leave an error instead of an end.
    with suppress(OSError):
        return os.read(descriptor, _CHUNK)
    return b""


def _feed(reader: asyncio.StreamReader, data: bytes) -> bool:
    """Gives `reader` what was read; False at the end."""
    if data:
        reader.feed_data(data)
    else:
        reader.feed_eof()
    return bool(data)


def _read_all(descriptor: int, reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop) -> None:
    data = b"not yet at the end"
    with suppress(RuntimeError):  # the loop has ended before
        while data:
            data = _read(descriptor)
            loop.call_soon_threadsafe(_feed, reader, data)
