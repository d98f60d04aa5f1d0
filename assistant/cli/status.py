"""`sned` without a command."""


def status(as_json: bool) -> None:
    """Not written yet."""
    raise NotImplementedError
