"""Hostile programs in each language that this machine has a toolchain for: contained, and reported as failures."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from assistant.errors import EvaluationError
from assistant.evaluation.sandbox import sandbox as sandbox_module
from assistant.evaluation.sandbox.confinement import Confinement, confinements, unconfined
from assistant.evaluation.sandbox.limits import Ended, Limits, Step
from assistant.evaluation.sandbox.sandbox import Sandbox, fault_of, open_sandbox
from assistant.evaluation.toolchains import Toolchain, bounded
from tests.assistant.evaluation.attacks import ATTACKS, JAVA_ATTACKS

TIGHT = Limits(cpu_seconds=1, seconds=3.0, longest=60.0, processes=48, memory_bytes=512 << 20)


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the user's that has nothing to do with it."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def left_in_sandboxes() -> list[int]:
    """Processes in sandboxes of this test run, and those that nobody looks after; another evaluation's are its own."""
    left, above = [], {parent.pid for parent in psutil.Process().parents()}
    for process in psutil.process_iter():
        try:
            if in_sandbox(process) and process.status() != psutil.STATUS_ZOMBIE:
                outside = {parent.pid for parent in process.parents() if not in_sandbox(parent)}
                if os.getpid() in outside or outside <= above:
                    left.append(process.pid)
        except psutil.Error:
            continue
    return left


def in_sandbox(process: psutil.Process) -> bool:
    """Whether a process has the environment of a sandbox; those that may not be looked at have not."""
    try:
        return bool(process.environ().get("HOME") == "/scratch")
    except psutil.Error:
        return False


# What an attack and the text that is put into it come to in a language, under limits.
Attack = Callable[..., Ended]


@pytest.fixture(scope="session")
def java_attacks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of Java's attacks, compiled."""
    folder = tmp_path_factory.mktemp("java")
    folder.chmod(0o755)
    (folder / "Verdict.java").write_text(JAVA_ATTACKS)
    subprocess.run(["javac", "-nowarn", "-d", folder, folder / "Verdict.java"], check=True)
    return folder


@pytest.fixture
def attack_by(sandbox: Sandbox, toolchain: Toolchain, request: pytest.FixtureRequest) -> Attack:
    """Runs an attack in the toolchain's language."""

    def run(name: str, put_in: str = "", limits: Limits = TIGHT) -> Ended:
        tight = bounded(toolchain, limits)
        if toolchain.file.endswith(".java"):
            folder: Path = request.getfixturevalue("java_attacks")
            command = tight.steps[-1].command
            placed = tuple(str(folder) if word == "." else word for word in command)
            tight = replace(tight, steps=(replace(tight.steps[-1], command=(*placed, name, put_in)),))
            sources, tools = {}, (*toolchain.folders, folder)
        else:
            source = ATTACKS[Path(toolchain.file).suffix][name]
            sources, tools = {tight.file: source.replace("PLACE", put_in).replace("PORT", put_in)}, toolchain.folders
        ended = replace(sandbox, tools=tools).run(sources, tight.steps)
        assert len(ended) == len(tight.steps), ended[-1].output
        assert "main class" not in ended[-1].output  # it did run
        return ended[-1]

    return run


def run_python(sandbox: Sandbox, source: str, limits: Limits = TIGHT) -> Ended:
    (ended,) = sandbox.run({"a.py": source}, [Step((sys.executable, "-I", "a.py"), limits)])
    return ended


@pytest.mark.parametrize("attack", ["fork bomb", "endless loop", "endless output", "kill all"])
def test_attacks_on_the_machine_are_contained(
    attack_by: Attack, attack: str, bystander: subprocess.Popen[bytes]
) -> None:
    limits = replace(TIGHT, seconds=1.0) if attack == "fork bomb" else TIGHT
    ended = attack_by(attack, limits=limits)
    assert not ended.succeeded
    if attack == "endless loop":
        assert ended.how in {"cpu", "time"}
    if attack == "endless output":
        assert ended.how == "output"
        assert len(ended.output) < 20_000
    assert bystander.poll() is None
    assert left_in_sandboxes() == []


def test_nothing_is_written_outside(attack_by: Attack, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    place = tmp_path / "written"
    ended = attack_by("write", str(place))
    assert ended.how == "exited" and not ended.succeeded, ended
    assert not place.exists()


def test_the_network_is_not_reached(attack_by: Attack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        ended = attack_by("network", str(server.getsockname()[1]))
        assert not ended.succeeded, ended
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_each_kind_of_sandbox_holds(each_sandbox: Sandbox, bystander: subprocess.Popen[bytes]) -> None:
    for attack in ("fork bomb", "kill all", "endless output"):
        assert not run_python(each_sandbox, ATTACKS[".py"][attack], replace(TIGHT, seconds=1.0)).succeeded
    assert bystander.poll() is None
    assert left_in_sandboxes() == []


def test_memory_is_bounded_a_process_and_in_all(each_sandbox: Sandbox) -> None:
    assert not run_python(each_sandbox, "x = bytearray(600 << 20)").succeeded
    shared = (
        "import mmap\nkept = []\nwhile True:\n    kept.append(mmap.mmap(-1, 1 << 26)); kept[-1].write(b'x' * (1 << 26))"
    )
    assert run_python(each_sandbox, shared, replace(TIGHT, cpu_seconds=10, seconds=30.0)).how == "memory"


def test_the_scratch_folder_is_bounded_and_fresh(each_sandbox: Sandbox) -> None:
    filling = "for n in range(100):\n    open(str(n), 'wb').write(b'x' * (8 << 20))"
    ended = run_python(each_sandbox, filling, replace(TIGHT, cpu_seconds=10, seconds=30.0))
    assert "No space left" in ended.output
    listing = "import os; print(os.listdir('.'))"
    assert run_python(each_sandbox, listing).output == "['a.py']\n"


def test_a_large_file_is_refused(each_sandbox: Sandbox) -> None:
    ended = run_python(each_sandbox, "open('a', 'wb').write(b'x' * (2 << 20))", replace(TIGHT, file_bytes=1 << 20))
    assert not ended.succeeded


def test_what_the_user_has_is_not_seen(each_sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    looking = f"import os; print(os.path.exists({str(tmp_path / 'secret')!r}), os.path.exists('/run'), len(os.environ))"
    ended = run_python(each_sandbox, looking)
    seen, run_folder, variables = ended.output.split()
    assert (seen, run_folder) == ("False", "False")
    assert int(variables) <= 6


def test_what_takes_the_sandbox_down_has_failed(each_sandbox: Sandbox) -> None:
    attack = (
        "import resource, time\nresource.prlimit(1, resource.RLIMIT_CPU, (0, 0))\ntime.sleep(1)\nraise SystemExit(1)"
    )
    assert not run_python(each_sandbox, attack).succeeded
    assert run_python(each_sandbox, "print('well')").output == "well\n"


def test_a_sleeping_program_is_ended_by_the_clock(sandbox: Sandbox) -> None:
    ended = run_python(sandbox, "import time; time.sleep(60)", replace(TIGHT, seconds=0.5))
    assert ended.how == "time"
    assert ended.cpu_seconds < 0.5


def test_what_waits_for_a_processor_is_not_ended_by_the_clock(sandbox: Sandbox) -> None:
    computing = "import time\nwhile time.process_time() < 0.7: pass\nprint('done')"
    before = os.sched_getaffinity(0)
    one = min(before)
    os.sched_setaffinity(0, {one})
    try:
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
        try:
            ended = run_python(sandbox, computing, replace(TIGHT, seconds=1.0))
        finally:
            for process in busy:
                process.kill()
                process.wait()
    finally:
        os.sched_setaffinity(0, before)
    assert (ended.how, ended.output) == ("exited", "done\n")
    assert ended.seconds > 1.0  # it did have to wait


def test_processes_that_compute_together_are_bounded_in_all(sandbox: Sandbox) -> None:
    several = "import os\nfor _ in range(3): os.fork()\nwhile True: pass"
    ended = run_python(sandbox, several, replace(TIGHT, cpu_seconds=20, seconds=1.0))
    assert ended.how == "time"
    assert ended.seconds < 30


def test_what_a_program_leaves_running_is_killed(sandbox: Sandbox) -> None:
    leaving = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(60)\nprint('left')"
    ended = run_python(sandbox, leaving)
    assert ended.succeeded and ended.output == "left\n"
    assert left_in_sandboxes() == []


def test_steps_share_the_folder_and_end_with_the_first_failure(sandbox: Sandbox) -> None:
    def step(code: str) -> Step:
        return Step((sys.executable, "-I", "-c", code), TIGHT)

    write, read = step("open('made', 'w').write('kept')"), step("print(open('made').read())")
    ended = sandbox.run({}, [write, read, step("raise SystemExit(7)"), read])
    assert [(each.how, each.status) for each in ended] == [("exited", 0), ("exited", 0), ("exited", 7)]
    assert ended[1].output == "kept\n"


def test_a_program_that_is_not_there_is_a_failure(sandbox: Sandbox) -> None:
    (ended,) = sandbox.run({}, [Step(("/usr/bin/no-such-program",), TIGHT)])
    assert ended.status == 127
    assert "No such file" in ended.output


def test_it_ends_with_whoever_waits_for_it(sandbox: Sandbox) -> None:
    harness = (
        "import sys\nfrom assistant.evaluation.sandbox.sandbox import Sandbox, open_sandbox\n"
        "from assistant.evaluation.sandbox.limits import Step, Limits\n"
        "sandbox = open_sandbox()\nprint('ready', flush=True)\n"
        "sandbox.run({}, [Step((sys.executable, '-I', '-c', 'import time; time.sleep(100)'), Limits(seconds=100))])"
    )
    with subprocess.Popen([sys.executable, "-c", harness], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        _until(lambda: bool(left_in_sandboxes()))
        process.kill()
    _until(lambda: not left_in_sandboxes())
    assert left_in_sandboxes() == []


def _until(condition: "object", seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:  # type: ignore[operator]
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="confinements are Linux's")
def test_a_confinement_that_does_not_hold_is_seen() -> None:
    (found, *_) = confinements() or pytest.skip("no sandbox here")
    leaky = Sandbox(replace(found, launcher=lambda places: []))
    assert fault_of(leaky) is not None


def test_without_a_sandbox_it_refuses_unless_told(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Confinement("broken", lambda places: ["/bin/false"])
    monkeypatch.setattr(sandbox_module, "confinements", lambda: [broken])
    with pytest.raises(EvaluationError, match="--unsafe-without-sandbox"):
        open_sandbox()
    assert not open_sandbox(unsafe=True).confinement.isolated


@pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX's")
def test_limits_hold_without_a_sandbox() -> None:
    bare = Sandbox(unconfined())
    assert run_python(bare, "print('well')").output == "well\n"
    assert run_python(bare, "while True: pass").how == "cpu"
    assert run_python(bare, "while True: print('x' * 1000)").how == "output"
    assert run_python(bare, "import time; time.sleep(60)", replace(TIGHT, seconds=0.5)).how == "time"
