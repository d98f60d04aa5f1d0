"""What prompts of a project begin with, kept for its next start, and whether its files still say so."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pydantic

from assistant.context.similarity import LIKE_ANOTHER, line_set

# Chunks come from definitions, whose files are smaller, and from places worked at.
_MAX_FILE_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class SavedChunk:
    """A chunk in a prompt, and its score when it was last ranked."""

    path: str
    text: str
    score: Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, slots=True)
class SavedDocument:
    """The chunks of a document's prompts in their order, and the place they were chosen for.

    Attributes:
        uri: the document's.
        offset: of the cursor.
        following: the beginning of the text after the cursor's line.
        chunks: in the order of the prompt.
    """

    uri: str
    offset: Annotated[int, pydantic.Field(ge=0)]
    following: str
    chunks: tuple[SavedChunk, ...]


@dataclass(frozen=True, slots=True)
class SavedVisit:
    """A chunk that was worked on, as `assistant.context.ring` has it."""

    uri: str
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class SavedContext:
    """A project's context.

    Attributes:
        documents: the least recently used first.
        visits: the oldest first.
    """

    documents: tuple[SavedDocument, ...] = ()
    visits: tuple[SavedVisit, ...] = ()


class Sources:
    """The texts that chunks came from, as they are now; each file is read once."""

    def __init__(self, root: Path | None, open_texts: dict[str, str]) -> None:
        """`root` is the project's folder; `open_texts` are the editor's, by path as chunks have it, and go first."""
        self._root = root
        self._texts: dict[str, str | None] = dict(open_texts)

    def still_say(self, path: str, text: str) -> bool:
        """Whether the file has about all of the chunk's lines; False where there is none to ask."""
        if path not in self._texts:
            self._texts[path] = self._read(path)
        source = self._texts[path]
        # `assistant.context.outline` closes docstrings that it cuts.
        lines = [line.removesuffix('"""') for line in line_set(text)]
        return source is not None and sum(line in source for line in lines) >= LIKE_ANOTHER * len(lines)

    def _read(self, path: str) -> str | None:
        if self._root is None:
            return None
        try:
            file = (self._root / path).resolve()
            if not file.is_relative_to(self._root) or file.stat().st_size > _MAX_FILE_BYTES:
                return None
            return file.read_bytes().decode("utf-8-sig", errors="replace")
        except (OSError, ValueError):  # ValueError: a null character in a path
            return None
