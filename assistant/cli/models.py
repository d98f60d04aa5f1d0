"""`sned models`."""

import typer

models = typer.Typer()


@models.command("list")
def list_models() -> None:
    """Not written yet."""
    raise NotImplementedError
