"""From a plain GGUF to a sparse one, and back."""

from collections.abc import Collection
from pathlib import Path

from gguf.constants import GGMLQuantizationType

from export.gguf_stream import GGUFStream, header_size
from export.sparse.choice import SparseOptions, chosen_forms, forms_that_pay, matrix_to_pack
from export.sparse.dense import refuse_dense_type
from export.sparse.errors import SparseFileError
from export.sparse.reader import SparseFile
from export.sparse.records import other_entries, refuse_sparse
from export.sparse.writer import SparseWriter
from prune.errors import UsageError
from prune.gguf_file import GGUFFile

__all__ = ["SparseOptions", "dense_to_sparse", "sparse_to_dense"]


def dense_to_sparse(
    path: Path, out: Path, options: SparseOptions | None = None, names: Collection[str] | None = None
) -> None:
    """Writes a plain GGUF as a sparse one; without options, nothing is rounded.

    Args:
        path: the plain file.
        out: the sparse one; it must not exist.
        options: how matrices are packed.
        names: the matrices to pack; by default those that take fewer bytes then.

    Raises:
        CheckpointError: the file cannot be read, has no such matrix or none that is pruned, or one that cannot be
            packed as asked for.
        UsageError: a matrix is of a type that cannot hold zeros, or `out` cannot be written.
    """
    options = options or SparseOptions()
    with GGUFFile(path) as base:
        refuse_sparse(base)
        forms = forms_that_pay(base, options) if names is None else chosen_forms(base, options, names)
        if not forms:
            raise SparseFileError(f"{path} has no pruned matrix that would take less space; keep it as it is.")
        with SparseWriter(base, out, forms) as writer:
            for name in base.tensors:
                if name in forms:
                    writer.write(name, matrix_to_pack(base, name, forms[name].format, options))
                else:
                    writer.copy(name)
            writer.finish()


def sparse_to_dense(path: Path, out: Path, dense_type: GGMLQuantizationType | None = None) -> None:
    """Writes a sparse GGUF as a plain one, with the same values; everything is checked on the way.

    A plain file that was packed without options comes back byte for byte, unless padding in it was not zero.

    Args:
        path: the sparse file.
        out: the plain one; it must not exist.
        dense_type: what packed matrices become: Q8_0, Q4_0 or F32 with the same values, or F16 with those nearest to
            them; by default the type that each had, or the smallest with the same values.

    Raises:
        CheckpointError: the sparse file is damaged.
        UsageError: the type cannot hold a matrix, or `out` cannot be written.
    """
    with SparseFile(path) as sparse:
        types = {
            name: tensor.dense_type if dense_type is None else dense_type for name, tensor in sparse.tensors.items()
        }
        for name, tensor in sparse.tensors.items():
            try:
                refuse_dense_type(types[name], tensor.layout.format.values, tensor.layout.columns)
            except ValueError as error:
                raise UsageError(f"{path}: tensor {name!r}: {error}.") from error
        names = sparse.dense_tensors()
        sizes = [(name, 2 if name in sparse.tensors else len(sparse.file.tensors[name].shape)) for name in names]
        entries = other_entries(sparse.file)
        digest = sparse.begin_digest()
        with GGUFStream(out, header_size(entries, sizes), sparse.file.alignment) as stream:
            for name in names:
                if name in sparse.tensors:
                    tensor = sparse.tensors[name]
                    stream.append(name, tensor.shape, types[name], [sparse.dense(name, types[name]).data])
                    digest.add_packed(tensor)
                else:
                    info = sparse.file.tensors[name]
                    pieces = digest.passing(info, sparse.file.copy_chunks(info))
                    stream.append(name, info.shape, info.type, pieces)
            sparse.check_digest(digest)
            stream.finish(entries)
