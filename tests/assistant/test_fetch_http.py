import random
from collections import deque
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.catalog import HttpSource
from assistant.fetch import http
from assistant.fetch.transfer import Expected, Silent, SourceError
from tests.assistant.downloads import CONTENT, RIGHT, get
from tests.assistant.recorder import Recorder
from tests.model_server import ModelServer

pytestmark = pytest.mark.usefixtures("short_pauses")


def test_a_file_comes_whole_and_its_progress_is_told(server: ModelServer, tmp_path: Path) -> None:
    recorder = Recorder()
    delivered = http.download(HttpSource(url=f"{server.url}/model.gguf"), tmp_path, RIGHT, recorder)
    assert delivered.path.read_bytes() == CONTENT
    assert (delivered.size, delivered.sha256) == (RIGHT.size, RIGHT.sha256)
    assert recorder.starts == [(0, len(CONTENT))]
    assert recorder.moves == sorted(recorder.moves)
    assert recorder.moves[-1] == len(CONTENT)


def test_dropped_connections_are_gone_on_with_where_they_broke(server: ModelServer, tmp_path: Path) -> None:
    server.drop_after = 200_000
    assert get(server, tmp_path) == CONTENT
    assert [request.headers.get("range") for request in server.gets()] == [None, "bytes=200000-", "bytes=400000-"]


def test_a_later_run_asks_only_for_what_is_missing(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(CONTENT[:450_000])
    assert get(server, tmp_path) == CONTENT
    (request,) = server.gets()
    assert request.headers["range"] == "bytes=450000-"
    assert request.sent == 150_000


def test_what_is_whole_already_is_not_asked_for(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(CONTENT)
    assert get(server, tmp_path) == CONTENT
    assert server.requests == []


def test_a_server_without_ranges_sends_the_whole_again(server: ModelServer, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "model.gguf").write_bytes(CONTENT[:450_000])
    assert get(server, tmp_path) == CONTENT
    assert [request.sent for request in server.gets()] == [len(CONTENT)]


def test_a_file_that_changed_on_the_server_is_begun_anew(server: ModelServer, tmp_path: Path) -> None:
    unknown = Expected(None, None)
    server.drop_after = 100_000
    server.statuses = deque()
    other = random.Random(8).randbytes(len(CONTENT))

    class Swapping(Silent):
        def moved(self, done: int) -> None:
            server.files["/model.gguf"] = other

    delivered = http.download(HttpSource(url=f"{server.url}/model.gguf"), tmp_path, unknown, Swapping())
    assert delivered.path.read_bytes() == other


def test_a_wrong_content_length_is_refused_before_anything_is_written(server: ModelServer, tmp_path: Path) -> None:
    server.claimed_length = len(CONTENT) + 5
    with pytest.raises(SourceError, match=f"file has {len(CONTENT) + 5} bytes instead of {len(CONTENT)}"):
        get(server, tmp_path)
    assert (tmp_path / "model.gguf").read_bytes() == b""


def test_a_body_shorter_than_promised_is_given_up_after_some_tries(server: ModelServer, tmp_path: Path) -> None:
    server.claimed_length = len(CONTENT) + 5
    server.ranges = False
    with pytest.raises(SourceError, match="the transfer broke off"):
        get(server, tmp_path, Expected(None, RIGHT.sha256))
    assert 3 <= len(server.gets()) <= 10


def test_flipped_bytes_are_found_and_nothing_of_them_is_kept(server: ModelServer, tmp_path: Path) -> None:
    server.flipped = (123_456,)
    with pytest.raises(SourceError, match=f"its SHA-256 is .* instead of {RIGHT.sha256}"):
        get(server, tmp_path)
    assert (tmp_path / "model.gguf").read_bytes() == b""
    server.flipped = ()
    assert get(server, tmp_path) == CONTENT


def test_an_endless_body_is_cut_off(tmp_path: Path) -> None:
    with (
        ModelServer({"/model.gguf": CONTENT * 3}) as server,
        pytest.raises(SourceError, match="file has 1800000 bytes instead of 600000"),
    ):
        get(server, tmp_path)


def test_a_missing_file_is_not_asked_for_twice(server: ModelServer, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="the server answers 404 Not Found"):
        get(server, tmp_path, path="/other.gguf")
    assert len(server.requests) == 1


def test_a_server_out_of_breath_is_asked_again(server: ModelServer, tmp_path: Path) -> None:
    server.statuses = deque([503, 429, 500])
    assert get(server, tmp_path) == CONTENT
    assert len(server.requests) == 4


def test_nobody_listening_is_unreachable_at_once(tmp_path: Path) -> None:
    with ModelServer({}) as gone:
        url = f"{gone.url}/model.gguf"
    with pytest.raises(SourceError, match="no connection") as caught:
        http.download(HttpSource(url=url), tmp_path, RIGHT, Silent())
    assert caught.value.unreachable


def test_plain_http_is_only_for_loopback_or_a_known_digest(server: ModelServer, tmp_path: Path) -> None:
    assert get(server, tmp_path, Expected(None, None)) == CONTENT
    with pytest.raises(SourceError, match="plain http without a known SHA-256"):
        http.download(HttpSource(url="http://203.0.113.1/model.gguf"), tmp_path, Expected(None, None), Silent())


def test_redirects_are_followed_but_not_off_https_and_not_for_ever(server: ModelServer, tmp_path: Path) -> None:
    server.redirects = {"/a": "/b", "/b": f"http://localhost:{server.port}/model.gguf"}
    assert get(server, tmp_path, path="/a") == CONTENT
    server.redirects = {"/a": "http://203.0.113.1/model.gguf"}
    (tmp_path / "model.gguf").unlink()
    with pytest.raises(SourceError, match=r"redirects to http://203.0.113.1/model.gguf, which is not https"):
        get(server, tmp_path, path="/a")
    server.redirects = {"/a": "/a"}
    with pytest.raises(SourceError, match="redirects more than 5 times"):
        get(server, tmp_path, path="/a")


def test_a_token_is_not_sent_to_another_host(server: ModelServer, tmp_path: Path) -> None:
    server.redirects = {"/a": "/b", "/b": f"http://localhost:{server.port}/model.gguf"}
    http.receive(f"{server.url}/a", {"authorization": "Bearer secret"}, tmp_path, RIGHT, Silent())
    first, second, elsewhere = server.gets()
    assert first.headers["authorization"] == second.headers["authorization"] == "Bearer secret"
    assert "authorization" not in elsewhere.headers


@given(left=st.binary(max_size=3000), kept=st.integers(0, 3000), drop=st.integers(500, 3000), ranges=st.booleans())
@settings(max_examples=40, deadline=None)
def test_whatever_an_earlier_run_left_the_right_file_comes_in_the_end(
    tmp_path_factory: pytest.TempPathFactory, left: bytes, kept: int, drop: int, ranges: bool
) -> None:
    content = CONTENT[:3000]
    expected = Expected(len(content), sha256(content).hexdigest())
    work = tmp_path_factory.mktemp("work")
    (work / "model.gguf").write_bytes((content[:kept] + left)[:4000])
    with ModelServer({"/model.gguf": content}, ranges=ranges, drop_after=drop if ranges else None) as server:
        try:
            data = get(server, work, expected)
        except SourceError:  # what was left was of another file: found by its digest, and dropped
            data = get(server, work, expected)
    assert data == content
