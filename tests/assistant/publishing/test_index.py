import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.errors import PublicationError
from assistant.publishing.index import INDEX_BYTES, Index, Publication, parse_index
from tests.assistant.publishing.tiny_submodels import NAME, manifest_of

ONE = Publication(form="sparse", manifest=manifest_of(b"one"))
TWO = Publication(form="dense", manifest=manifest_of(b"two", "tiny-python-2"))


def table() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(Index().with_publication(ONE))
    return parsed


def parsed(document: Any) -> Index:
    return parse_index(json.dumps(document).encode(), "x")


def test_what_is_written_is_read_in_its_order() -> None:
    first = parse_index(Index().with_publication(ONE), "x")
    index = parse_index(first.with_publication(TWO), "x")
    assert index.publications == (ONE, TWO)
    assert index.unusable == ()
    assert index.get("tiny-python-2") == TWO
    assert index.get("other") is None
    assert (ONE.file, TWO.file) == (f"{NAME}.gguf", "tiny-python-2.gguf")


def test_what_a_newer_program_published_is_kept_and_its_name_is_taken() -> None:
    document = table()
    document["models"][0]["manifest"]["gain"] = 3
    index = parsed(document)
    assert index.publications == ()
    assert index.unusable == ((NAME, "manifest.gain: Extra inputs are not permitted"),)
    assert index.has(NAME)
    grown = parse_index(index.with_publication(TWO), "x")
    assert grown.publications == (TWO,)
    assert grown.entries[0]["manifest"]["gain"] == 3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "../../etc/passwd"),
        ("name", "a/b"),
        ("name", "."),
        ("name", ""),
        ("name", 3),
        ("sha256", "abc"),
        ("sha256", "G" * 64),
        ("size", 0),
        ("size", 1 << 41),
        ("licence", "MIT\x1b[2J"),
        ("licence", "MIT\u202e"),
        ("licence", "x" * 3000),
        ("base", {"name": "b", "sha256": "../x"}),
    ],
)
def test_what_no_honest_index_says_is_refused(field: str, value: Any) -> None:
    document = table()
    document["models"][0]["manifest"][field] = value
    with pytest.raises(PublicationError, match="The index of x cannot be used"):
        parsed(document)


@pytest.mark.parametrize(("field", "value"), [("size", -1), ("size", "much"), ("language", "cobol"), ("sparsity", 3)])
def test_one_entry_that_cannot_be_read_does_not_hide_the_others(field: str, value: Any) -> None:
    document = json.loads(parse_index(Index().with_publication(ONE), "x").with_publication(TWO))
    document["models"][0]["manifest"][field] = value
    index = parsed(document)
    assert index.publications == (TWO,)
    assert index.unusable[0][0] == NAME


def deep(levels: int) -> bytes:
    return b'{"sned_index": 1, "models": ' + b"[" * levels + b"]" * levels + b"}"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"\xff\xfe",
        b'{"models": []}',
        b'{"sned_index": 0, "models": []}',
        b'{"sned_index": "1", "models": []}',
        b'{"sned_index": 1}',
        b'{"sned_index": 1, "models": [3]}',
        b'{"sned_index": 1, "models": [{}]}',
        deep(20),
        deep(100_000),
        Index().with_publication(ONE).replace(b"1.25", b"NaN"),
        Index().with_publication(ONE).replace(b"1.25", b"1e999"),
        b" " * (INDEX_BYTES + 1),
    ],
)
def test_what_is_no_index_is_refused(data: bytes) -> None:
    with pytest.raises(PublicationError, match="The index of x cannot be used"):
        parse_index(data, "x")


def test_a_name_stands_once() -> None:
    document = table()
    document["models"] *= 2
    with pytest.raises(PublicationError, match=f"{NAME} is there twice"):
        parsed(document)


def test_a_later_version_asks_for_a_later_program() -> None:
    with pytest.raises(PublicationError, match="update sned"):
        parse_index(b'{"sned_index": 2, "models": []}', "x")


@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_changed_byte_is_read_as_another_index_or_refused(place: int, value: int) -> None:
    data = bytearray(Index().with_publication(ONE))
    data[place % len(data)] = value
    try:
        index = parse_index(bytes(data), "x")
    except PublicationError:
        return
    assert len(index.publications) + len(index.unusable) == 1


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=20,
)


@given(JSON, st.sampled_from(["form", "manifest", "models", "recipe", "calibration", "quality", "sparsity"]))
def test_any_value_in_any_place_is_read_or_refused(value: Any, field: str) -> None:
    document = table()
    for part in (document, document["models"][0], document["models"][0]["manifest"]):
        if field in part:
            part[field] = value
    try:
        index = parsed(document)
    except PublicationError:
        return
    assert all(each.manifest.size > 0 for each in index.publications)
