"""Damaged and hostile files: an error that names the file, or exactly what was written; never anything else."""

import random
import resource
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from export.gguf_stream import entry_bytes, string_bytes
from export.sparse.choice import SparseOptions
from export.sparse.convert import dense_to_sparse, sparse_to_dense
from export.sparse.errors import SparseFileError
from export.sparse.reader import SparseFile
from export.sparse.records import PREFIX, other_entries
from prune.errors import CheckpointError
from prune.gguf_file import GGUFFile

MUTATIONS = 10_000
Q8_0 = gguf.GGMLQuantizationType.Q8_0
T = gguf.GGUFValueType
Contents = list[tuple[str, tuple[int, ...], bytes]]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two packed matrices, one with a table of rows, and two tensors that are not packed: about 3 kB."""
    folder = tmp_path_factory.mktemp("damage")
    values = np.random.default_rng(1).standard_normal((9, 64)).astype(np.float32)
    values[np.abs(values) < 0.7] = 0
    values[3] = 0
    equal = np.where(np.arange(64) % 2, np.float32(1), np.float32(0)) * np.arange(1, 9, dtype=np.float32)[:, None]
    writer = gguf.GGUFWriter(folder / "plain.gguf", "llama")
    writer.add_block_count(1)
    writer.add_tensor("norm.weight", values[0])
    for name, matrix in (("a.weight", values), ("b.weight", equal)):
        writer.add_tensor(name, gguf.quants.quantize(matrix, gguf.GGMLQuantizationType.Q8_0), raw_dtype=Q8_0)
    writer.add_tensor("c.weight", values[1])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    dense_to_sparse(folder / "plain.gguf", folder / "sparse.gguf", SparseOptions(), ["a.weight", "b.weight"])
    with SparseFile(folder / "sparse.gguf") as sparse:
        assert [tensor.layout.kept for tensor in sparse.tensors.values()] == [None, 32]
    return folder / "sparse.gguf"


def contents(path: Path) -> tuple[list[bytes], Contents]:
    """Everything the plain file would hold."""
    with SparseFile(path) as sparse:
        sparse.check()
        found: Contents = []
        for name in sparse.dense_tensors():
            if name in sparse.tensors:
                found.append((name, sparse.tensors[name].shape, sparse.dense(name).tobytes()))
            else:
                info = sparse.file.tensors[name]
                found.append((name, info.shape, sparse.file.read(info).tobytes()))
        return other_entries(sparse.file), found


def refused_or_the_same(path: Path, written: bytes, expected: tuple[list[bytes], Contents]) -> bool:
    """Whether a file with these bytes is refused; if not, it must hold what is expected."""
    path.unlink(missing_ok=True)  # some file systems wait for the disk when a file is overwritten
    path.write_bytes(written)
    try:
        found = contents(path)
    except CheckpointError as error:
        assert path.name in str(error)
        assert len(str(error)) < 1000
        return True
    assert found == expected
    return False


def test_every_truncation_is_refused(tiny: Path, tmp_path: Path) -> None:
    whole = tiny.read_bytes()
    with GGUFFile(tiny) as file:
        end = max(info.offset + info.size for info in file.tensors.values())
    expected = contents(tiny)
    for length in range(end):
        assert refused_or_the_same(tmp_path / "short.gguf", whole[:length], expected)


def test_every_flipped_bit_of_tensors_is_refused(tiny: Path, tmp_path: Path) -> None:
    whole = tiny.read_bytes()
    expected = contents(tiny)
    with GGUFFile(tiny) as file:
        places = [at for info in file.tensors.values() for at in range(info.offset, info.offset + info.size)]
    for number, at in enumerate(places):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << number % 8
        assert refused_or_the_same(tmp_path / "flipped.gguf", damaged, expected), at


def test_every_flipped_byte_of_the_header_is_refused_or_of_no_account(tiny: Path, tmp_path: Path) -> None:
    whole = tiny.read_bytes()
    expected = contents(tiny)
    with GGUFFile(tiny) as file:
        start = min(info.offset for info in file.tensors.values())
    accepted = []
    for at in range(start):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        if not refused_or_the_same(tmp_path / "flipped.gguf", damaged, expected):
            accepted.append(at)
    assert len(accepted) < 32  # padding behind the header
    assert all(whole[at] == 0 for at in accepted)


def mutated(whole: bytes, dice: random.Random) -> bytes:
    """The file with one to four things done to it."""
    data = bytearray(whole)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data))
        kind = dice.randrange(7)
        if kind == 0:
            data[at] = dice.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << dice.randrange(8)
        elif kind == 2:
            number = dice.choice([0, 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1, dice.randrange(5000)])
            data[at : at + 8] = struct.pack("<Q", number)
        elif kind == 3:
            data[at : at + dice.randint(1, 40)] = b""
        elif kind == 4:
            data[at:at] = dice.randbytes(dice.randint(1, 40))
        elif kind == 5:
            source, size = dice.randrange(len(data)), dice.randint(1, 64)
            data[at : at + size] = data[source : source + size]
        else:
            del data[at:]
        data = data or bytearray(b"G")
    return bytes(data)


def test_ten_thousand_mutated_files(tiny: Path, tmp_path: Path) -> None:
    whole, expected = tiny.read_bytes(), contents(tiny)
    dice = random.Random(7)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = sum(
        refused_or_the_same(tmp_path / "mutated.gguf", mutated(whole, dice), expected) for _ in range(MUTATIONS)
    )
    assert refused > MUTATIONS * 0.9
    if sys.platform == "linux":
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_mutations_that_hypothesis_finds(tiny: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = bytearray(tiny.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole) - 1))
        new = data.draw(st.binary(max_size=16))
        whole[at : at + data.draw(st.integers(0, 16))] = new
    refused_or_the_same(tmp_path / "mutated.gguf", bytes(whole), contents(tiny))


@dataclass(frozen=True)
class Lie:
    """Another value for one of the format's metadata keys."""

    key: str
    type: gguf.GGUFValueType
    value: str | int | list[str] | list[int]

    def told_in(self, path: Path) -> bytes:
        """The file with the lie; data are moved to where they belong after it."""
        whole = path.read_bytes()
        with GGUFFile(path) as file:
            entry = file.entries[PREFIX + self.key]
            start = min(info.offset for info in file.tensors.values())
        header = whole[: entry.start] + entry_bytes(entry.key, self.type, self.value) + whole[entry.end : start]
        return header.ljust(-(-len(header) // 32) * 32, b"\0") + whole[start:]


@pytest.mark.parametrize(
    ("lie", "complaint"),
    [
        (Lie("version", T.UINT32, 2), "version 2, and this program reads version 1; update sned"),
        (Lie("version", T.UINT64, 1), "is no number"),
        (Lie("version", T.UINT32, [1] * 4), "is no number"),
        (Lie("digest", T.STRING, "0" * 63), "no digest"),
        (Lie("digest", T.STRING, "0" * 64), "not what was written"),
        (Lie("names", T.STRING, ["a.weight", "a.weight"]), r"'a\.weight' is damaged: it is described twice"),
        (Lie("names", T.STRING, ["a.weight"]), "'sned.sparse.shapes' holds 4 values, not 2"),
        (
            Lie("names", T.STRING, ["a.weight", "c.weight"]),
            r"'c\.weight' is damaged: the bytes 'c\.weight\.packed' are",
        ),
        (Lie("names", T.STRING, ["a.weight", "x" * 70_000]), "the bytes 'x+"),
        (Lie("names", T.UINT32, [1, 2]), "no array of str"),
        (Lie("shapes", T.UINT64, [9, 64, 8]), "holds 3 values, not 4"),
        (Lie("shapes", T.UINT64, [9, 64, 0, 64]), "a shape of 0 x 64"),
        (Lie("shapes", T.UINT64, [9, 64, 2**63, 64]), "bytes where a matrix of its shape takes"),
        (Lie("shapes", T.UINT64, [9, 64, 8, 2**63]), "bytes where a matrix of its shape takes"),
        (Lie("shapes", T.UINT64, [2**62, 64, 8, 64]), "bytes where a matrix of its shape takes"),
        (Lie("patterns", T.STRING, ["unstructured", "5:5"]), "the pattern 5:5 cannot be stored|The pattern 5:5"),
        (Lie("patterns", T.STRING, ["unstructured", "4:8"]), "values kept in rows of 64|digest"),
        (Lie("values", T.STRING, ["int8", "int5"]), "'int5' is not a valid ValueType"),
        (Lie("blocks", T.UINT32, [32, 33]), "Blocks of 33"),
        (Lie("kept", T.INT64, [-2, 32]), "-2 values kept"),
        (Lie("kept", T.INT64, [-1, 65]), "65 values kept"),
        (Lie("dense_types", T.STRING, ["Q8_0", "Q9_9"]), "Q9_9"),
        (Lie("dense_types", T.STRING, ["Q8_0", "Q4_K"]), "cannot be given as Q4_K"),
        (Lie("dense_types", T.STRING, ["Q8_0", "Q4_0"]), "cannot be Q4_0"),
        (Lie("dense_types", T.STRING, ["Q8_0", "F32"]), "digest"),
        (Lie("digests", T.STRING, ["0" * 64, "0" * 64]), r"'a\.weight' is damaged: its bytes do not have the digest"),
    ],
)
def test_lies_in_the_metadata_are_refused(tiny: Path, tmp_path: Path, lie: Lie, complaint: str) -> None:
    path = tmp_path / "lying.gguf"
    path.write_bytes(lie.told_in(tiny))
    started = time.monotonic()
    with pytest.raises(SparseFileError, match=rf"lying\.gguf.*({complaint})"):
        contents(path)
    assert time.monotonic() - started < 30


def with_tensors(tiny: Path, change: Callable[[bytes], bytes]) -> bytes:
    """The file with its list of tensors changed, at the same length."""
    whole = tiny.read_bytes()
    with GGUFFile(tiny) as file:
        start = min(info.offset for info in file.tensors.values())
    at = whole.index(string_bytes("norm.weight"))
    changed = change(whole[at:start])
    assert len(changed) == start - at
    return whole[:at] + changed + whole[start:]


def test_tensors_that_lie_upon_each_other_are_refused(tiny: Path, tmp_path: Path) -> None:
    """A small file could otherwise claim a plain one of any size."""
    with GGUFFile(tiny) as file:
        first = min(info.offset for info in file.tensors.values())
        end = file.tensors["c.weight"].offset - first
        packed = file.tensors["a.weight.packed"].offset - first
    tail = struct.pack("<I", 0)
    lying = with_tensors(
        tiny, lambda infos: infos.replace(tail + struct.pack("<Q", end), tail + struct.pack("<Q", packed))
    )
    path = tmp_path / "upon.gguf"
    path.write_bytes(lying)
    with pytest.raises(SparseFileError, match=r"upon\.gguf.*'(c|a)\.weight.*lies upon"):
        SparseFile(path)


def test_a_matrix_both_packed_and_plain_is_refused(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "both.gguf"
    path.write_bytes(with_tensors(tiny, lambda infos: infos.replace(b"c.weight", b"b.weight")))
    with pytest.raises(SparseFileError, match=r"both\.gguf.*'b\.weight'.*both packed and plain"):
        SparseFile(path)


def test_tensors_of_the_same_name_are_refused(tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "twice.gguf"
    path.write_bytes(with_tensors(tiny, lambda infos: infos.replace(b"b.weight.packed", b"a.weight.packed")))
    with pytest.raises(CheckpointError, match=r"twice\.gguf.*'a\.weight\.packed' appears twice"):
        SparseFile(path)


def test_a_damaged_file_gives_no_plain_one(tiny: Path, tmp_path: Path) -> None:
    damaged = bytearray(tiny.read_bytes())
    with GGUFFile(tiny) as file:
        last = file.tensors["c.weight"]
    damaged[last.offset] ^= 1
    (tmp_path / "damaged.gguf").write_bytes(damaged)
    with pytest.raises(SparseFileError, match=r"damaged\.gguf"):
        sparse_to_dense(tmp_path / "damaged.gguf", tmp_path / "out.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["damaged.gguf"]


@pytest.mark.parametrize(
    ("name", "lie", "complaint"),
    [
        ("a.weight", (0, b"\1"), "table of rows"),
        ("a.weight", (40 + 4, b"\xff" * 8), "survivors do not take the bytes"),
        ("b.weight", (4 + 1, b"\1"), "a row that does not hold 32 survivors"),
        ("b.weight", (1, b"\x7f"), "scales that are not finite"),
    ],
)
def test_bytes_that_contradict_themselves_are_refused_whatever_their_digest(
    tiny: Path, tmp_path: Path, name: str, lie: tuple[int, bytes], complaint: str
) -> None:
    """In a.weight a table of 40 bytes comes first; each row begins with 4 bytes of scales, then its mask."""
    with SparseFile(tiny) as sparse:
        tensor, data = sparse.tensors[name], sparse.packed(name).copy()
        offset = sparse.file.tensors[tensor.packed_name].offset
    at, told = lie
    data[at : at + len(told)] = list(told)
    whole = bytearray(tiny.read_bytes())
    whole[offset : offset + len(data)] = data.tobytes()
    path = tmp_path / "lying.gguf"
    path.write_bytes(whole.replace(tensor.digest.encode(), tensor.digest_of(data).encode()))
    with SparseFile(path) as sparse, pytest.raises(SparseFileError, match=rf"lying\.gguf.*'{name}'.*({complaint})"):
        sparse.read(name)
