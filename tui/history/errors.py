"""What can go wrong with the history."""

from assistant.errors import SnedError


class HistoryError(SnedError):
    """The history cannot be read or written; the message says what to do, and nothing of it was changed."""
