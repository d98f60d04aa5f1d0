"""Stopping a computation from another thread."""

import ctypes
from threading import Event


class Cancellation(Event):
    """An event that native code can see: setting it stops prefill and decoding within a fraction of a token.

    Native code asks before each of the hundreds of steps of a token. A Python callback would take the interpreter's
    lock each time: with one other busy thread, as in a language server, decoding was measured 10 times slower. So the
    flag is a byte in memory, which is read without Python.
    """

    def __init__(self) -> None:
        super().__init__()
        self._native = ctypes.create_string_buffer(2)

    def set(self) -> None:
        """Asks the computation to stop; what it did until then stays usable."""
        self._native[0] = b"\x01"
        super().set()

    def set_softly(self) -> None:
        """Asks it to stop once what it evaluates at this moment, a batch or a token, is done: none of it is lost."""
        super().set()

    def clear(self) -> None:
        """Makes the cancellation usable for another computation."""
        self._native[0] = b"\x00"
        super().clear()

    @property
    def address(self) -> int:
        """Where the flag is: a string of one byte once set, an empty one before. Valid as long as this object is."""
        return ctypes.addressof(self._native)
