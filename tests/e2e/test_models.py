"""`sned models` as a user runs it."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from assistant.languages import Language
from assistant.manifest import BaseManifest, BaseReference, CalibrationRecord, SubModelManifest
from assistant.recipe import RECIPE_VERSION, Recipe
from assistant.store import Store

SNED = Path(sys.executable).with_name("sned")
CONTENT = b"GGUF" * 500
DIGEST = sha256(CONTENT).hexdigest()
SUBMODEL = "qwen2.5-coder-0.5b-instruct-python-feedbeef00"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A store of one base model, one sub-model cut from it, and one folder without a manifest."""
    store = Store(tmp_path / "home")
    with store.installing("bases", "qwen2.5-coder-0.5b-instruct") as installation:
        (installation.directory / "model.gguf").write_bytes(CONTENT)
        installation.commit(
            BaseManifest(
                name="qwen2.5-coder-0.5b-instruct",
                sha256=DIGEST,
                size=len(CONTENT),
                licence="Apache-2.0",
                source="a test",
            )
        )
    with store.installing("submodels", SUBMODEL) as installation:
        (installation.directory / "model.gguf").write_bytes(CONTENT)
        installation.commit(
            SubModelManifest(
                identity="feedbeef" * 8,
                name=SUBMODEL,
                language=Language.PYTHON,
                base=BaseReference(name="qwen2.5-coder-0.5b-instruct", sha256=DIGEST),
                recipe=Recipe().as_dict(),
                recipe_version=RECIPE_VERSION,
                calibration=CalibrationRecord(
                    digest="c" * 64, tokens=32768, sequence_length=1024, sources={"here": 32768}
                ),
                sha256=DIGEST,
                size=len(CONTENT),
                licence="Apache-2.0",
                sparsity={"blk.0.ffn_up.weight": 0.4996, "blk.0.attn_q.weight": 0.5004},
            )
        )
    (store.home / "bases" / "stray").mkdir()
    return store.home


def sned(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SNED, *arguments],
        env=os.environ | {"SNED_HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


@pytest.mark.parametrize("arguments", [("models",), ("models", "list")])
def test_the_list_has_catalog_submodels_and_what_is_broken(home: Path, arguments: tuple[str, ...]) -> None:
    listed = sned(home, *arguments)
    assert listed.returncode == 0, listed.stderr
    lines = listed.stdout.splitlines()
    assert any(line.startswith("qwen2.5-coder-0.5b-instruct ") and "fetched, default" in line for line in lines)
    assert any(line.startswith("starcoder2-3b ") and "BigCode-OpenRAIL-M" in line for line in lines)
    assert any(line.startswith(SUBMODEL) and "python" in line and " 0.50 " in line for line in lines)
    assert "stray is broken: its manifest is missing; sned models remove stray, then sned fetch stray." in lines


def test_the_list_as_json(home: Path) -> None:
    answer = json.loads(sned(home, "models", "--json").stdout)
    fetched = [base["name"] for base in answer["bases"] if base["fetched"]]
    assert fetched == ["qwen2.5-coder-0.5b-instruct"]
    assert [base["name"] for base in answer["bases"] if base["default"]] == fetched
    (submodel,) = answer["submodels"]
    assert submodel["sparsity_range"] == {"min": 0.4996, "mean": 0.5, "max": 0.5004}
    assert submodel["path"] == str(home / "submodels" / SUBMODEL / "model.gguf")
    assert [each["name"] for each in answer["broken"]] == ["stray"]


def test_a_submodel_is_shown_with_its_measured_sparsity(home: Path) -> None:
    shown = sned(home, "models", "show", "feedbeef")
    assert shown.returncode == 0, shown.stderr
    assert "mean 0.5000, from 0.4996 to 0.5004, in 2 tensors" in shown.stdout
    assert "attn_q" not in shown.stdout
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["kind", "sub-model"] in lines
    assert ["built_here", "yes"] in lines
    assert "fetched" not in shown.stdout
    rows = [line.split() for line in sned(home, "models", "show", "feedbeef", "--tensors").stdout.splitlines()]
    assert ["blk.0.attn_q.weight", "0.5004"] in rows
    answer = json.loads(sned(home, "models", "show", SUBMODEL, "--json").stdout)
    assert answer["sparsity"]["blk.0.ffn_up.weight"] == 0.4996
    assert answer["language"] == "python"
    assert "fetched" not in answer


def test_a_model_that_is_not_fetched_is_shown_from_the_catalog(home: Path) -> None:
    shown = sned(home, "models", "show", "7B")
    assert "qwen2.5-coder-7b-instruct" in shown.stdout
    assert "sned fetch qwen2.5-coder-7b-instruct gets it" in shown.stdout
    assert json.loads(sned(home, "models", "show", "7b", "--json").stdout)["fetched"] is False


def test_show_of_the_broken_and_the_unknown_says_what_to_do(home: Path) -> None:
    broken = sned(home, "models", "show", "stray")
    assert (broken.returncode, broken.stderr) == (
        1,
        "sned: stray is broken: its manifest is missing; sned models remove stray, then sned fetch stray.\n",
    )
    unknown = sned(home, "models", "show", "llama")
    assert unknown.returncode == 2
    assert "No model in the store is called 'llama'" in unknown.stderr


def test_verify_names_what_is_damaged_and_fails(home: Path) -> None:
    assert sned(home, "models", "verify", "0.5b").stdout == "qwen2.5-coder-0.5b-instruct: whole\n"
    model = home / "submodels" / SUBMODEL / "model.gguf"
    model.write_bytes(CONTENT[:-1] + b"?")
    verified = sned(home, "models", "verify", "--json")
    assert verified.returncode == 1
    assert {each["name"]: each["whole"] for each in json.loads(verified.stdout)} == {
        "qwen2.5-coder-0.5b-instruct": True,
        SUBMODEL: False,
        "stray": False,
    }
    assert f"{SUBMODEL} is damaged" in sned(home, "models", "verify", SUBMODEL).stdout


def test_remove_asks_for_yes_and_names_the_submodels_that_stay(home: Path) -> None:
    refused = sned(home, "models", "remove", "0.5b")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert (home / "bases" / "qwen2.5-coder-0.5b-instruct" / "model.gguf").exists()
    removed = sned(home, "models", "remove", "0.5b", "--yes")
    assert removed.returncode == 0
    assert f"stay, and work without it: {SUBMODEL}." in removed.stdout
    assert not (home / "bases" / "qwen2.5-coder-0.5b-instruct").exists()
    assert (home / "submodels" / SUBMODEL / "model.gguf").exists()


def test_what_is_broken_or_unfinished_can_be_removed(home: Path) -> None:
    assert json.loads(sned(home, "models", "remove", "stray", "-y", "--json").stdout)["removed"] == "stray"
    assert not (home / "bases" / "stray").exists()
    with Store(home).installing("bases", "starcoder2-3b", resumable=True) as installation:
        (installation.directory / "part").write_bytes(b"x" * 1000)
    with Store(home).installing("submodels", "base-java-1", resumable=True) as installation:  # as builds do
        (installation.directory / "part").write_bytes(b"x" * 1000)
    told = sned(home, "models").stdout
    assert "starcoder2-3b is not finished: 0.0 MB are here; sned fetch starcoder2-3b goes on." in told
    assert "base-java-1 is not finished: 0.0 MB are here; the sned fetch or sned build that began it goes on." in told
    for name in ("starcoder2", "base-java-1"):
        assert json.loads(sned(home, "models", "remove", name, "-y", "--json").stdout)["bytes"] == 1000
    assert "goes on" not in sned(home, "models").stdout
