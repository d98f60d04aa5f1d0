"""docs/sparse-gguf.md says what the files are: its reader, written from the description alone, reads them."""

import hashlib
import re
import struct
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest

from export.sparse.choice import SparseOptions
from export.sparse.convert import dense_to_sparse
from export.sparse.layout import BLOCK_SIZES, Pattern, SparseFormat, ValueType
from export.sparse.packing import pack
from export.sparse.reader import SparseFile
from prune.gguf_file import GGUFFile
from tests.export.sparse.matrices import random_case
from tests.export.sparse.test_convert import model

DOCUMENT = Path(__file__).parents[3] / "docs" / "sparse-gguf.md"
Type = gguf.GGMLQuantizationType


def shown(text: str) -> dict[str, Callable[..., object]]:
    """What the block of Python in the document that contains `text` defines."""
    blocks = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    (block,) = [block for block in blocks if text in block]
    names: dict[str, Callable[..., object]] = {}
    exec(compile(block, DOCUMENT.name, "exec"), names)
    return names


@pytest.mark.parametrize("pattern", ["unstructured", "4:8", "2:4", "16:32"])
@pytest.mark.parametrize("value_type", [Type.Q8_0, Type.Q4_0], ids=lambda kind: kind.name)
def test_the_reader_shown_reads_files(tmp_path: Path, pattern: str, value_type: Type) -> None:
    plain = model(tmp_path / "plain.gguf", value_type, Pattern.parse(pattern))
    dense_to_sparse(plain.path, tmp_path / "sparse.gguf", SparseOptions(Pattern.parse(pattern)))
    read = shown("def sparse_matrices")["sparse_matrices"](tmp_path / "sparse.gguf")
    assert isinstance(read, dict)
    with SparseFile(tmp_path / "sparse.gguf") as sparse:
        assert list(read) == list(sparse.tensors)
        for name, matrix in read.items():
            assert (matrix == plain.weights[name]).all()


@pytest.mark.parametrize("pattern", ["unstructured", "4:8", "2:4", "1:4", "7:8", "16:32", "3:16"])
@pytest.mark.parametrize("values", ValueType)
@pytest.mark.parametrize("equal", [True, False])
def test_the_reader_shown_unpacks_every_form(pattern: str, values: ValueType, equal: bool) -> None:
    unpacked = shown("def sparse_matrices")["unpacked"]
    kind = Pattern.parse(pattern)
    for block in BLOCK_SIZES:
        for columns in (32, 352) if kind.group else (1, 33, 352):
            form = SparseFormat(kind, values, block)
            matrix = random_case(form, (7, columns), 0.45, seed=columns, equal=equal).matrix
            packed = pack(matrix, form)
            kept = -1 if packed.layout.kept is None else packed.layout.kept
            back = unpacked(packed.data, 7, columns, pattern, str(values), block, kept)
            assert (back == matrix.values()).all()


def test_the_conversion_shown_gives_the_bytes_back(tmp_path: Path) -> None:
    plain = model(tmp_path / "plain.gguf")
    shown("def there_and_back")["there_and_back"](plain.path, tmp_path)
    assert (tmp_path / "back.gguf").read_bytes() == plain.path.read_bytes()
    assert (tmp_path / "smaller.gguf").stat().st_size < (tmp_path / "sparse.gguf").stat().st_size


def test_digests_are_of_what_is_said(tmp_path: Path) -> None:
    plain = model(tmp_path / "plain.gguf")
    dense_to_sparse(plain.path, tmp_path / "sparse.gguf", SparseOptions(Pattern.parse("unstructured")))
    fields = gguf.GGUFReader(tmp_path / "sparse.gguf").fields
    keys = ("names", "patterns", "values", "blocks", "kept", "dense_types", "digests")
    described = zip(*(fields[f"sned.sparse.{key}"].contents() for key in keys), strict=True)
    shapes = np.reshape(fields["sned.sparse.shapes"].contents(), (-1, 2)).tolist()
    written = {}
    with GGUFFile(tmp_path / "sparse.gguf") as file:
        for (name, pattern, values, block, kept, dense_type, digest), (rows, columns) in zip(
            described, shapes, strict=True
        ):
            line = f"sned.sparse.1 {rows} {columns} {pattern} {values} {block} {kept} {dense_type} {name}\n"
            assert (
                hashlib.sha256(line.encode() + file.read(file.tensors[f"{name}.packed"]).tobytes()).hexdigest()
                == digest
            )
            written[f"{name}.packed"] = digest
        whole = hashlib.sha256(b"sned.sparse.1\n")
        for key in file.entries:
            if not key.startswith("sned.sparse."):
                whole.update(file.raw_entry(key))
        for name, info in file.tensors.items():
            whole.update(struct.pack("<Q", len(name)) + name.encode())
            if name in written:
                whole.update(written[name].encode())
            else:
                whole.update(struct.pack(f"<I{len(info.shape)}QI", len(info.shape), *info.shape[::-1], info.type))
                whole.update(file.read(info).tobytes())
    assert whole.hexdigest() == fields["sned.sparse.digest"].contents()


def test_every_key_is_described(tmp_path: Path) -> None:
    plain = model(tmp_path / "plain.gguf")
    dense_to_sparse(plain.path, tmp_path / "sparse.gguf")
    described = re.findall(
        r"^\| `(sned\.sparse\.\w+)` \| (\w+)", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    fields = gguf.GGUFReader(tmp_path / "sparse.gguf").fields
    kinds = {name: field.types[0].name.lower() for name, field in fields.items() if name.startswith("sned.sparse.")}
    assert dict(described) == kinds


def test_sizes_shown_are_those_of_the_layout() -> None:
    rows = re.findall(
        r"^\| ([^|]*) \| (\d)-bit \| ([\d. |]+) \|$", DOCUMENT.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert len(rows) == 6
    for patterns, bits, sizes in rows:
        for pattern in patterns.split(", "):
            for block, size in zip(BLOCK_SIZES, sizes.split(" | "), strict=True):
                form = SparseFormat(Pattern.parse(pattern), ValueType(f"int{bits}"), block)
                packed = pack(random_case(form, (2000, 896), 0.5, equal=True).matrix, form)
                assert packed.data.size * 8 / (2000 * 896) == pytest.approx(float(size), abs=0.006)


def test_values_are_those_of_float16_scales() -> None:
    form = SparseFormat(Pattern(), ValueType.INT8, 32)
    matrix = random_case(form, (3, 33), 0.5).matrix
    scales = np.repeat(matrix.scales.view(np.float16).astype(np.float64), 32, axis=1)[:, :33]
    assert (matrix.values() == matrix.codes * scales).all()
