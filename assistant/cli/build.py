"""`sned build`."""


def build() -> None:
    """Not written yet."""
    raise NotImplementedError
