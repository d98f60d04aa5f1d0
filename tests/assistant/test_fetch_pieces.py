import random
import threading
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.errors import FetchError
from assistant.fetch import connection, pieces
from assistant.fetch.transfer import Expected, Silent, SourceError
from tests.assistant.downloads import CONTENT, RIGHT, get
from tests.assistant.recorder import Recorder
from tests.model_server import ModelServer

PIECE = 128 * 1024

pytestmark = pytest.mark.usefixtures("short_pauses")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "SMALLEST_FILE", 300_000)
    monkeypatch.setattr(pieces, "SMALLEST_PIECE", PIECE)


def ranges(server: ModelServer) -> list[tuple[int, int]]:
    """First byte and end of every range asked for, but for the byte that is asked for to see whether there are any."""
    asked = [request.headers["range"].removeprefix("bytes=") for request in server.gets()[1:]]
    return sorted((int(first), int(last) + 1) for first, _, last in (each.partition("-") for each in asked))


def stopped_midway(server: ModelServer, work: Path) -> int:
    """Downloads until a fifth is here and is stopped as a user stops it; bytes that are here come back."""

    class Stopping(Silent):
        def moved(self, done: int) -> None:
            if done > len(CONTENT) // 5:
                raise KeyboardInterrupt

    server.pause = 0.01
    with pytest.raises(KeyboardInterrupt):
        get(server, work, listener=Stopping())
    server.pause = 0
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and thread.name.endswith("(_work)"):
            thread.join()
    return sum(path.stat().st_size for path in work.rglob("*") if path.suffix != ".json" and path.is_file())


def test_pieces_come_over_several_connections_and_make_the_file(server: ModelServer, tmp_path: Path) -> None:
    recorder = Recorder()
    server.pause = 0.005
    assert get(server, tmp_path, listener=recorder) == CONTENT
    assert ranges(server) == [(at, min(at + PIECE, len(CONTENT))) for at in range(0, len(CONTENT), PIECE)]
    assert 2 <= server.most_at_work <= pieces.CONNECTIONS
    assert recorder.starts == [(0, len(CONTENT))]
    assert recorder.moves == sorted(recorder.moves)
    assert recorder.moves[-1] == len(CONTENT)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.gguf", "validator.json"]


def test_dropped_connections_are_gone_on_with_where_they_broke(server: ModelServer, tmp_path: Path) -> None:
    server.drop_after = 50_000
    assert get(server, tmp_path) == CONTENT
    assert sum(request.sent for request in server.gets()) == len(CONTENT) + 1
    assert (50_000, PIECE) in ranges(server)
    assert (100_000, PIECE) in ranges(server)


def test_a_later_run_goes_on_with_each_piece(server: ModelServer, tmp_path: Path) -> None:
    here = stopped_midway(server, tmp_path)
    assert len(CONTENT) // 5 < here < len(CONTENT)
    server.requests.clear()
    recorder = Recorder()
    assert get(server, tmp_path, listener=recorder) == CONTENT
    assert recorder.starts == [(here, len(CONTENT))]
    assert sum(request.sent for request in server.gets()) == len(CONTENT) - here + 1
    assert any(first % PIECE for first, _ in ranges(server)), "no piece was gone on with"


def test_what_one_stream_has_left_is_gone_on_with(server: ModelServer, tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(CONTENT[:450_000])
    assert get(server, tmp_path) == CONTENT
    assert ranges(server)[0] == (450_000, 4 * PIECE)
    assert sum(request.sent for request in server.gets()) == len(CONTENT) - 450_000 + 1


@pytest.mark.parametrize("joined", [0, 1, 1000, PIECE - 1])
def test_a_kill_while_pieces_are_joined_loses_nothing(server: ModelServer, tmp_path: Path, joined: int) -> None:
    folder = tmp_path / f"pieces-{PIECE}"
    folder.mkdir()
    (tmp_path / "model.gguf").write_bytes(CONTENT[: PIECE + joined])
    (folder / str(PIECE)).write_bytes(CONTENT[PIECE : 2 * PIECE])
    assert get(server, tmp_path) == CONTENT
    assert ranges(server)[0][0] == 2 * PIECE


def test_a_server_without_ranges_sends_the_whole_in_one_stream(server: ModelServer, tmp_path: Path) -> None:
    stopped_midway(server, tmp_path)
    server.ranges = False
    server.requests.clear()
    assert get(server, tmp_path) == CONTENT
    assert len(server.gets()) == 2
    assert server.gets()[-1].sent == len(CONTENT)


def test_a_server_that_grants_one_connection_is_content_with_one(server: ModelServer, tmp_path: Path) -> None:
    server.connections = 1
    server.pause = 0.01
    assert get(server, tmp_path) == CONTENT


def test_a_file_that_changed_meanwhile_is_not_mixed_with_the_old_one(server: ModelServer, tmp_path: Path) -> None:
    stopped_midway(server, tmp_path)
    other = random.Random(18).randbytes(len(CONTENT))
    server.files["/model.gguf"] = other
    expected = Expected(len(other), sha256(other).hexdigest())
    assert get(server, tmp_path, expected) == other


def test_a_file_that_changes_while_it_comes_is_begun_anew(server: ModelServer, tmp_path: Path) -> None:
    other = random.Random(18).randbytes(len(CONTENT))

    class Swapping(Silent):
        def started(self, done: int, total: int | None) -> None:
            server.files["/model.gguf"] = other

    assert get(server, tmp_path, Expected(len(other), sha256(other).hexdigest()), listener=Swapping()) == other


def test_flipped_bytes_are_found_and_nothing_of_them_is_kept(server: ModelServer, tmp_path: Path) -> None:
    server.flipped = (500_000,)
    with pytest.raises(SourceError, match=f"its SHA-256 is .* instead of {RIGHT.sha256}"):
        get(server, tmp_path)
    server.flipped = ()
    assert get(server, tmp_path) == CONTENT


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1])
def test_another_length_is_refused_before_anything_is_written(server: ModelServer, tmp_path: Path, size: int) -> None:
    with pytest.raises(SourceError, match=f"file has {len(CONTENT)} bytes instead of {size}"):
        get(server, tmp_path, Expected(size, RIGHT.sha256))
    assert sum(request.sent for request in server.gets()) <= 1


def test_a_range_with_a_wrong_length_is_no_range_of_the_file(server: ModelServer, tmp_path: Path) -> None:
    server.claimed_length = PIECE + 100_000
    with pytest.raises(SourceError, match=r"the transfer broke off|more than"):
        get(server, tmp_path)


def test_a_server_that_stops_answering_is_left_after_a_while(
    server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "READ_SECONDS", 0.2)
    server.stall_after = 64 * 1024
    assert get(server, tmp_path) == CONTENT  # each try brings some, and so it is asked again
    server.stall_after = 0
    (tmp_path / "model.gguf").unlink()
    with pytest.raises(SourceError, match="the transfer broke off"):
        get(server, tmp_path)


def test_what_does_not_fit_counts_what_is_here(
    server: ModelServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = stopped_midway(server, tmp_path)
    import shutil

    free = len(CONTENT) - here + PIECE  # the piece that is being joined lies there twice
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free - 1))
    with pytest.raises(FetchError, match="are needed at"):
        get(server, tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free))
    assert get(server, tmp_path) == CONTENT


@given(
    kept=st.integers(0, 3000),
    left=st.dictionaries(st.integers(0, 3), st.integers(0, 1200), max_size=4),
    drop=st.integers(300, 3000),
)
@settings(max_examples=25)
def test_whatever_an_earlier_run_left_the_right_file_comes_in_the_end(
    tmp_path_factory: pytest.TempPathFactory, kept: int, left: dict[int, int], drop: int
) -> None:
    content = CONTENT[:3000]
    expected = Expected(len(content), sha256(content).hexdigest())
    work = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch, ModelServer({"/model.gguf": content}, drop_after=drop) as server:
        patch.setattr(pieces, "SMALLEST_FILE", 1000)
        patch.setattr(pieces, "SMALLEST_PIECE", 1000)
        folder = work / "pieces-1000"
        folder.mkdir()
        (work / "model.gguf").write_bytes(content[:kept])
        for number, have in left.items():
            (folder / str(1000 * number)).write_bytes(content[1000 * number :][:have])
        try:
            data = get(server, work, expected)
        except SourceError:  # what was left was not of this file: found by its digest, and dropped
            data = get(server, work, expected)
    assert data == content
