"""What becomes of embedding and output matrix, and what is refused before any work."""

from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf.constants import GGMLQuantizationType as Type

from assistant.errors import UsageError
from assistant.recipe import Recipe
from assistant.submodel_file import requantised_types
from prune.gguf_file import GGUFFile


def model(path: Path, types: dict[str, Type], columns: int = 64) -> Path:
    writer = gguf.GGUFWriter(path, "qwen2")
    for name, kind in types.items():
        values = np.ones((4, columns), dtype=np.float32)
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


EMBEDDING, OUTPUT, NORM = "token_embd.weight", "output.weight", "output_norm.weight"


@pytest.mark.parametrize(
    ("types", "asked", "expected"),
    [
        ({EMBEDDING: Type.Q5_0, OUTPUT: Type.Q8_0}, "q5_0", {OUTPUT: Type.Q5_0}),
        ({EMBEDDING: Type.Q5_0, OUTPUT: Type.Q8_0}, "q4_0", {EMBEDDING: Type.Q4_0, OUTPUT: Type.Q4_0}),
        ({EMBEDDING: Type.F16, NORM: Type.F32}, "q8_0", {EMBEDDING: Type.Q8_0}),
        ({EMBEDDING: Type.Q4_0, OUTPUT: Type.Q4_0}, "base", {}),
    ],
)
def test_what_has_more_bits_is_rounded(
    tmp_path: Path, types: dict[str, Type], asked: str, expected: dict[str, Type]
) -> None:
    with GGUFFile(model(tmp_path / "base.gguf", types)) as base:
        assert requantised_types(base, Recipe(embeddings=asked)) == expected  # type: ignore[arg-type]


def test_k_types_take_rows_that_they_divide(tmp_path: Path) -> None:
    with GGUFFile(model(tmp_path / "base.gguf", {EMBEDDING: Type.F16}, columns=512)) as base:
        assert requantised_types(base, Recipe(embeddings="q6_k")) == {EMBEDDING: Type.Q6_K}
    with (
        GGUFFile(model(tmp_path / "narrow.gguf", {EMBEDDING: Type.F16})) as base,
        pytest.raises(UsageError, match="rows of 64 weights, which Q6_K takes by 256; choose --embeddings q8_0"),
    ):
        requantised_types(base, Recipe(embeddings="q6_k"))


def test_what_would_grow_or_stay_is_refused(tmp_path: Path) -> None:
    types = {EMBEDDING: Type.Q5_0, OUTPUT: Type.Q8_0}
    with (
        GGUFFile(model(tmp_path / "base.gguf", types)) as base,
        pytest.raises(UsageError, match=r"token_embd\.weight as Q5_0 and output\.weight as Q8_0, which Q8_0 does not"),
    ):
        requantised_types(base, Recipe(embeddings="q8_0"))
