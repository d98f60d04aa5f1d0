"""Results kept as they come, so that a measurement goes on where it was interrupted."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from assistant.durable import write_text
from assistant.errors import EvaluationError

Result = dict[str, Any]
# By task and sample.
Kept = Mapping[tuple[str, int], Result]


class Journal:
    """The results of one measurement: of a model, on tasks, under settings, which its name is the digest of.

    A file of JSON lines. The first says what is measured; each of the others is a result, named by its task and
    sample. A line that a crash left unfinished is dropped.
    """

    def __init__(self, folder: Path, subject: Mapping[str, Any]) -> None:
        """The journal of `subject` in a folder, which need not exist yet; `subject` is such as JSON has."""
        self._subject = json.loads(json.dumps(subject, sort_keys=True))
        self._folder = folder
        self.key = hashlib.sha256(json.dumps(self._subject, sort_keys=True).encode()).hexdigest()[:32]
        self.path = folder / f"{self.key}.jsonl"

    @contextmanager
    def open(self, *, again: bool = False) -> Iterator["OpenJournal"]:
        """Holds the journal; with `again`, what it has is dropped.

        Raises:
            EvaluationError: another process measures the same, or the folder cannot be written.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path.with_suffix(".lock"))
            lock.acquire(timeout=0)
        except Timeout:
            raise EvaluationError("Another process measures the same just now; wait for it to end.") from None
        except OSError as error:
            raise EvaluationError(
                f"Results cannot be kept in {self._folder}: {error.strerror}; change its permissions or SNED_HOME."
            ) from error
        try:
            results = {} if again else self.read()
            lines = [{"subject": self._subject}, *results.values()]
            write_text(self.path, "".join(_line(line) for line in lines))
            with self.path.open("a", encoding="utf-8") as file:
                yield OpenJournal(results, file.fileno())
        finally:
            lock.release()

    def read(self) -> dict[tuple[str, int], Result]:
        """What it has; another process may be adding to it."""
        try:
            lines = self.path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return {}
        results = {}
        for line in lines[1:]:
            try:
                result = json.loads(line)
                results[str(result["task"]), int(result["sample"])] = result
            except (ValueError, KeyError, TypeError):
                continue
        return results


class OpenJournal:
    """A journal while it is held.

    Attributes:
        results: what is there, by task and sample.
    """

    def __init__(self, results: dict[tuple[str, int], Result], descriptor: int) -> None:
        """Made by `Journal.open`."""
        self.results = results
        self._descriptor = descriptor

    def add(self, result: Result) -> None:
        """Keeps a result, which has a `task` and a `sample`."""
        os.write(self._descriptor, _line(result).encode())
        self.results[str(result["task"]), int(result["sample"])] = result


def _line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"
