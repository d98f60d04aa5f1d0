import os
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from assistant.errors import PublicationError, SnedError, UsageError
from assistant.manifest import CalibrationRecord
from assistant.publishing.folder import publish_to_folder
from assistant.publishing.index import Index, parse_index
from assistant.publishing.preparing import Published, Wanted
from assistant.publishing.signing import SecretKey, parse_public_key, read_secret_key, signature_file, verify
from assistant.store import Store, SubModelEntry
from export.sparse.convert import sparse_to_dense
from tests.assistant.publishing.tiny_submodels import NAME, PUBLIC_KEY, put, secret_key, tiny_store
from tests.export.sparse.test_convert import model


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return tiny_store(tmp_path_factory.mktemp("store") / "a")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "site" / "models"


def entry_of(store: Store, name: str = NAME) -> SubModelEntry:
    entry = store.submodel(name)
    assert entry is not None
    return entry


def publish(
    store: Store, folder: Path, name: str = NAME, *, sparse: bool = True, key: SecretKey | None = None
) -> Published:
    return publish_to_folder(Wanted(entry_of(store), sparse=sparse, name=name, key=key), folder)


def read(folder: Path) -> Index:
    """The index, after a look that all it names is there and whole."""
    index = parse_index((folder / "index.json").read_bytes(), str(folder))
    for each in index.publications:
        data = (folder / each.file).read_bytes()
        assert (len(data), sha256(data).hexdigest()) == (each.manifest.size, each.manifest.sha256)
    return index


def test_a_sub_model_is_packed_and_its_index_says_all_of_it(store: Store, folder: Path, tmp_path: Path) -> None:
    published = publish(store, folder)
    entry = entry_of(store)
    assert published.new
    (there,) = read(folder).publications
    assert there == published.publication
    assert there.form == "sparse"
    changed = {"sha256": there.manifest.sha256, "size": there.manifest.size}
    assert there.manifest == entry.manifest.model_copy(update=changed)
    assert there.manifest.size < entry.manifest.size
    sparse_to_dense(folder / there.file, tmp_path / "back.gguf")
    assert (tmp_path / "back.gguf").read_bytes() == entry.path.read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == [".sned-publishing.lock", "index.json", there.file]


def test_files_that_were_not_calibrated_on_are_not_told_to_the_world(folder: Path, tmp_path: Path) -> None:
    calibration = CalibrationRecord(
        digest="c" * 64, tokens=1, sequence_length=1, sources={"project": 1}, refused=["project: secret_plan.py"]
    )
    publish(tiny_store(tmp_path / "a", calibration=calibration), folder)
    assert b"secret_plan" not in (folder / "index.json").read_bytes()


def test_a_dense_one_is_the_stores_file(store: Store, folder: Path) -> None:
    publish(store, folder, sparse=False)
    (there,) = read(folder).publications
    assert there.form == "dense"
    assert (folder / there.file).read_bytes() == entry_of(store).path.read_bytes()


def test_a_sparse_one_of_the_store_is_published_as_it_is_or_unpacked(
    store: Store, folder: Path, tmp_path: Path
) -> None:
    publish(store, folder)
    other = Store(tmp_path / "other")
    put(other, folder / f"{NAME}.gguf")
    assert not publish(other, folder).new
    publish(other, folder, "unpacked", sparse=False)
    assert (folder / "unpacked.gguf").read_bytes() == entry_of(store).path.read_bytes()


def test_publishing_adds_and_what_is_there_stays(store: Store, folder: Path) -> None:
    publish(store, folder)
    before = (folder / f"{NAME}.gguf").read_bytes()
    assert publish(store, folder, "second").new
    assert [each.name for each in read(folder).publications] == [NAME, "second"]
    again = publish(store, folder)
    assert not again.new
    assert (folder / f"{NAME}.gguf").read_bytes() == before
    assert len(read(folder).publications) == 2


def test_another_sub_model_of_that_name_is_refused(store: Store, folder: Path) -> None:
    publish(store, folder)
    before = (folder / "index.json").read_bytes()
    with pytest.raises(PublicationError, match="choose another name with --name"):
        publish(store, folder, sparse=False)
    assert (folder / "index.json").read_bytes() == before
    assert len(read(folder).publications) == 1
    assert not list(folder.glob("*.partial"))


@pytest.mark.parametrize("name", ["../up", "Big", "a/b", "", ".hidden"])
def test_names_are_checked(store: Store, folder: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a model"):
        publish(store, folder, name)
    assert not folder.exists()


def test_a_damaged_sub_model_is_not_published(folder: Path, tmp_path: Path) -> None:
    own = tiny_store(tmp_path / "a")
    path = entry_of(own).path
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(data)
    with pytest.raises(PublicationError, match=f"{NAME} is damaged"):
        publish(own, folder)
    assert not (folder / "index.json").exists()


def test_a_damaged_file_is_mended_by_publishing_it_again(store: Store, folder: Path) -> None:
    publish(store, folder)
    (folder / f"{NAME}.gguf").write_bytes(b"damaged")
    assert not publish(store, folder).new
    assert len(read(folder).publications) == 1


def test_an_index_that_cannot_be_read_is_left_alone(store: Store, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "index.json").write_text("{")
    with pytest.raises(PublicationError, match="cannot be used"):
        publish(store, folder)
    assert (folder / "index.json").read_text() == "{"


def test_a_signed_index_stays_signed(store: Store, folder: Path, tmp_path: Path) -> None:
    key = read_secret_key(secret_key(tmp_path), str)
    public = parse_public_key(PUBLIC_KEY)
    publish(store, folder)
    assert not publish(store, folder, key=key).new  # signs what was not
    for name in (NAME, "second"):
        publish(store, folder, name, key=key)
        data = (folder / "index.json").read_bytes()
        assert verify(data, (folder / signature_file(data)).read_bytes(), (public,), "x") == public
    with pytest.raises(UsageError, match="is signed; give the key with --sign"):
        publish(store, folder, "third")
    assert len(read(folder).publications) == 2


class Killed(BaseException):
    pass


@pytest.mark.parametrize("step", range(8))
def test_whenever_it_is_killed_readers_find_what_was_or_what_is_to_be(
    store: Store, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    key = read_secret_key(secret_key(tmp_path), str)
    public = parse_public_key(PUBLIC_KEY)
    publish(store, folder, "first", key=key)
    calls = iter(range(step + 1))

    def fsync(descriptor: int) -> None:
        if next(calls, None) is None:
            raise Killed

    monkeypatch.setattr(os, "fsync", fsync)
    try:
        publish(store, folder, "second", key=key)
        done = True
    except Killed:
        done = False
    monkeypatch.undo()
    data = (folder / "index.json").read_bytes()
    assert verify(data, (folder / signature_file(data)).read_bytes(), (public,), "x") == public
    names = [each.name for each in read(folder).publications]
    assert names == ["first", "second"] or (names == ["first"] and not done)
    publish(store, folder, "second", key=key)
    assert [each.name for each in read(folder).publications] == ["first", "second"]


def test_several_publish_at_once_and_none_is_lost(store: Store, folder: Path) -> None:
    names = [f"name-{number}" for number in range(6)]
    threads = [threading.Thread(target=publish, args=(store, folder, name)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.name for each in read(folder).publications) == names


def test_what_is_not_pruned_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    model(tmp_path / "pruned.gguf")  # writes a dense one beside
    own = Store(tmp_path / "own")
    put(own, tmp_path / "dense.gguf")
    with pytest.raises(SnedError, match="no pruned matrix"):
        publish(own, folder)
    assert publish(own, folder, sparse=False).new


def test_a_place_that_cannot_be_written_is_named(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PublicationError, match="file cannot be written"):
        publish(store, tmp_path / "file")
