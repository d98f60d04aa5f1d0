"""Which model serves what."""

import hashlib
import os
from pathlib import Path

import pytest

from assistant.errors import UsageError
from assistant.languages import Language
from assistant.manifest import BaseManifest, BaseReference, CalibrationRecord, SubModelManifest
from assistant.recipe import RECIPE_VERSION, Recipe
from assistant.selection import language_of_file, select_model
from assistant.settings import Settings
from assistant.store import Store

DEFAULT = "qwen2.5-coder-0.5b-instruct"
CONTENT = b"weights"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "store")


def install(settings: Settings, manifest: BaseManifest | SubModelManifest) -> None:
    kind = "bases" if isinstance(manifest, BaseManifest) else "submodels"
    with Store(settings.home).installing(kind, manifest.name) as installation:
        (installation.directory / "model.gguf").write_bytes(CONTENT)
        installation.commit(manifest)


def install_base(settings: Settings, name: str = DEFAULT) -> None:
    install(
        settings,
        BaseManifest(name=name, sha256=DIGEST, size=len(CONTENT), licence="Apache-2.0", source="a test"),
    )


def install_submodel(
    settings: Settings, name: str, language: Language, *, age: int = 0, base: str = DEFAULT, digest: str = DIGEST
) -> None:
    install(
        settings,
        SubModelManifest(
            identity=hashlib.sha256(name.encode()).hexdigest(),
            name=name,
            language=language,
            base=BaseReference(name=base, sha256=digest),
            recipe=Recipe().as_dict(),
            recipe_version=RECIPE_VERSION,
            calibration=CalibrationRecord(digest="0" * 64, tokens=1024, sequence_length=1024, sources={}),
            sha256=DIGEST,
            size=len(CONTENT),
            licence="Apache-2.0",
            sparsity={},
        ),
    )
    path = settings.home / "submodels" / name / "model.gguf"
    os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("x.py", Language.PYTHON),
        ("X.PY", Language.PYTHON),
        ("x.tsx", Language.JAVASCRIPT),
        ("x.h", Language.CPP),
        ("x.go", None),
        ("Makefile", None),
    ],
)
def test_the_file_name_tells_the_language(name: str, language: Language | None) -> None:
    assert language_of_file(Path(name)) is language


def test_an_empty_store_says_how_to_fetch(settings: Settings) -> None:
    with pytest.raises(UsageError, match=f"sned fetch {DEFAULT}"):
        select_model(settings, Language.PYTHON)


def test_the_base_model_serves_with_a_notice(settings: Settings) -> None:
    install_base(settings)
    selection = select_model(settings, Language.JAVA)
    assert (selection.name, selection.language) == (DEFAULT, None)
    assert selection.notice is not None
    assert "sned build" in selection.notice
    assert "Java" in selection.notice
    assert selection.fim is not None
    assert selection.fim.prefix == "<|fim_prefix|>"


def test_a_language_without_sub_models_gets_another_notice(settings: Settings) -> None:
    install_base(settings)
    notice = select_model(settings, None).notice
    assert notice is not None
    assert "sned build" not in notice


def test_the_newest_sub_model_of_the_language_and_base_serves(settings: Settings) -> None:
    install_base(settings)
    install_submodel(settings, "python-old", Language.PYTHON, age=100)
    install_submodel(settings, "python-new", Language.PYTHON)
    install_submodel(settings, "java-newer", Language.JAVA, age=-100)
    install_submodel(settings, "python-of-another", Language.PYTHON, age=-100, base="another-base")
    install_submodel(settings, "python-of-old-bytes", Language.PYTHON, age=-100, digest="1" * 64)
    selection = select_model(settings, Language.PYTHON)
    assert (selection.name, selection.language, selection.notice) == ("python-new", Language.PYTHON, None)
    assert selection.fim is not None


def test_a_sub_model_serves_without_its_base(settings: Settings) -> None:
    install_submodel(settings, "python-only", Language.PYTHON)
    assert select_model(settings, Language.PYTHON).name == "python-only"


def test_the_settings_choose_the_base(settings: Settings) -> None:
    install_base(settings)
    install_base(settings, "qwen2.5-coder-1.5b-instruct")
    chosen = settings.model_copy(update={"base": "1.5b"})
    assert select_model(chosen, None).name == "qwen2.5-coder-1.5b-instruct"


def test_models_are_named_by_name_alias_and_path(settings: Settings, tmp_path: Path) -> None:
    install_base(settings)
    install_submodel(settings, "python-one", Language.PYTHON)
    file = tmp_path / "own.gguf"
    file.write_bytes(CONTENT)
    assert select_model(settings, None, "python-one").language is Language.PYTHON
    assert select_model(settings, None, "0.5b").name == DEFAULT
    assert select_model(settings, None, str(file)).path == file


@pytest.mark.parametrize(
    ("name", "message"),
    [("1.5b", "sned fetch qwen2.5-coder-1.5b-instruct"), ("nonsense", "nonsense"), ("no.gguf", "no.gguf")],
)
def test_models_that_are_not_here_are_refused(settings: Settings, name: str, message: str) -> None:
    install_base(settings)
    with pytest.raises(UsageError, match=message):
        select_model(settings, Language.PYTHON, name)


def test_where_sub_models_are_published_the_notice_says_that_one_may_be_fetched(settings: Settings) -> None:
    install_base(settings)
    assert "sned fetch" not in (select_model(settings, Language.JAVA).notice or "")
    published = settings.model_copy(update={"published": ("hf:org/repo",)})
    notice = select_model(published, Language.JAVA).notice
    assert notice is not None
    assert notice.endswith("sned fetch looks for a published one, and sned build makes one.")
