import json
import os
import re
import threading
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.errors import StoreError, UsageError
from assistant.languages import Language
from assistant.manifest import BaseManifest, BaseReference, CalibrationRecord, SubModelManifest
from assistant.recipe import RECIPE_VERSION, Recipe
from assistant.store import BaseEntry, Store, SubModelEntry

CONTENT = b"GGUF" + bytes(range(256)) * 8


def base_manifest(name: str, content: bytes = CONTENT) -> BaseManifest:
    return BaseManifest(
        name=name, sha256=sha256(content).hexdigest(), size=len(content), licence="MIT", source="a test"
    )


def submodel_manifest(name: str, identity: str = "ab" * 32, recipe: Recipe | None = None) -> SubModelManifest:
    return SubModelManifest(
        identity=identity,
        name=name,
        language=Language.PYTHON,
        base=BaseReference(name="base", sha256="b" * 64),
        recipe=(recipe or Recipe()).as_dict(),
        recipe_version=RECIPE_VERSION,
        calibration=CalibrationRecord(digest="c" * 64, tokens=1, sequence_length=1, sources={"here": 1}),
        sha256=sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
        licence="MIT",
        sparsity={"blk.0.ffn_up.weight": 0.5},
    )


def install_base(store: Store, name: str = "base") -> BaseEntry:
    with store.installing("bases", name) as installation:
        (installation.directory / "model.gguf").write_bytes(CONTENT)
        entry = installation.commit(base_manifest(name))
    assert isinstance(entry, BaseEntry)
    return entry


def install_submodel(store: Store, manifest: SubModelManifest) -> SubModelEntry:
    with store.installing("submodels", manifest.name) as installation:
        (installation.directory / "model.gguf").write_bytes(CONTENT)
        entry = installation.commit(manifest)
    assert isinstance(entry, SubModelEntry)
    return entry


def files(folder: Path) -> dict[str, bytes]:
    """What lies in a store, its locks aside."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "locks" not in path.parts
    }


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


def test_a_store_that_does_not_exist_is_empty(store: Store) -> None:
    assert (store.bases(), store.submodels(), store.broken(), store.unfinished()) == ([], [], [], {})
    assert not store.home.exists()


def test_what_is_committed_is_there_and_nothing_else(store: Store) -> None:
    with store.installing("bases", "base") as installation:
        assert installation.existing is None
        (installation.directory / "model.gguf").write_bytes(CONTENT)
        (installation.directory / "scratch").mkdir()
        (installation.directory / "scratch" / "half.bin").write_bytes(b"x")
        assert store.base("base") is None
        entry = installation.commit(base_manifest("base"))
    assert entry.path.read_bytes() == CONTENT
    assert store.base("base") == entry
    assert set(files(store.home)) == {"bases/base/model.gguf", "bases/base/manifest.json"}


def test_what_another_made_meanwhile_is_found(store: Store) -> None:
    entry = install_base(store)
    with store.installing("bases", "base") as installation:
        assert installation.existing == entry
    assert store.base("base") == entry


@pytest.mark.parametrize("resumable", [False, True])
def test_work_that_fails_leaves_the_entries_as_they_were(store: Store, resumable: bool) -> None:
    install_base(store)
    before = files(store.home)
    with pytest.raises(RuntimeError), store.installing("bases", "other", resumable=resumable) as installation:
        (installation.directory / "model.gguf").write_bytes(b"part")
        raise RuntimeError
    after = files(store.home)
    assert {path for path in after if path.startswith("bases/")} == set(before)
    assert store.unfinished() == ({"other": 4} if resumable else {})


def test_resumable_work_finds_what_the_last_run_left(store: Store) -> None:
    with store.installing("bases", "base", resumable=True) as installation:
        (installation.directory / "part").write_bytes(b"1234")
    with store.installing("bases", "base", resumable=True) as installation:
        assert (installation.directory / "part").read_bytes() == b"1234"
    store.remove_unfinished("base")
    assert store.unfinished() == {}


def test_a_commit_of_something_else_than_promised_is_refused(store: Store) -> None:
    with store.installing("bases", "base") as installation:
        (installation.directory / "model.gguf").write_bytes(CONTENT[:-1])
        with pytest.raises(StoreError, match=f"{len(CONTENT) - 1} bytes instead of {len(CONTENT)}"):
            installation.commit(base_manifest("base"))
    with store.installing("bases", "base") as installation:
        (installation.directory / "model.gguf").write_bytes(CONTENT)
        with pytest.raises(StoreError, match="manifest is of 'another'"):
            installation.commit(base_manifest("another"))
    assert store.bases() == []


def test_the_second_maker_says_so_waits_and_uses_the_first_ones_work(store: Store) -> None:
    waiting = threading.Event()
    found: list[object] = []

    def second() -> None:
        with Store(store.home).installing("bases", "base", waiting=waiting.set) as installation:
            found.append(installation.existing)

    with store.installing("bases", "base") as installation:
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        assert found == []
        (installation.directory / "model.gguf").write_bytes(CONTENT)
        entry = installation.commit(base_manifest("base"))
    thread.join(10)
    assert found == [entry]


def test_what_killed_builds_left_is_cleaned_and_live_work_is_not(store: Store) -> None:
    dead = store.home / "staging" / "submodels" / "dead"
    half_deleted = store.home / "staging" / "trash" / ("0" * 16)
    for folder in (dead, half_deleted):
        folder.mkdir(parents=True)
        (folder / "model.gguf").write_bytes(b"x")
    started, end = threading.Event(), threading.Event()

    def live() -> None:
        with Store(store.home).installing("submodels", "live") as installation:
            (installation.directory / "model.gguf").write_bytes(b"x")
            started.set()
            end.wait(10)

    thread = threading.Thread(target=live)
    thread.start()
    assert started.wait(10)
    dead.mkdir(parents=True, exist_ok=True)
    install_base(store)
    assert not dead.exists()
    assert not half_deleted.exists()
    assert (store.home / "staging" / "submodels" / "live" / "model.gguf").exists()
    end.set()
    thread.join(10)


@given(st.text(max_size=20) | st.sampled_from(["..", ".", "../x", "a/b", "a\\b", "A", "con.", "x/../../y", "a\n"]))
@settings(max_examples=200)
def test_no_name_leads_out_of_the_store(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    outside = tmp_path_factory.mktemp("names")
    store = Store(outside / "home")
    assert store.base(name) is None
    if re.fullmatch(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", name):
        install_base(store, name)
        assert (store.home / "bases" / name / "model.gguf").exists()
    else:
        with pytest.raises(UsageError, match="cannot name a model"), store.installing("bases", name):
            pass
    assert [path.name for path in outside.iterdir()] in ([], ["home"])


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda folder: (folder / "manifest.json").unlink(), "its manifest is missing"),
        (lambda folder: (folder / "manifest.json").write_text('{"kind": "base", "name'), "its manifest is not valid"),
        (lambda folder: (folder / "manifest.json").write_text('{"kind": "base"}'), "not valid (base.name: Field"),
        (lambda folder: (folder / "model.gguf").unlink(), "its model file is missing"),
        (lambda folder: (folder / "model.gguf").write_bytes(b"GGUF"), f"has 4 bytes instead of {len(CONTENT)}"),
        (lambda folder: folder.rename(folder.with_name("renamed")), "its manifest is of 'base'"),
    ],
)
def test_a_broken_entry_is_reported_and_can_be_replaced_or_removed(store: Store, damage: object, reason: str) -> None:
    whole = install_base(store, "whole")
    damage(install_base(store).directory)  # type: ignore[operator]
    assert store.bases() == [whole]
    (broken,) = store.broken()
    assert reason in broken.reason
    with pytest.raises(StoreError, match=rf"{broken.name} is broken: .*; sned models remove"):
        store.find(broken.name)
    with store.installing("bases", broken.name) as installation:
        assert installation.existing is None
        (installation.directory / "model.gguf").write_bytes(CONTENT)
        installation.commit(base_manifest(broken.name))
    assert store.broken() == []
    store.remove(store.find(broken.name))
    assert store.bases() == [whole]


def test_verify_finds_one_flipped_byte(store: Store) -> None:
    entry = install_base(store)
    seen: list[int] = []
    store.verify(entry, seen.append)
    assert seen[-1] == len(CONTENT)
    damaged = bytearray(CONTENT)
    damaged[1000] ^= 1
    entry.path.write_bytes(damaged)
    with pytest.raises(StoreError, match=r"base is damaged: .*sned models remove base, then sned fetch base"):
        store.verify(entry)


@pytest.mark.skipif(os.name == "nt", reason="Windows does not let go of open files")
def test_a_reader_keeps_its_file_when_the_entry_is_removed(store: Store) -> None:
    entry = install_base(store)
    with entry.path.open("rb") as reader:
        store.remove(entry)
        assert store.base("base") is None
        assert reader.read() == CONTENT
    assert files(store.home) == {}


def test_what_is_being_installed_is_not_removed(store: Store) -> None:
    with store.installing("bases", "base", resumable=True) as installation:
        (installation.directory / "part").write_bytes(b"x")
        with pytest.raises(StoreError, match="being installed by another process"):
            Store(store.home).remove_unfinished("base")
        assert (installation.directory / "part").exists()


def test_submodels_are_found_by_base_language_and_recipe_newest_first(store: Store) -> None:
    older = install_submodel(store, submodel_manifest("older", "1" * 64))
    newer = install_submodel(store, submodel_manifest("newer", "2" * 64))
    install_submodel(store, submodel_manifest("other", "3" * 64, Recipe(sparsity=0.3)))
    os.utime(older.path, (1, 1))
    assert store.submodels_for("b" * 64, Language.PYTHON, Recipe()) == [newer, older]
    assert store.submodels_for("b" * 64, Language.JAVA, Recipe()) == []
    assert store.submodels_for("d" * 64, Language.PYTHON, Recipe()) == []
    manifest = json.loads((newer.directory / "manifest.json").read_text())
    manifest["recipe_version"] += 1
    (newer.directory / "manifest.json").write_text(json.dumps(manifest))
    assert store.submodels_for("b" * 64, Language.PYTHON, Recipe()) == [older]


def test_entries_are_found_by_name_beginning_and_identity(store: Store) -> None:
    base = install_base(store, "qwen")
    python = install_submodel(store, submodel_manifest("qwen-python", "feed" * 16))
    java = install_submodel(store, submodel_manifest("qwen-java", "beef" * 16))
    assert store.find("qwen") == base
    assert store.find("qwen-p") == python
    assert store.find("beef") == java
    assert store.submodel("qwen-java") == store.submodel("beef" * 16) == java
    assert store.submodel("beef") is None
    with pytest.raises(UsageError, match="'qwen-' may mean qwen-java, qwen-python; give more of the name"):
        store.find("qwen-")
    with pytest.raises(UsageError, match="No model in the store is called 'llama'; there are qwen, qwen-java"):
        store.find("llama")


def test_a_home_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file" / "home")
    with (
        pytest.raises(StoreError, match=r"The model store at .*home cannot be written: .*SNED_HOME"),
        store.installing("bases", "base"),
    ):
        pass
