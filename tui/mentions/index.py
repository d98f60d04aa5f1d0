"""The names of a project: files, folders, and what files define."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from assistant.chat.visible import visible_line
from tui.code.definitions import places
from tui.mentions.fuzzy import best

# A project's names are walked again when they are this old.
_SECONDS = 10.0
_FILES_READ, _FILE_BYTES = 3_000, 300_000
SPECIAL = ("diff", "output")


@dataclass(slots=True)
class Index:
    """What can be named in a project; made and refreshed in a thread, searched in any.

    Attributes:
        root: the project's folder.
        files: paths in it, posix, without what git ignores.
        folders: those with files in them, with a slash at the end.
        symbols: `path#name` of what files define.
    """

    root: Path
    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    _odd: dict[str, str] = field(default_factory=dict)
    _walked_at: float = field(default=float("-inf"))

    @property
    def is_stale(self) -> bool:
        """Whether files may have come or gone since it was made."""
        return time.monotonic() - self._walked_at > _SECONDS

    def refresh(self) -> None:
        """Walks through the project, then reads what its files define."""
        from assistant.project_files import project_files

        found = [(file.name, file.size) for file in project_files(self.root, lambda error: None)]
        self.files = tuple(sorted(name for name, _ in found))
        self.folders = tuple(sorted({f"{parent}/" for name, _ in found for parent in _parents(name)}))
        self._odd = {visible_line(name): name for name in (*self.files, *self.folders) if visible_line(name) != name}
        self._walked_at = time.monotonic()
        self.symbols = tuple(self._symbols([name for name, size in sorted(found) if size <= _FILE_BYTES]))

    def real(self, path: str) -> str:
        """The name of what is shown and typed as `path`: the same, but for names with control characters."""
        return self._odd.get(path, path)

    def search(self, query: str, count: int) -> list[str]:
        """The names that fit best; symbols only where letters are given for them."""
        if "#" in query:
            path, _, symbol = query.partition("#")
            return best(f"{path}{symbol}", [name for name in self.symbols if name.startswith(path)], count)
        names = [*SPECIAL, *self.files, *self.folders]
        found = best(query, names, count)
        if len(query) < 2:
            return found
        # What is defined is found by its own name alone: with its file's letters everything would fit.
        by_name = {name: name.rpartition("#")[2] for name in self.symbols}
        wanted = set(best(query, by_name.values(), count))
        symbols = [name for name, symbol in by_name.items() if symbol in wanted]
        return best(query, [*found, *symbols], count)

    def _symbols(self, names: list[str]) -> list[str]:
        from assistant.grammars import grammar_of

        symbols: list[str] = []
        for name in names[:_FILES_READ]:
            grammar = grammar_of(path=Path(name))
            if grammar is None:
                continue
            try:
                source = (self.root / name).read_text(encoding="utf-8")
            except (OSError, ValueError):
                continue
            symbols += [f"{name}#{place.name}" for place in places(source, grammar)]
            time.sleep(0.001)  # the screen goes first
        return symbols


def _parents(name: str) -> list[str]:
    parts = name.split("/")[:-1]
    return ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
