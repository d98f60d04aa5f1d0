"""Models of other types by llama.cpp's quantiser."""

from pathlib import Path

import gguf
import pytest

from assistant.engine.requantising import requantise
from assistant.errors import EngineError, UsageError
from prune.gguf_file import GGUFFile
from tests.prune.tiny_models import write_tiny_model


def test_matrices_are_of_the_type_that_was_asked_for(tmp_path: Path) -> None:
    source = write_tiny_model(tmp_path / "tiny.gguf", "qwen2", gguf.GGMLQuantizationType.Q8_0).path
    requantise(source, "Q4_0", tmp_path / "small.gguf")
    with GGUFFile(tmp_path / "small.gguf") as file:
        assert file.tensor("blk.1.ffn_up.weight").type is gguf.GGMLQuantizationType.Q4_0
        assert file.tensor("blk.1.ffn_norm.weight").type is gguf.GGMLQuantizationType.F32
    assert (tmp_path / "small.gguf").stat().st_size < source.stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.gguf", "tiny.gguf"]


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken.gguf").write_bytes(b"GGUF")
    with pytest.raises(EngineError, match=r"broken\.gguf as Q8_0"):
        requantise(tmp_path / "broken.gguf", "Q8_0", tmp_path / "out.gguf")
    with pytest.raises(UsageError, match="Q9 is none of Q4_0"):
        requantise(tmp_path / "broken.gguf", "Q9", tmp_path / "out.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.gguf"]
