"""The history: sessions, listed, searched, renamed, pinned and deleted."""

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tui.history.database import Database
from tui.history.errors import HistoryError
from tui.history.messages import Messages, title_of
from tui.history.types import Found, Session, SessionSettings

_FOUND = 100
# Without a project those of all; sqlite3 has no lists as values.
_LISTED = """
    SELECT * FROM session_listed WHERE ?1 IS NULL OR project = ?1 ORDER BY pinned DESC, changed DESC, id DESC
"""
_WITH_WORDS = """
    SELECT session_listed.*, message.id, snippet(message_text, 0, '', '', '…', 12)
    FROM message_text JOIN message ON message.id = message_text.rowid
    JOIN session_listed ON session_listed.id = message.session
    WHERE message_text MATCH ?2 AND (?1 IS NULL OR session_listed.project = ?1)
    ORDER BY session_listed.pinned DESC, rank LIMIT ?3
"""
# A short answer's rate says little.
_RATES = """
    SELECT json_extract(details, '$.model'), avg(json_extract(details, '$.rate')) FROM message
    WHERE role = 'assistant' AND json_extract(details, '$.completion_tokens') >= 16
    GROUP BY 1 HAVING json_extract(details, '$.model') IS NOT NULL
"""


class History:
    """All sessions of a user; for one thread. Several processes may use one file at once.

    Attributes:
        messages: the messages of the sessions.
        kept: whether what is said outlives the program.
    """

    def __init__(self, path: Path | None) -> None:
        """The history in the file at `path`, or one in memory.

        Raises:
            HistoryError: it cannot be opened or written, is damaged, or comes from a newer version.
        """
        self._database = Database(path)
        self.messages = Messages(self._database)
        self.kept = path is not None

    def close(self) -> None:
        """Ends it; what was written stays."""
        self._database.close()

    def create(self, project: Path, settings: SessionSettings | None = None) -> int:
        """A new session about a project; its number comes back."""
        settings, now = settings or SessionSettings(), time.time()
        with self._database.writing() as connection:
            cursor = connection.execute(
                "INSERT INTO session (project, model, system, parameters, created, changed) VALUES (?, ?, ?, ?, ?, ?)",
                (str(project), settings.model, settings.system, json.dumps(dict(settings.parameters)), now, now),
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def session(self, number: int) -> Session:
        """One session.

        Raises:
            HistoryError: there is none of that number.
        """
        rows = self._database.rows("SELECT * FROM session_listed WHERE id = ?", number)
        if not rows:
            raise HistoryError(f"There is no session {number} any more; choose another.")
        return _session(rows[0])

    def sessions(self, project: Path | None = None) -> list[Session]:
        """The sessions about a project, or all: pinned ones first, then the one that was changed last."""
        return [_session(row) for row in self._database.rows(_LISTED, _text(project))]

    def search(self, text: str, project: Path | None = None) -> list[Found]:
        """Sessions with messages, or a title, that have all the words of `text`; of a project, or all.

        Words count by their beginnings, in any case and without accents.
        """
        words = re.findall(r"\w+", text)
        if not words:
            return [Found(session, None, "") for session in self.sessions(project)]
        query = " ".join(f'"{word}"*' for word in words)
        in_messages = self._database.rows(_WITH_WORDS, _text(project), query, _FOUND)
        wanted = [word.casefold() for word in words]
        in_titles = [
            session for session in self.sessions(project) if all(word in session.title.casefold() for word in wanted)
        ]
        found = [Found(session, None, "") for session in in_titles]
        return found + [Found(_session(row[:-2]), _int(row[-2]), str(row[-1])) for row in in_messages]

    def rates(self) -> dict[str, float]:
        """Tokens a second that each model has written at, on average."""
        return {str(name): float(str(rate)) for name, rate in self._database.rows(_RATES)}

    def rename(self, number: int, title: str) -> None:
        """Gives a session a title of the user's."""
        self._change("UPDATE session SET title = ?, titled = 1 WHERE id = ?", title_of(title), number)

    def pin(self, number: int, pinned: bool) -> None:
        """Has a session stand before the others, or no more."""
        self._change("UPDATE session SET pinned = ? WHERE id = ?", int(pinned), number)

    def configure(self, number: int, settings: SessionSettings) -> None:
        """Gives a session settings of its own."""
        values = (settings.model, settings.system, json.dumps(dict(settings.parameters)))
        self._change("UPDATE session SET model = ?, system = ?, parameters = ? WHERE id = ?", *values, number)

    def delete(self, number: int) -> None:
        """Removes a session with all its messages."""
        self._change("DELETE FROM session WHERE id = ?", number)

    def _change(self, statement: str, *values: object) -> None:
        with self._database.writing() as connection:
            connection.execute(statement, values)


def _session(row: Sequence[Any]) -> Session:
    number, project, title, pinned, changed, messages, model, system, parameters = row
    settings = SessionSettings(model, system, json.loads(parameters))
    return Session(number, project, title or "New session", bool(pinned), changed, messages, settings)


def _text(project: Path | None) -> str | None:
    return None if project is None else str(project)


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value
