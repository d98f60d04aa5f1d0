"""Opening the history's database, and what its errors mean to the user."""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tui.history.errors import HistoryError
from tui.history.schema import MIGRATIONS

# What another process's write may take; a screen that waits longer seems dead.
_BUSY_SECONDS = 5.0
_BUSY_INTERVAL = 0.01  # between two tries of what SQLite itself does not wait for


class Database:
    """A connection for one thread: statements in transactions, errors as `HistoryError`."""

    def __init__(self, path: Path | None, migrations: Sequence[str] = MIGRATIONS) -> None:
        """Opens the database at `path`, creating or migrating it; None is one in memory.

        Raises:
            HistoryError: it cannot be opened or written, is damaged, or comes from a newer version.
        """
        self.path = path
        self._migrations = migrations
        with self._told():
            if path is not None:
                _make_private(path)
            self._connection = sqlite3.connect(
                ":memory:" if path is None else path, timeout=_BUSY_SECONDS, isolation_level=None
            )
        try:
            with self._told():
                self._prepare()
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Ends the connection."""
        with self._told():
            self._connection.close()

    def rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """All rows of a query.

        Raises:
            HistoryError: it cannot be read.
        """
        with self._told():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all that is done in it is kept, or after an error nothing.

        Raises:
            HistoryError: it cannot be written.
        """
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # a full disk has rolled it back already
                    self._connection.execute("ROLLBACK")
                raise

    def _prepare(self) -> None:
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._refuse_newer(self._version())
        if self.path is not None:
            self._write_ahead()
            # With a write-ahead log this keeps the database whole whatever happens; only a power cut may undo the
            # last moments.
            self._connection.execute("PRAGMA synchronous = NORMAL")
        if self._version() < len(self._migrations):
            self._migrate()

    def _write_ahead(self) -> None:
        """Sets the journal's mode, waiting for others that set it: SQLite refuses the second, timeout or not."""
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_BUSY_INTERVAL)
            else:
                return

    def _migrate(self) -> None:
        with self.writing() as connection:
            version = self._version()  # another process may have been first
            self._refuse_newer(version)
            for number, script in enumerate(self._migrations[version:], version + 1):
                for statement in _statements(script):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {number}")

    def _version(self) -> int:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        return int(version)

    def _refuse_newer(self, version: int) -> None:
        if version > len(self._migrations):
            raise HistoryError(
                f"The chat history {self.path} was written by a newer sned (version {version} of it, "
                f"and this one knows {len(self._migrations)}); update sned, or move the file away."
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise HistoryError(_meaning(error, self.path)) from error


def _make_private(path: Path) -> None:
    """Creates the file for its owner alone: conversations are nobody else's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; `executescript` would end the transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    assert not statement.strip(), f"a migration ends inside a statement: {statement!r}"


def _meaning(error: Exception, path: Path | None) -> str:
    """What an error of SQLite or the file system means, and what to do."""
    where = f"The chat history {path if path is not None else 'in memory'}"
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if isinstance(error, PermissionError) or code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return f"{where} cannot be written; change its permissions, or choose another place with SNED_HOME."
    if code == sqlite3.SQLITE_FULL:
        return f"{where} cannot be written, as its disk is full; free some space."
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return f"{where} is damaged ({error}); move the file away, and a new one is begun."
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return f"{where} is kept busy by another program; close that, or try again."
    return f"{where} cannot be used ({error}); free its disk, or choose another place with SNED_HOME."
