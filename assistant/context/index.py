"""Where a project defines what: names in memory, the definitions themselves read again when they are asked for."""

import sys
import threading
import time
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from assistant.context.node_types import LANGUAGES
from assistant.context.outline import Definition, outline
from assistant.grammars import Grammar, grammar_of
from assistant.languages import Language
from assistant.project_files import ProjectFile, project_files
from assistant.source_text import HEAD_BYTES, is_machine_made

# Larger sources are mostly tables, and take longer to parse than their definitions are worth.
MAX_FILE_BYTES = 256 * 1024
MAX_FILES = 20_000
MAX_NAMES_PER_FILE = 1_000
MAX_NAMES = 500_000

# Files edited in the editor are told; others change by checkouts and builds.
_RESCAN_SECONDS = 300.0
# Definitions of so many files are kept as text.
_MAX_OUTLINES = 256


@dataclass(frozen=True, slots=True)
class _File:
    """What is known of a file; `stamp` is its size and time of change, None for an editor's text."""

    language: Language
    stamp: tuple[int, int] | None
    names: tuple[str, ...]


class DefinitionIndex:
    """The definitions of a project's files, found in the background and bounded in time and memory.

    Files are as `project_files` reports them; those that are too large, generated, unreadable or gone are passed over.
    An editor's text goes before its file's. Usable from any thread.
    """

    def __init__(self, root: Path | None) -> None:
        """`root` is the project's folder; without one, only editors' texts are known."""
        self._root = root
        self._lock = threading.Lock()
        self._files: dict[str, _File] = {}
        self._defining: dict[Language, dict[str, tuple[str, ...]]] = defaultdict(dict)
        self._names = 0
        self._outlines: OrderedDict[str, tuple[Definition, ...]] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._scanned_at = float("-inf")

    def start(self, near: str = "") -> None:
        """Looks through the project in the background, if that is due; files beside the file `near` come first."""
        with self._lock:
            running = self._thread is not None and self._thread.is_alive()
            due = time.monotonic() - self._scanned_at > _RESCAN_SECONDS
            if self._root is None or running or not due or self._closing.is_set():
                return
            self._scanned_at = time.monotonic()
            self._thread = threading.Thread(
                target=self._scan, args=(self._root, near), name="definition-index", daemon=True
            )
            self._thread.start()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the project has been looked through; whether it has."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return thread is None or not thread.is_alive()

    def close(self) -> None:
        """Ends the background work."""
        self._closing.set()
        self.wait()

    def defining(self, language: Language, name: str) -> tuple[str, ...]:
        """The project's files of the language that define `name`, as far as they have been looked through."""
        with self._lock:
            return self._defining[language].get(name, ())

    def definitions(self, path: str) -> tuple[Definition, ...]:
        """The definitions in a file of the project; none when it cannot be read."""
        with self._lock:
            known = self._outlines.get(path)
            if known is not None:
                self._outlines.move_to_end(path)
                return known
        grammar = grammar_of(path=Path(path))
        if self._root is None or grammar is None:
            return ()
        read = _read(self._root / path)
        if read is None:
            self._forget(path)
            return ()
        self._put(path, LANGUAGES[grammar], read[1], found := outline(read[0], grammar))
        return found

    def edit(self, path: str, text: str, grammar: Grammar) -> None:
        """Takes an editor's text for the file's, until `release`; that of a large document is left out."""
        found = outline(text, grammar) if len(text) <= MAX_FILE_BYTES else ()
        self._put(path, LANGUAGES[grammar], None, found)

    def release(self, path: str) -> None:
        """The file itself counts again: its document was closed."""
        self._forget(path)
        self.definitions(path)

    def _scan(self, root: Path, near: str) -> None:
        present = set()
        try:
            found = [file for file in project_files(root, lambda _error: None) if _is_indexed(file)]
        except OSError:  # the project's folder has gone: what is known of it is all there is
            return
        folder = PurePosixPath(near).parts[:-1]
        found.sort(key=lambda file: (-_common(PurePosixPath(file.name).parts, folder), file.name))
        for file in found[:MAX_FILES]:
            if self._closing.is_set():
                return
            present.add(file.name)
            started = time.perf_counter()
            if self._look_at(Path(file.path), file.name):
                self._closing.wait(time.perf_counter() - started)  # half of one core is left to others
        with self._lock:
            gone = [path for path, file in self._files.items() if file.stamp is not None and path not in present]
        for path in gone:
            self._forget(path)

    def _look_at(self, path: Path, name: str) -> bool:
        """Whether the file had to be parsed, as it is new or has changed."""
        known = self._files.get(name)
        if known is not None and (known.stamp is None or known.stamp == _stamp(path)):
            return False
        grammar, read = grammar_of(path=path), _read(path)
        if grammar is None or read is None:
            self._forget(name)
            return False
        self._put(name, LANGUAGES[grammar], read[1], outline(read[0], grammar), keep_outline=False)
        return True

    def _put(
        self,
        path: str,
        language: Language,
        stamp: tuple[int, int] | None,
        found: tuple[Definition, ...],
        *,
        keep_outline: bool = True,
    ) -> None:
        names = tuple(sys.intern(each) for each in dict.fromkeys(one.name for one in found))[:MAX_NAMES_PER_FILE]
        with self._lock:
            known = self._files.get(path)
            if known is not None and known.stamp is None and stamp is not None:
                return  # an editor's text came while the file was read
            self._remove(path)
            if keep_outline:
                self._outlines[path] = found
                while len(self._outlines) > _MAX_OUTLINES:
                    self._outlines.popitem(last=False)
            if self._names + len(names) > MAX_NAMES:
                names = ()
            self._files[path] = _File(language, stamp, names)
            self._names += len(names)
            places = self._defining[language]
            for name in names:
                places[name] = (*places.get(name, ()), path)

    def _forget(self, path: str) -> None:
        with self._lock:
            self._remove(path)

    def _remove(self, path: str) -> None:
        self._outlines.pop(path, None)
        file = self._files.pop(path, None)
        if file is None:
            return
        self._names -= len(file.names)
        places = self._defining[file.language]
        for name in file.names:
            places[name] = tuple(each for each in places[name] if each != path)
            if not places[name]:
                del places[name]


def _is_indexed(file: ProjectFile) -> bool:
    return 0 < file.size <= MAX_FILE_BYTES and grammar_of(path=Path(file.name)) is not None


def _common(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """How many folders two paths have in common from the root on."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _read(path: Path) -> tuple[str, tuple[int, int]] | None:
    """A file's text and stamp; None when it is unreadable, gone, too large, or not written by hand."""
    stamp = _stamp(path)  # before reading: what changes in between is read again
    if stamp is None or stamp[0] > MAX_FILE_BYTES:
        return None
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if is_machine_made(data[:HEAD_BYTES]):
        return None
    return data.decode("utf-8-sig", errors="replace"), stamp
