"""The messages of sessions: a tree each, of which one branch is shown."""

import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from assistant.chat.types import ASKED_ABOUT, Attachment, Role
from tui.history.database import Database
from tui.history.errors import HistoryError
from tui.history.types import Details, State, StoredMessage

_TITLE_LENGTH = 60


class Messages:
    """The messages of all sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        session: int,
        parent: int | None,
        role: Role,
        text: str,
        attachments: Sequence[Attachment] = (),
    ) -> int:
        """Adds a message after `parent`, and shows its branch; its number comes back.

        The first of a session that has no title gives it one. An assistant's message is being written.

        Raises:
            HistoryError: it cannot be written, or session or parent have been deleted.
        """
        state, now = (State.WRITING if role is Role.ASSISTANT else State.WHOLE), time.time()
        with self._database.writing() as connection:
            _require(connection, session, parent)
            number = connection.execute(
                "INSERT INTO message (session, parent, role, text, state, created) VALUES (?, ?, ?, ?, ?, ?)",
                (session, parent, role.value, text, state.value, now),
            ).lastrowid
            connection.executemany(
                "INSERT INTO attachment (message, position, name, text) VALUES (?, ?, ?, ?)",
                [(number, position, each.name, each.text) for position, each in enumerate(attachments)],
            )
            connection.execute("UPDATE session SET leaf = ?, changed = ? WHERE id = ?", (number, now, session))
            connection.execute(
                "UPDATE session SET title = ? WHERE id = ? AND title = '' AND titled = 0",
                (title_of(text), session),
            )
            assert number is not None
            return number

    def write(self, number: int, text: str, state: State = State.WRITING, details: Details | None = None) -> None:
        """Sets the text of a message that is being written, and how far it is.

        Raises:
            HistoryError: it cannot be written.
        """
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE message SET text = ?, state = ?, details = ? WHERE id = ?",
                (text, state.value, json.dumps(asdict(details or Details())), number),
            )

    def branch(self, session: int) -> list[StoredMessage]:
        """The messages of the branch that is shown, from the first on."""
        rows = self._database.rows(
            """WITH RECURSIVE branch (id, parent, depth) AS (
                   SELECT message.id, message.parent, 0 FROM message JOIN session ON message.id = session.leaf
                   WHERE session.id = ?
                   UNION ALL
                   SELECT message.id, message.parent, depth + 1 FROM message JOIN branch ON message.id = branch.parent
               )
               SELECT message.id, message.parent, message.role, message.text, message.state, message.details
               FROM branch JOIN message ON message.id = branch.id ORDER BY depth DESC""",
            session,
        )
        return self._messages(session, rows)

    def branches(self, session: int, parent: int | None) -> tuple[int, ...]:
        """The messages after `parent`, oldest first; None is before the first ones."""
        rows = self._database.rows(
            "SELECT id FROM message WHERE session = ? AND parent IS ? ORDER BY id", session, parent
        )
        return tuple(int(str(number)) for (number,) in rows)

    def show(self, number: int) -> None:
        """Shows the branch that has this message, as far as it was last continued.

        Raises:
            HistoryError: it cannot be written, or the message has been deleted.
        """
        with self._database.writing() as connection:
            found = connection.execute("SELECT session FROM message WHERE id = ?", (number,)).fetchone()
            if found is None:
                raise HistoryError("That message has been deleted; choose another.")
            leaf = number
            while True:
                row = connection.execute("SELECT max(id) FROM message WHERE parent = ?", (leaf,)).fetchone()
                if row[0] is None:
                    break
                leaf = row[0]
            connection.execute("UPDATE session SET leaf = ? WHERE id = ?", (leaf, found[0]))

    def show_until(self, session: int, number: int | None) -> None:
        """Shows the branch that ends with this message; None shows none, so that another first message can be written.

        Raises:
            HistoryError: it cannot be written.
        """
        with self._database.writing() as connection:
            connection.execute("UPDATE session SET leaf = ? WHERE id = ?", (number, session))

    def _messages(self, session: int, rows: list[tuple[Any, ...]]) -> list[StoredMessage]:
        branches: dict[int | None, list[int]] = defaultdict(list)
        for number, parent in self._database.rows(
            "SELECT id, parent FROM message WHERE session = ? ORDER BY id", session
        ):
            branches[parent].append(number)  # type: ignore[index, arg-type]
        attached: dict[int, list[Attachment]] = defaultdict(list)
        for number, name, text in self._database.rows(
            """SELECT attachment.message, attachment.name, attachment.text FROM attachment
               JOIN message ON message.id = attachment.message WHERE message.session = ?
               ORDER BY attachment.message, attachment.position""",
            session,
        ):
            attached[number].append(Attachment(str(name), str(text), ASKED_ABOUT, may_be_cut=True))  # type: ignore[index]
        return [
            StoredMessage(
                number,
                parent,
                Role(role),
                text,
                State(state),
                Details(**json.loads(details)),
                tuple(attached.get(number, ())),
                tuple(branches[parent]),
            )
            for number, parent, role, text, state, details in rows
        ]


def title_of(text: str) -> str:
    """A title out of a text: its first words, on one line."""
    return " ".join(text.split())[:_TITLE_LENGTH]


def _require(connection: sqlite3.Connection, session: int, parent: int | None) -> None:
    """Refuses what another process has deleted."""
    if connection.execute("SELECT 1 FROM session WHERE id = ?", (session,)).fetchone() is None:
        raise HistoryError("This session was deleted elsewhere; begin a new one.")
    if parent is not None:
        found = connection.execute("SELECT session FROM message WHERE id = ?", (parent,)).fetchone()
        if found is None or found[0] != session:
            raise HistoryError("The message before this one was deleted elsewhere; open the session again.")
