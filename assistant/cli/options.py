"""Options that several commands share."""

import os
from enum import StrEnum
from typing import Annotated

import typer


def without_sparse_backend() -> None:
    """What `--no-sparse-backend` does: the setting is off, in this process and those that it starts."""
    os.environ["SNED_SPARSE_BACKEND"] = "off"


def _gpu_layers(text: str) -> str:
    if text != "auto" and not text.isdecimal():
        raise typer.BadParameter(f"{text!r} is neither auto nor a number of layers")
    return text


class ProgressForm(StrEnum):
    """How progress is told on standard error."""

    TEXT = "text"
    JSON = "json"


ProgressOption = Annotated[
    ProgressForm,
    typer.Option(
        "--progress",
        help="How progress is told on standard error: text for people, or for programs json, an object a line "
        "with message and fraction (of the whole, from 0 to 1; null where that is not known).",
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="NAME", help="A model in the store, or a .gguf file; chosen by the language otherwise."
    ),
]
GpuLayersOption = Annotated[
    str | None,
    typer.Option(
        "--gpu-layers",
        metavar="auto|N",
        parser=_gpu_layers,
        help="Layers to offload where llama.cpp has a GPU backend.",
    ),
]
NoSparseBackendOption = Annotated[
    bool,
    typer.Option("--no-sparse-backend", help="Compute with pruned matrices as with dense ones, by llama.cpp alone."),
]
UnsafeOption = Annotated[
    bool,
    typer.Option("--unsafe-without-sandbox", help="Run models' programs under your account where there is no sandbox."),
]
IgnoreMemoryOption = Annotated[
    bool, typer.Option("--ignore-memory", help="Load a model even if it seems too large for the memory here.")
]
