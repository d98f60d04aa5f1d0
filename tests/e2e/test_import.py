"""`sned import` as users run it, on tiny models."""

import json
from pathlib import Path

import pytest

from assistant.store import Store
from export.sparse.convert import dense_to_sparse
from export.sparse.reader import SparseFile
from tests.e2e.program import full_disk, small_files, sned
from tests.export.sparse.test_convert import model


@pytest.fixture
def pruned(tmp_path: Path) -> Path:
    return model(tmp_path / "Some-Model.gguf").path


def test_an_imported_model_is_called_by_its_name(tmp_path: Path, pruned: Path) -> None:
    done = sned(tmp_path, "import", pruned, "--licence", "MIT", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["name"], answer["licence"], answer["new"]) == ("some-model", "MIT", True)
    entry = Store(tmp_path / "home").base("some-model")
    assert entry is not None
    assert entry.path.read_bytes() == pruned.read_bytes()
    Store(tmp_path / "home").verify(entry)
    assert sned(tmp_path, "export", "some-model", "out.gguf").returncode == 0
    assert "some-model" in sned(tmp_path, "models").stdout
    again = sned(tmp_path, "import", pruned)
    assert again.returncode == 0
    assert "already" in again.stdout


def test_a_sparse_model_stays_sparse(tmp_path: Path, pruned: Path) -> None:
    dense_to_sparse(pruned, tmp_path / "sparse.gguf")
    assert sned(tmp_path, "import", "sparse.gguf", "--name", "mine").returncode == 0
    entry = Store(tmp_path / "home").base("mine")
    assert entry is not None
    assert entry.path.read_bytes() == (tmp_path / "sparse.gguf").read_bytes()


def test_an_imported_model_can_be_the_base(tmp_path: Path, pruned: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dense_to_sparse(pruned, tmp_path / "sparse.gguf")
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "main.py").write_text("value = 1\n" * 50)
    monkeypatch.setenv("SNED_BASE", "mine")
    unknown = sned(tmp_path, "--json")
    assert unknown.returncode == 2
    assert "'mine'" in unknown.stderr
    assert sned(tmp_path, "import", "sparse.gguf", "--name", "mine").returncode == 0
    status = json.loads(sned(tmp_path, "--json").stdout)
    assert (status["base"], status["base_is_here"]) == ("mine", True)
    built = sned(tmp_path, "build", "project")
    assert built.returncode == 1
    assert "sned export mine FILE.gguf" in built.stderr


def test_another_model_of_that_name_is_refused(tmp_path: Path, pruned: Path) -> None:
    dense_to_sparse(pruned, tmp_path / "sparse.gguf")
    assert sned(tmp_path, "import", pruned).returncode == 0
    done = sned(tmp_path, "import", "sparse.gguf", "--name", "some-model")
    assert done.returncode == 1
    assert "--name" in done.stderr


def test_what_cannot_be_used_is_one_sentence_and_leaves_nothing(tmp_path: Path, pruned: Path) -> None:
    dense_to_sparse(pruned, tmp_path / "flipped.gguf")
    with SparseFile(tmp_path / "flipped.gguf") as sparse:
        name, tensor = next(iter(sparse.tensors.items()))
        place = sparse.file.tensor(tensor.packed_name).offset
    flipped = bytearray((tmp_path / "flipped.gguf").read_bytes())
    flipped[place] ^= 1
    (tmp_path / "flipped.gguf").write_bytes(flipped)
    (tmp_path / "cut.gguf").write_bytes(pruned.read_bytes()[:-1000])
    (tmp_path / "text.gguf").write_text("no model")
    for arguments, status, said in (
        (["nothing.gguf"], 2, "no model nothing.gguf"),
        (["flipped.gguf"], 1, name),
        (["cut.gguf"], 1, "cut.gguf"),
        (["text.gguf"], 1, "text.gguf"),
        ([pruned, "--name", "Not a name"], 2, "--name"),
        ([pruned, "--name", "0.5b"], 2, "sned fetch qwen2.5-coder-0.5b-instruct --from"),
    ):
        done = sned(tmp_path, "import", *arguments)
        assert done.returncode == status, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert Store(tmp_path / "home").bases() == []


def test_a_store_without_room_is_one_sentence_and_left_as_it_was(tmp_path: Path, pruned: Path) -> None:
    done = sned(tmp_path, "import", pruned, before=small_files)
    assert done.returncode == 1
    assert "File too large; choose another folder with SNED_HOME" in done.stderr
    (tmp_path / "home").mkdir(exist_ok=True)
    done = full_disk(tmp_path, "home", f"sned import '{pruned}'; echo $?; find home -name '*.gguf'")
    assert done.stdout == "1\n"
    assert "No space is left for the model store" in done.stderr
    assert [path for path in (tmp_path / "home").rglob("*") if path.name.endswith(".gguf")] == []
    assert sned(tmp_path, "import", pruned).returncode == 0
