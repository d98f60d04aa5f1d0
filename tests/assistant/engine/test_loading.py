"""Files that are no usable models, and models too large: a sentence each, and never the end of the process."""

import struct
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.memory import ModelShape, check_memory, read_shape
from assistant.errors import EngineError
from prune.gguf_file import GGUFFile

LOAD = """
import sys
from pathlib import Path
from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.errors import EngineError
try:
    LlamaEngine(Path(sys.argv[1]), LlamaOptions(context=256)).close()
except EngineError as error:
    print(error)
"""


def load_elsewhere(path: Path) -> str:
    """The message of loading `path` in a process of its own, which must end of itself."""
    run = subprocess.run([sys.executable, "-c", LOAD, path], check=True, capture_output=True, text=True, timeout=120)
    assert run.stderr == ""
    return run.stdout


@pytest.fixture(scope="module")
def header(base_model: Path) -> bytes:
    with GGUFFile(base_model) as file:
        size = min(info.offset for info in file.tensors.values())
    with base_model.open("rb") as file:
        return file.read(size)


def sparse_copy(directory: Path, data: bytes, size: int) -> Path:
    """A file of `size` bytes that begins with `data` and takes no more room than that."""
    path = directory / "damaged.gguf"
    with path.open("wb") as file:
        file.write(data)
        file.truncate(size)
    return path


def test_missing_empty_and_foreign_files_are_refused(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.gguf", tmp_path / "text.gguf"
    empty.touch()
    text.write_text("no model at all, and long enough to be asked\n")
    for path in (tmp_path / "missing.gguf", empty, text, tmp_path):
        with pytest.raises(EngineError, match=path.name):
            LlamaEngine(path, LlamaOptions())


@pytest.mark.model
@pytest.mark.parametrize("kept", [3, 20, 1000, 3_000_000, 5_940_000, 200_000_000, 491_400_063])
def test_truncated_files_are_refused(header: bytes, tmp_path: Path, kept: int) -> None:
    path = sparse_copy(tmp_path, header[:kept], kept)
    with pytest.raises(EngineError, match=r"damaged\.gguf"):
        LlamaEngine(path, LlamaOptions())


@pytest.mark.model
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("qwen2.block_count", struct.pack("<I", 0)),
        ("qwen2.block_count", struct.pack("<I", 7)),
        ("qwen2.block_count", struct.pack("<I", 0xFFFFFFFF)),
        ("qwen2.embedding_length", struct.pack("<I", 7)),
        ("qwen2.attention.head_count", struct.pack("<I", 0)),
        ("qwen2.attention.head_count_kv", struct.pack("<I", 7)),
        ("qwen2.attention.layer_norm_rms_epsilon", struct.pack("<f", float("nan"))),
        ("qwen2.attention.layer_norm_rms_epsilon", struct.pack("<f", -1.0)),
    ],
)
def test_corrupted_numbers_are_refused(base_model: Path, header: bytes, tmp_path: Path, key: str, value: bytes) -> None:
    with GGUFFile(base_model) as file:
        start = file.entries[key].value_start
    damaged = header[:start] + value + header[start + len(value) :]
    message = load_elsewhere(sparse_copy(tmp_path, damaged, base_model.stat().st_size))
    assert "damaged.gguf" in message
    assert message.count("\n") == 1


@pytest.mark.model
def test_a_renamed_tensor_is_quoted_from_llama_cpp(base_model: Path, header: bytes, tmp_path: Path) -> None:
    damaged = header.replace(b"blk.3.attn_norm.weight", b"blk.3.attn_nurm.weight")
    message = load_elsewhere(sparse_copy(tmp_path, damaged, base_model.stat().st_size))
    assert "blk.3.attn_norm.weight" in message


@pytest.mark.model
def test_the_shape_is_read_from_the_header(base_model: Path) -> None:
    shape = read_shape(base_model)
    # 24 layers, 2 key and value heads of 64 half-precision numbers each; Q8_0 has 34 bytes for 32 weights
    with GGUFFile(base_model) as file:
        blocks = sum(tensor.size for name, tensor in file.tensors.items() if name.startswith("blk."))
    assert shape == ModelShape(
        "qwen2",
        base_model.stat().st_size,
        24 * 2 * (64 + 64) * 2,
        layers=24,
        block_bytes=blocks,
        output_bytes=151_936 * 896 // 32 * 34,
    )


def test_a_model_larger_than_memory_is_refused(tmp_path: Path) -> None:
    total = psutil.virtual_memory().total
    with pytest.raises(EngineError, match=r"huge\.gguf needs .* GiB .*--ignore-memory"):
        check_memory(tmp_path / "huge.gguf", ModelShape("qwen2", total, 1), 4096)
    with pytest.raises(EngineError, match="context of 4096"):
        check_memory(tmp_path / "wide.gguf", ModelShape("qwen2", 1, total // 4000), 4096)
    check_memory(tmp_path / "small.gguf", ModelShape("qwen2", 1, 1), 4096)
