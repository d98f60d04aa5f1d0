"""Writing a model with the tokens that were kept: its tokenizer's lists, the ids it names, rows of its matrices."""

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf.constants import GGUFValueType

from export.gguf_writer import GGUFRewriter, MetadataValue
from export.sparse.records import refuse_sparse
from export.vocabulary.keeping import KeptVocabulary, TokenIds
from export.vocabulary.tokenizer import MERGES, TRIMMED_FROM, ByteLevelBPE, read_byte_level_bpe, special_ids
from prune.errors import CheckpointError, UsageError
from prune.gguf_file import GGUFFile, TensorInfo

# Tensors whose first dimension is the vocabulary; the output matrix is missing where the embedding serves as it.
_EMBEDDING = "token_embd.weight"
_VOCABULARY_TENSORS = (_EMBEDDING, "output.weight", "output.bias", "per_layer_token_embd.weight")

_SUPPRESSED = "tokenizer.ggml.suppress_tokens"
_ROWS_AT_ONCE = 4096
_ARRAY_HEADER = struct.Struct("<IQ")

_ITEM_BYTES = {
    GGUFValueType.UINT8: 1, GGUFValueType.INT8: 1, GGUFValueType.BOOL: 1, GGUFValueType.UINT16: 2,
    GGUFValueType.INT16: 2, GGUFValueType.UINT32: 4, GGUFValueType.INT32: 4, GGUFValueType.FLOAT32: 4,
    GGUFValueType.UINT64: 8, GGUFValueType.INT64: 8, GGUFValueType.FLOAT64: 8,
}  # fmt: skip
_INTEGERS = {
    GGUFValueType.UINT8: "<B", GGUFValueType.INT8: "<b", GGUFValueType.UINT16: "<H", GGUFValueType.INT16: "<h",
    GGUFValueType.UINT32: "<I", GGUFValueType.INT32: "<i", GGUFValueType.UINT64: "<Q", GGUFValueType.INT64: "<q",
}  # fmt: skip


def trim(source: Path, kept: KeptVocabulary, target: Path) -> None:
    """Writes the model at `source` to `target` with the tokens that were kept, and no others.

    What concerns the vocabulary is rewritten: tokens, types, merges, token ids in the metadata, the rows of embedding
    and output (whole runs of bytes, whatever they are quantised as). All else is copied byte for byte. The metadata
    `sned.vocabulary.base_size` and `sned.vocabulary.digest` are added. Equal arguments give equal bytes; a few
    thousand rows are in memory at a time. The file appears whole or not at all.

    Raises:
        CheckpointError: the source cannot be read, is a sparse GGUF, its tokenizer is not byte-level BPE, or a tensor
            does not fit it.
        UsageError: `kept` was chosen for another tokenizer.
        FileExistsError: `target` is there.
    """
    with GGUFFile(source) as file:
        refuse_sparse(file)  # whose digest covers what would change
        tokenizer = read_byte_level_bpe(file)
        if kept.base_digest != tokenizer.digest:
            raise UsageError(
                f"The tokens to keep were chosen for another tokenizer than that of {source}; choose anew."
            )
        tensors = _vocabulary_tensors(file, kept.base_size)
        types = {info.name: info.type for info in tensors}
        rows = dict.fromkeys(types, len(kept.ids))
        with GGUFRewriter(file, target, types, _metadata(file, kept), rows) as writer:
            for info in tensors:
                writer.write_pieces(info.name, _kept_rows(file, info, kept.ids))
            writer.finish()


def trimmable_tokenizer(file: GGUFFile) -> ByteLevelBPE:
    """The tokenizer of a GGUF file whose vocabulary can be trimmed; takes under a second.

    Raises:
        CheckpointError: its tokenizer or a tensor of it stands in the way.
    """
    tokenizer = read_byte_level_bpe(file)
    _vocabulary_tensors(file, len(tokenizer.tokens))
    return tokenizer


def _vocabulary_tensors(file: GGUFFile, size: int) -> list[TensorInfo]:
    """The tensors with a row a token."""
    file.tensor(_EMBEDDING)
    tensors = [info for name, info in file.tensors.items() if name in _VOCABULARY_TENSORS]
    for info in tensors:
        if info.shape[0] != size:
            raise CheckpointError(
                f"{file.path}: tensor {info.name!r} has {info.shape[0]} rows for {size} tokens; fetch the model again."
            )
    for name, info in file.tensors.items():
        if name not in _VOCABULARY_TENSORS and info.shape[0] == size:
            raise CheckpointError(
                f"{file.path}: tensor {name!r} has a row for each token, and what it does is not known; "
                "leave trimming out for this model (--vocabulary whole)."
            )
    return tensors


def _kept_rows(file: GGUFFile, info: TensorInfo, ids: TokenIds) -> Iterator[npt.NDArray[np.uint8]]:
    shape = (info.shape[0], info.size // info.shape[0])
    stored = np.memmap(file.path, dtype=np.uint8, mode="r", offset=info.offset, shape=shape)
    for start in range(0, len(ids), _ROWS_AT_ONCE):
        yield stored[ids[start : start + _ROWS_AT_ONCE]]


def _metadata(file: GGUFFile, kept: KeptVocabulary) -> dict[str, MetadataValue]:
    """The entries that change, and those that tell what was kept."""
    changes: dict[str, MetadataValue] = {
        **_lists(file, kept),
        MERGES: _chosen(file, MERGES, kept.merges),
        TRIMMED_FROM: kept.base_size,
        "sned.vocabulary.digest": kept.digest,
    }
    changes |= {
        key: _integer(file, key, int(kept.new_ids[token]))
        for key, token in special_ids(file)
        if token < kept.base_size  # one beyond the end names nothing, and does not after
    }
    if (key := f"{file.architecture}.vocab_size") in file.entries:
        changes[key] = _integer(file, key, len(kept.ids))
    if _SUPPRESSED in file.entries:
        changes[_SUPPRESSED] = _suppressed(file, kept)
    return changes


def _lists(file: GGUFFile, kept: KeptVocabulary) -> dict[str, MetadataValue]:
    """The tokenizer's lists with an item a token: tokens, types, scores."""
    return {
        key: _chosen(file, key, kept.ids)
        for key, entry in file.entries.items()
        if key.startswith("tokenizer.ggml.")
        and key not in (MERGES, _SUPPRESSED)
        and entry.type is GGUFValueType.ARRAY
        and _array(file, key)[1] == kept.base_size
    }


def _suppressed(file: GGUFFile, kept: KeptVocabulary) -> bytes:
    """Ids that llama.cpp never samples: those that are kept, as 32-bit integers."""
    known = [int(kept.new_ids[token]) for token in file.value(_SUPPRESSED) if 0 <= token < kept.base_size]
    ids = [token for token in known if token >= 0]
    return _array_value(GGUFValueType.INT32, len(ids), np.array(ids, dtype="<i4").tobytes())


def _value(file: GGUFFile, key: str) -> bytes:
    """An entry's value as stored, without its type."""
    entry = file.entries[key]
    return file.raw_entry(key)[entry.value_start - entry.start :]


def _array(file: GGUFFile, key: str) -> tuple[GGUFValueType, int, bytes]:
    """The items' type and number, and the items as stored."""
    raw = _value(file, key)
    kind, count = _ARRAY_HEADER.unpack_from(raw)
    return GGUFValueType(kind), count, raw[_ARRAY_HEADER.size :]


def _chosen(file: GGUFFile, key: str, places: TokenIds) -> bytes:
    """An array with the items at `places` alone, each as stored."""
    kind, count, raw = _array(file, key)
    if kind is GGUFValueType.STRING:
        starts, position = [], 0
        for _ in range(count):
            starts.append(position)
            position += 8 + int.from_bytes(raw[position : position + 8], "little")
        starts.append(position)
        return _array_value(kind, len(places), b"".join(raw[starts[at] : starts[at + 1]] for at in places.tolist()))
    if kind not in _ITEM_BYTES:
        raise CheckpointError(f"{file.path}: {key!r} is a list of lists; no tokenizer has that. Fetch the model again.")
    items = np.frombuffer(raw, dtype=f"V{_ITEM_BYTES[kind]}", count=count)
    return _array_value(kind, len(places), items[places].tobytes())


def _array_value(kind: GGUFValueType, count: int, items: bytes) -> bytes:
    return struct.pack("<I", GGUFValueType.ARRAY.value) + _ARRAY_HEADER.pack(kind.value, count) + items


def _integer(file: GGUFFile, key: str, value: int) -> bytes:
    """A number in the type that the file has for this key."""
    kind = file.entries[key].type
    if kind not in _INTEGERS:
        raise CheckpointError(f"{file.path}: {key!r} is a {kind.name}, not a whole number; fetch the model again.")
    return struct.pack("<I", kind.value) + struct.pack(_INTEGERS[kind], value)
