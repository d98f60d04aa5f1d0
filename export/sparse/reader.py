"""Reading a sparse GGUF: what is packed in it, checked before it is used."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf.constants import GGMLQuantizationType

from export.sparse.dense import dense_row_bytes, refuse_dense_type, write_dense
from export.sparse.errors import SparseFileError, damaged
from export.sparse.native import unpack_part
from export.sparse.packing import CodedMatrix, PackedMatrix, Unpacker, unpack
from export.sparse.records import FileDigest, SparseTensor, other_entries, read_file_digest, read_records
from export.sparse.rows import row_parts
from export.sparse.values import Bytes
from export.sparse.writer import LEAST_ALIGNMENT
from prune.errors import UsageError
from prune.gguf_file import GGUFFile, TensorInfo

_PIECE = 1 << 18  # stays in a processor's cache between reading and hashing


class SparseFile:
    """An open sparse GGUF; a context manager, for several threads at once.

    The header is checked when it is opened, a packed matrix when it is read. Models are untrusted: time and memory are
    in proportion to the file, whatever it claims.

    Attributes:
        path: the file.
        file: the same file as a GGUF: metadata, and the tensors that are not packed.
        tensors: the packed matrices by name.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file and checks its header.

        Raises:
            CheckpointError: it is no GGUF, no sparse one, truncated, of another version, or contradicts itself.
        """
        self.path = path
        self.file = GGUFFile(path)
        try:
            self.tensors = read_records(self.file)
            self._digest = read_file_digest(self.file)
            self._check_places()
        except BaseException:
            self.file.close()
            raise
        self._bytes: Bytes = np.memmap(path, dtype=np.uint8, mode="r")
        # What is read once is not mapped: mapped pages count as memory of the process for as long as it is open.
        self._stream = path.open("rb", buffering=0)
        self._streaming = threading.Lock()
        self._opened = self._state()

    def __enter__(self) -> "SparseFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file; arrays that `packed` gave keep it mapped."""
        self.file.close()
        self._stream.close()
        del self._bytes

    def packed(self, name: str) -> Bytes:
        """The bytes of a packed matrix in the mapped file, not copied and not checked against their digest."""
        info = self.file.tensor(self._tensor(name).packed_name)
        return self._bytes[info.offset : info.offset + info.size]

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fills `target` with the file's bytes from `offset` on.

        Raises:
            SparseFileError: the file has become shorter since it was opened, or cannot be read.
        """
        try:
            while target and (size := self._read_some(offset, target)):
                offset, target = offset + size, target[size:]
        except OSError as error:
            raise SparseFileError(f"{self.path} cannot be read: {error.strerror}.") from error
        if target:
            raise damaged(self.path, "it has become shorter")

    def checked(self, name: str) -> PackedMatrix:
        """The bytes of a packed matrix, after their digest was checked.

        Raises:
            SparseFileError: it is another than the one that was written.
        """
        tensor = self._tensor(name)
        data = self.unchecked(name, np.empty(self.file.tensor(tensor.packed_name).size, dtype=np.uint8))
        self._check_digest_of(tensor, tensor.digest_of(data))
        return PackedMatrix(tensor.layout, data)

    def unchecked(self, name: str, out: Bytes) -> Bytes:
        """The bytes of a packed matrix, in the beginning of `out`; for who has had `check_matrix` look at them.

        Raises:
            SparseFileError: as `read_into`.
        """
        info = self.file.tensor(self._tensor(name).packed_name)
        self.read_into(info.offset, out[: info.size].data)
        return out[: info.size]

    def check_matrix(self, name: str) -> None:
        """Checks the digest of a packed matrix, a piece of it in memory at a time.

        Raises:
            SparseFileError: it is another than the one that was written.
        """
        tensor = self._tensor(name)
        self._check_digest_of(tensor, tensor.digest_of_pieces(self._pieces(self.file.tensor(tensor.packed_name))))

    def check_unchanged(self) -> None:
        """Compares the file with what it was when it was opened, for who has read anything twice.

        Raises:
            SparseFileError: it was written to.
        """
        if self._state() != self._opened:
            raise SparseFileError(f"{self.path} was changed while it was read; load it again.")

    def read(self, name: str) -> CodedMatrix:
        """A packed matrix as codes and scales, after its digest and its mask were checked.

        Raises:
            SparseFileError: its bytes are not those that were written.
        """
        packed = self.checked(name)
        try:
            return unpack(packed)
        except ValueError as error:
            raise damaged(self.path, str(error), name) from error

    def values(self, name: str) -> npt.NDArray[np.float32]:
        """The weights of a packed matrix, shape (outputs, inputs).

        Raises:
            SparseFileError: its bytes are not those that were written.
        """
        return self.read(name).values()

    def dense(self, name: str, dense_type: GGMLQuantizationType | None = None) -> Bytes:
        """A packed matrix as a plain GGUF stores it, shape (outputs, bytes of a row).

        Args:
            name: the matrix.
            dense_type: Q8_0, Q4_0 or F32 hold the same values, F16 those nearest to them; by default the type that the
                matrix had, or the smallest with the same values.

        Raises:
            SparseFileError: its bytes are not those that were written.
            UsageError: the type cannot hold it.
        """
        layout = self._tensor(name).layout
        chosen = self._dense_type(name, dense_type)
        stored = np.empty((layout.rows, dense_row_bytes(chosen, layout.columns)), dtype=np.uint8)
        self.dense_into(name, stored.reshape(-1), dense_type)
        return stored

    def dense_into(self, name: str, out: Bytes, dense_type: GGMLQuantizationType | None = None) -> None:
        """Writes what `dense` gives into an array of as many bytes, of one dimension.

        Raises:
            SparseFileError: as there; what was written is of no use then.
            UsageError: as there.
        """
        chosen = self._dense_type(name, dense_type)
        packed = self.checked(name)
        layout = packed.layout
        if unpack_part(packed, chosen, 0, out):
            return
        rows = out.reshape(layout.rows, -1)
        try:
            unpacker = Unpacker(packed)
            for part in row_parts(layout.rows, layout.columns):
                write_dense(unpacker.rows(part), chosen, rows[part])
        except ValueError as error:
            raise damaged(self.path, str(error), name) from error

    def dense_tensors(self) -> list[str]:
        """The names of all tensors of the plain model, in file order."""
        packed = {tensor.packed_name: name for name, tensor in self.tensors.items()}
        return [packed.get(name, name) for name in self.file.tensors]

    def check(self) -> None:
        """Reads everything, and compares it with its digests.

        Raises:
            SparseFileError: something is not what was written.
        """
        digest = self.begin_digest()
        for name in self.dense_tensors():
            if name in self.tensors:
                self.read(name)
                digest.add_packed(self.tensors[name])
            else:
                info = self.file.tensors[name]
                for _ in digest.passing(info, self.file.copy_chunks(info)):
                    pass
        self.check_digest(digest)

    def begin_digest(self) -> FileDigest:
        """A digest to which all tensors are to be added, in the order of `dense_tensors`."""
        return FileDigest(other_entries(self.file))

    def check_digest(self, digest: FileDigest) -> None:
        """Compares a digest of the whole file.

        Raises:
            SparseFileError: it is another than the one that was written.
        """
        if digest.value() != self._digest:
            raise damaged(self.path, "its metadata or a tensor that is not packed are not what was written")

    def _read_some(self, offset: int, target: memoryview) -> int:
        if hasattr(os, "preadv"):  # several threads at once
            return os.preadv(self._stream.fileno(), [target], offset)
        with self._streaming:
            self._stream.seek(offset)
            return self._stream.readinto(target) or 0

    def _pieces(self, info: TensorInfo) -> Iterator[Bytes]:
        buffer = np.empty(min(info.size, _PIECE), dtype=np.uint8)
        for start in range(0, info.size, _PIECE):
            piece = buffer[: info.size - start]
            self.read_into(info.offset + start, piece.data)
            yield piece

    def _check_digest_of(self, tensor: SparseTensor, digest: str) -> None:
        if digest != tensor.digest:
            raise damaged(self.path, "its bytes do not have the digest that was written with them", tensor.name)

    def _state(self) -> tuple[int, int]:
        found = os.fstat(self._stream.fileno())
        return found.st_size, found.st_mtime_ns

    def _tensor(self, name: str) -> SparseTensor:
        try:
            return self.tensors[name]
        except KeyError:
            raise UsageError(f"{self.path} has no packed matrix {name!r}; see its metadata for those it has.") from None

    def _dense_type(self, name: str, asked: GGMLQuantizationType | None) -> GGMLQuantizationType:
        """The plain type that a packed matrix is to be given as."""
        tensor = self._tensor(name)
        chosen = tensor.dense_type if asked is None else asked
        try:
            refuse_dense_type(chosen, tensor.layout.format.values, tensor.layout.columns)
        except ValueError as error:
            raise UsageError(f"{self.path}: tensor {name!r}: {error}.") from error
        return chosen

    def _check_places(self) -> None:
        """Packed matrices are where the metadata say, of the right size, and nothing lies upon something else."""
        if self.file.alignment < LEAST_ALIGNMENT:
            raise damaged(self.path, f"its tensors are aligned to {self.file.alignment} bytes, not {LEAST_ALIGNMENT}")
        for name, tensor in self.tensors.items():
            info = self.file.tensors.get(tensor.packed_name)
            if info is None or info.type is not GGMLQuantizationType.I8 or len(info.shape) != 1:
                raise damaged(self.path, f"the bytes {tensor.packed_name!r} are missing, or of another type", name)
            if name in self.file.tensors:
                raise damaged(self.path, "it is there both packed and plain", name)
            try:
                tensor.layout.check_size(info.size)
                refuse_dense_type(tensor.dense_type, tensor.layout.format.values, tensor.layout.columns)
            except ValueError as error:
                raise damaged(self.path, str(error), name) from error
        end, before = 0, ""
        for info in sorted(self.file.tensors.values(), key=lambda info: info.offset):
            if info.offset < end:
                raise damaged(self.path, f"it lies upon {before!r}", info.name)
            end, before = info.offset + info.size, info.name
