"""`sned detect`."""


def detect() -> None:
    """Not written yet."""
    raise NotImplementedError
