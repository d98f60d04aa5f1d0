"""A machine of a few files and a tiny base model, for what builds and measures sub-models."""

import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from assistant.corpus import documents
from assistant.corpus.volumes import Files, Volume
from assistant.digest import sha256_of
from assistant.languages import Language
from assistant.manifest import BaseManifest
from assistant.store import Store
from tests.prune.tiny_models import write_tiny_model

BASE = "tiny-qwen2"
_ENDINGS = {Language.PYTHON: "py", Language.JAVA: "java"}
_SMALL_RECIPE = 'sparsity = 0.5\ntokens = 512\nsequence_length = 128\nreconstruction = "none"\ntraining_tokens = 0\n'


def code(language: Language, number: int) -> str:
    """A file of made up functions."""
    drawn = random.Random(f"{language}/{number}")
    words = ["value", "total", "index", "result", "count", "item", "left", "right", "first", "last"]
    functions = []
    for place in range(4):
        names = [f"{drawn.choice(words)}_{drawn.randrange(1000)}" for _ in range(4)]
        if language is Language.PYTHON:
            lines = "".join(f"    {name} = {names[0]} * {drawn.randrange(99)}\n" for name in names[1:])
            functions.append(f"def work_{number}_{place}({names[0]}):\n{lines}    return {names[-1]}\n\n\n")
        else:
            lines = "".join(f"        int {name} = {names[0]} * {drawn.randrange(99)};\n" for name in names[1:])
            functions.append(f"    int work_{place}(int {names[0]}) {{\n{lines}        return {names[-1]};\n    }}\n\n")
    text = "".join(functions)
    return text if language is Language.PYTHON else f"class Work{number} {{\n{text}}}\n"


@pytest.fixture
def small_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its store, with a tiny base model; code in Python and Java is found on it, and none in other languages.

    Beside the store lies a recipe, `small.toml`.
    """
    home = tmp_path / "home"
    monkeypatch.setenv("SNED_HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    path = write_tiny_model(tmp_path / "tiny.gguf", "qwen2").path
    manifest = BaseManifest(
        name=BASE, sha256=sha256_of(path), size=path.stat().st_size, licence="Apache-2.0", source="made by a test"
    )
    with Store(home).installing("bases", BASE) as installation:
        (installation.directory / "model.gguf").write_bytes(path.read_bytes())
        installation.commit(manifest)
    (tmp_path / "small.toml").write_text(_SMALL_RECIPE)

    def found(language: Language, project: Path | None = None) -> Iterable[Volume]:
        folder = tmp_path / "code" / language.value
        folder.mkdir(parents=True, exist_ok=True)
        if language not in _ENDINGS:
            return []
        files = {f"work_{number}.{_ENDINGS[language]}": code(language, number) for number in range(40)}
        for name, text in files.items():
            (folder / name).write_text(text)
        paths = {name: str(folder / name) for name in files}
        return [Files("made up", paths, {name: len(text) for name, text in files.items()})]

    monkeypatch.setattr(documents, "machine_volumes", found)
    return home
