"""`sned export`: a model's file in another form."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from assistant.cli.output import print_json


class Form(StrEnum):
    """What a file is written as."""

    DENSE = "dense"
    SPARSE = "sparse"
    SAFETENSORS = "safetensors"


class Values(StrEnum):
    """How the surviving weights are stored; the names of `export.sparse.layout.ValueType`."""

    INT8 = "int8"
    INT4 = "int4"


class Floats(StrEnum):
    """How all weights are stored; the names of `export.hugging_face.safetensors.DType`."""

    F32 = "f32"
    F16 = "f16"
    BF16 = "bf16"


def export(
    model: Annotated[str, typer.Argument(help="A model of the store, or a .gguf file.")],
    out: Annotated[Path, typer.Argument(help="What to write, which must not be there yet.", metavar="FILE.gguf|DIR")],
    to: Annotated[
        Form,
        typer.Option(
            help="dense: plain GGUF, which llama.cpp loads. sparse: zeros take a bit each. safetensors: a folder for "
            "transformers and vLLM."
        ),
    ] = Form.DENSE,
    values: Annotated[
        Values | None,
        typer.Option(help="With --to sparse: round the surviving weights so; as they are by default."),
    ] = None,
    block: Annotated[
        int | None, typer.Option(help="With --to sparse: weights that share a scale, 32, 64, 128 or 256.")
    ] = None,
    dtype: Annotated[
        Floats | None,
        typer.Option(help="With --to safetensors: f32, the same values, by default; f16 and bf16 are rounded."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Write a model for other programs, as a plain GGUF or a folder of safetensors, or as a sparse GGUF."""
    from assistant.engine.memory import read_shape
    from assistant.exporting import write_dense
    from assistant.selection import select_model
    from assistant.settings import load_settings
    from export.hugging_face.folder import write_folder
    from export.hugging_face.safetensors import DType
    from export.sparse.convert import SparseOptions, dense_to_sparse
    from export.sparse.layout import ValueType

    if to is not Form.SPARSE and (values is not None or block is not None):
        raise typer.BadParameter("--values and --block are for --to sparse; leave them out")
    if to is not Form.SAFETENSORS and dtype is not None:
        raise typer.BadParameter("--dtype is for --to safetensors; leave it out")
    source = select_model(load_settings(), None, model).path
    before, shape = source.stat().st_size, read_shape(source)
    if to is Form.SAFETENSORS:
        size = write_folder(source, out, DType((dtype or Floats.F32).value))
    else:
        if to is Form.DENSE:
            write_dense(source, out, sparse=shape.sparse)
        else:
            options = SparseOptions(values=ValueType(values.value) if values else None, block=block)
            dense_to_sparse(source, out, options)
        size = out.stat().st_size
    if as_json:
        print_json({"path": str(out), "form": to.value, "bytes": size, "source": str(source), "source_bytes": before})
    else:
        print(f"Wrote {out} ({size / 1e6:,.1f} MB; {source.name} has {before / 1e6:,.1f} MB).")
