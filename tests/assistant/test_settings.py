import pytest

from assistant.errors import UsageError
from assistant.settings import load_settings, settings_file


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("", ()),
        ("hf:org/repo", ("hf:org/repo",)),
        ("hf:org/repo  https://example.org/m", ("hf:org/repo", "https://example.org/m")),
        ('["/a folder", "hf:org/repo"]', ("/a folder", "hf:org/repo")),
    ],
)
def test_places_are_words_or_a_list(text: str, places: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNED_PUBLISHED", text)
    assert load_settings().published == places


@pytest.mark.parametrize("text", ["[", '["a", 3]', "[[]]"])
def test_what_is_no_list_of_places_is_named(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNED_PUBLISHED", text)
    with pytest.raises(UsageError, match=r"SNED_PUBLISHED or .*sned\.toml"):
        load_settings()


def test_the_settings_file_has_lists(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
    monkeypatch.delenv("SNED_PUBLISHED", raising=False)
    settings_file().parent.mkdir(parents=True)
    settings_file().write_text('published = ["hf:org/repo"]\npublished_keys = ["RW"]\n')
    assert (load_settings().published, load_settings().published_keys) == (("hf:org/repo",), ("RW",))
