from pathlib import Path

import pytest

from assistant.errors import UsageError
from assistant.publishing.places import FolderPlace, HubPlace, Place, WebPlace, looks_like_place, parse_place


@pytest.mark.parametrize(
    ("text", "place", "name"),
    [
        ("hf:org/repo", HubPlace("org/repo"), None),
        ("hf:org/repo/tiny-1", HubPlace("org/repo"), "tiny-1"),
        ("https://example.org", WebPlace("https://example.org"), None),
        ("https://example.org/a/", WebPlace("https://example.org/a"), None),
        ("https://example.org/a/index.json", WebPlace("https://example.org/a"), None),
        ("http://127.0.0.1:8000/a", WebPlace("http://127.0.0.1:8000/a"), None),
        ("http://[::1]/a", WebPlace("http://[::1]/a"), None),
        ("/srv/models", FolderPlace(Path("/srv/models")), None),
        ("models", FolderPlace(Path("models").absolute()), None),
    ],
)
def test_places_are_told_apart(text: str, place: Place, name: str | None) -> None:
    assert parse_place(text) == (place, name)


@pytest.mark.parametrize(
    "text",
    [
        "hf:repo",
        "hf:org/repo/a/b",
        "hf:org/repo/Big",
        "hf:../repo",
        "hf:org/../repo",
        "http://example.org/a",
        "http://127.0.0.1.example.org/a",
        "https://",
        "https://user:password@example.org/a",
        "https://example.org/a?b=c",
        "https://example.org/a#b",
        "https://example.org:port/a",
        "https://exam ple.org/a",
        "https://[::1/a",
        "file:///srv/models",
        "ftp://example.org/a",
    ],
)
def test_what_is_no_place_or_not_safe_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_place(text)


def test_names_of_models_are_no_places() -> None:
    assert not looks_like_place("qwen2.5-coder-0.5b-instruct")
    assert not looks_like_place("0.5b")
    assert all(looks_like_place(text) for text in ("hf:a/b", "https://a", "./a", "a/b", "/a", "~/a", "file:///a"))
