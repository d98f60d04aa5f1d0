"""The one error family of the program.

It lives in the lowest room because every room raises it; only an entry point turns it into a message and exit status.
"""


class SnedError(Exception):
    """A failure the user can act on; the message is one sentence that names the bad value, then the next step."""

    exit_status = 1


class UsageError(SnedError):
    """The request itself cannot be carried out as given: a bad path, position, name or combination of options."""

    exit_status = 2


class CheckpointError(SnedError):
    """A model file that cannot be used: truncated, corrupted, or of an unsupported architecture."""
