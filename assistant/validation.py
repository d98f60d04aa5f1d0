"""What pydantic says of a value that does not fit, as users read it."""

# How pydantic begins what a validator of ours, or of Typer's, raised.
_KIND_OF_ERROR = "Value error, "


def readable(message: str) -> str:
    """`message`, of one of a `ValidationError`'s errors, without the kind of Python error a validator raised."""
    return message.removeprefix(_KIND_OF_ERROR)
