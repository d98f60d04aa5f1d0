"""What a prompt is given besides the text around the cursor."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a file.

    Attributes:
        path: the file's path relative to the project, posix; its own name when it is elsewhere.
        text: whole lines, with `\\n` for line ends.
    """

    path: str
    text: str
