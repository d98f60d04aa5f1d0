"""llama.cpp's quantiser gives what llama.cpp's own files have, and refuses what would end the process."""

import ctypes
from pathlib import Path

import gguf
import numpy as np
import pytest

from assistant.engine.native import capture_log, llama_cpp
from assistant.engine.quantiser import quantise_rows
from assistant.errors import UsageError
from export.requantise import requantised_rows
from prune.gguf_file import GGUFFile
from tests.prune import tiny_models as tiny

Type = gguf.GGMLQuantizationType
NAME = "token_embd.weight"
FILE_TYPES = {Type.Q4_0: 2, Type.Q8_0: 7, Type.Q5_0: 8}  # llama.h: llama_ftype


def matrix(shape: tuple[int, int] = (6, 96)) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("kind", FILE_TYPES)
def test_the_bytes_are_those_that_llama_cpp_writes(tmp_path: Path, kind: Type) -> None:
    model = tiny.write_tiny_model(tmp_path / "model.gguf", "qwen2")
    capture_log()
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype, parameters.pure = FILE_TYPES[kind], True
    out = tmp_path / "theirs.gguf"
    assert llama_cpp.llama_model_quantize(str(model.path).encode(), str(out).encode(), ctypes.byref(parameters)) == 0
    with GGUFFile(out) as theirs, GGUFFile(model.path) as plain:
        ours = np.concatenate(list(requantised_rows(plain, NAME, kind, quantise_rows)))
        assert theirs.tensor(NAME).type is kind
        assert (ours.ravel() == theirs.read(theirs.tensor(NAME))).all()


@pytest.mark.parametrize("kind", [Type.Q4_0, Type.Q5_0, Type.Q4_1, Type.IQ4_NL])
def test_importance_lowers_the_error_that_counts(kind: Type) -> None:
    values = matrix((64, 256))
    importance = np.exp(2 * np.random.default_rng(1).standard_normal(256)).astype(np.float32)

    def error(stored: np.ndarray) -> float:
        return float((np.square(gguf.quants.dequantize(stored, kind) - values) * importance).sum())

    assert error(quantise_rows(values, kind, importance)) < 0.95 * error(quantise_rows(values, kind))


@pytest.mark.parametrize("kind", [Type.IQ2_XXS, Type.IQ3_S, Type.Q2_K, Type.Q6_K, Type.IQ4_XS, Type.F16])
def test_inputs_that_were_never_active_are_no_trouble(kind: Type) -> None:
    values = matrix((2, 512))
    values[0, :256] = 0
    importance = np.zeros(512, dtype=np.float32)
    importance[7] = 1
    restored = gguf.quants.dequantize(quantise_rows(values, kind, importance), kind)
    assert restored.shape == values.shape
    assert np.isfinite(restored).all()


@pytest.mark.parametrize(
    ("values", "kind", "importance", "said"),
    [
        (matrix(), Type.Q4_K, None, "Rows of 96"),
        (matrix() * np.float32("inf"), Type.Q8_0, None, "not finite"),
        (matrix(), Type.Q4_0, np.ones(95, dtype=np.float32), "importance of 96"),
        (matrix(), Type.Q4_0, np.full(96, -1, dtype=np.float32), "importance of 96"),
        (matrix((2, 256)), Type.IQ2_XXS, None, "without the importance"),
        (matrix(), Type.Q8_1, None, "does not round to Q8_1"),
    ],
)
def test_what_would_end_the_process_is_refused(
    values: np.ndarray, kind: Type, importance: np.ndarray | None, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        quantise_rows(values, kind, importance)
