"""What the documents say is true: their commands run, their files and settings exist, their code works."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from assistant.catalog import load_catalog
from assistant.settings import Settings
from prune.options import PruneOptions
from tests.prune.tiny_models import VOCABULARY, write_tiny_model

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
SNED = Path(sys.executable).with_name("sned")


def fenced(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def shown_commands() -> list[str]:
    """The `sned` commands shown in the documents, without their remarks."""
    lines = [
        line
        for path in DOCUMENTS
        for block in fenced(path.read_text(encoding="utf-8"), "console")
        for line in block.splitlines()
    ]
    commands = {line[2:].split("  #")[0].strip() for line in lines if line.startswith("$ ")}
    return sorted(command for command in commands if command.startswith("sned"))


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, base_model: Path) -> tuple[Path, dict[str, str]]:
    """A project with the files that the commands name, and a store with the default base model."""
    root = tmp_path_factory.mktemp("docs")
    source = root / "src" / "main.py"
    source.parent.mkdir()
    source.write_text("".join(f"def add_{n}(a, b):\n    return a + b + {n}\n\n\n" for n in range(8)))
    environment = {**os.environ, "SNED_HOME": str(root / "home"), "XDG_CONFIG_HOME": str(root / "config")}
    subprocess.run([SNED, "fetch", "--from", base_model], env=environment, check=True, capture_output=True)
    return root, environment


@pytest.mark.model
@pytest.mark.parametrize("command", shown_commands())
def test_commands_run_as_shown(command: str, machine: tuple[Path, dict[str, str]]) -> None:
    root, environment = machine
    words = shlex.split(command)
    if words[1:2] == ["build"]:
        # A whole build of the default model takes minutes, and `make demo` does one: here it has to get as far as
        # finding the arguments good, and refuse a base that is not there.
        words += ["--base", "qwen2.5-coder-7b-instruct"]
        (root / "path/to/project").mkdir(parents=True, exist_ok=True)
        (root / "path/to/project/a.py").write_text("x = 1\n")
    done = subprocess.run(
        [SNED, *words[1:]], cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    if words[1:2] == ["build"]:
        assert done.returncode == 2
        assert "sned fetch qwen2.5-coder-7b-instruct" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
    if "remove" in words:
        subprocess.run([SNED, "fetch"], env=environment, check=True, capture_output=True)


def test_there_are_commands_to_check() -> None:
    assert len(shown_commands()) > 8


def test_make_targets_shown_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    shown = {
        match for path in DOCUMENTS for match in re.findall(r"\bmake ([a-z-]+)\b", path.read_text(encoding="utf-8"))
    }
    shown -= {"room", "sure"}
    assert shown
    assert shown <= targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    missing = [target for target in targets if not (path.parent / target).exists()]
    assert not missing


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert set(re.findall(r"`SNED_(\w+)` \|", text)) == {name.upper() for name in Settings.model_fields}


def test_the_catalog_shown_parses(tmp_path: Path) -> None:
    (shown,) = fenced((ROOT / "docs" / "models.md").read_text(encoding="utf-8"), "toml")
    (tmp_path / "catalog.toml").write_text(shown)
    assert load_catalog(tmp_path / "catalog.toml").find("my-coder-1b").parameters == 1_000_000_000


def test_the_python_shown_prunes_a_file(tmp_path: Path) -> None:
    (shown,) = fenced((ROOT / "docs" / "building.md").read_text(encoding="utf-8"), "python")
    names: dict[str, object] = {}
    exec(compile(shown, "building.md", "exec"), names)
    base = write_tiny_model(tmp_path / "base.gguf", "qwen2")
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, (4, 32)).astype(np.int32)
    names["prune_file"](base.path, tmp_path / "pruned.gguf", tokens, PruneOptions(0.25))  # type: ignore[operator]
    from export.sparsity import measured_sparsity

    (sparsity,) = measured_sparsity(tmp_path / "pruned.gguf", ["blk.1.ffn_up.weight"]).values()
    assert sparsity == pytest.approx(0.25)
