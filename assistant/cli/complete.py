"""`sned complete`."""


def complete() -> None:
    """Not written yet."""
    raise NotImplementedError
