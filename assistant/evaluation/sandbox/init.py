"""The first process inside a sandbox: runs a plan's steps under their limits, and tells how each ended.

It is this file's own program, so it imports nothing of ours. The plan comes as a line of JSON on standard input, and
the report goes to standard output as one document. Standard input stays open: its end says that nobody waits any more,
and then everything in the sandbox ends.

Where it is the first process of a PID namespace, nothing inside can signal it, and its end kills all others.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

# linux/prctl.h, linux/mount.h
_SET_DUMPABLE, _DROP_BOUNDING, _NO_NEW_PRIVILEGES = 4, 24, 38
_BIND, _RECURSIVE, _DETACH, _NOSUID, _NODEV, _NOEXEC = 0x1000, 0x4000, 2, 2, 4, 8
_MOUNT_SETATTR, _HERE, _AT_RECURSIVE, _ATTRIBUTES = 442, -100, 0x8000, 0x1 | 0x2  # read-only, no set-uid

_POLL_SECONDS = 0.02
# So long a step may be without work once its time is over: a look between two threads' turns is no sign of waiting.
_IDLE_SECONDS = 1.0
_HEAD_BYTES, _TAIL_BYTES = 8192, 8192
# A sandbox ends when the machine has less memory than this, whoever took it: some kinds belong to no process.
_RESERVE_BYTES = 256 << 20
_KEEP_FILES = 3  # standard input, output and error

_libc = ctypes.CDLL(None, use_errno=True)
_alone = False  # first process of a PID namespace: whatever else runs in it is the program's


def main() -> None:
    """Reads the plan, runs it and writes the report."""
    global _alone  # noqa: PLW0603 - known once the plan is
    plan = json.loads(_read_line())
    _alone = bool(plan["isolated"]) and os.getpid() == 1
    if plan["isolated"] and not _alone:
        sys.exit("the sandbox has no PID namespace of its own")
    if _alone:
        # What runs inside may have this process's user: it must not read or write its files and memory.
        _libc.prctl(_SET_DUMPABLE, 0, 0, 0, 0)
    if plan["mounts"]:
        _enter_root(plan)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    scratch = Path(plan["scratch"])
    for name, text in plan["files"].items():
        (scratch / name).write_text(text, encoding="utf-8")
    steps = []
    for step in plan["steps"]:
        steps.append(_run(step, plan))
        if steps[-1]["how"] != "exited" or steps[-1]["status"] != 0:
            break
    json.dump({"steps": steps}, sys.stdout)


def _read_line() -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        more = os.read(0, 1 << 16)
        if not more:
            os._exit(1)
        line += more
    return line


def _run(step: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    """Runs one step; what it left running is killed before it is reported."""
    reader, writer = os.pipe()
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            _become(step, plan, writer)
        except BaseException as error:  # noqa: BLE001 - nothing may go on in the copy
            os.write(2, f"sandbox: {error}\n".encode())
        os._exit(127)
    os.close(writer)
    os.set_blocking(reader, False)
    output = _Output(reader)
    ended, status, cpu = _watch(child, output, step["limits"], begun)
    _kill(child)
    _reap()
    output.drain()
    os.close(reader)
    if ended == "exited" and os.WIFSIGNALED(status):
        ended = "cpu" if cpu >= step["limits"]["cpu_seconds"] or os.WTERMSIG(status) == signal.SIGXCPU else "signal"
    return {
        "how": ended,
        "status": os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status),
        "output": output.text(),
        "seconds": time.monotonic() - begun,
        "cpu_seconds": cpu,
    }


def _watch(child: int, output: "_Output", limits: dict[str, Any], begun: float) -> tuple[str, int, float]:
    """Waits for the step's process; how it ended, its status and its CPU seconds."""
    ended = "exited"
    clock = _Clock(child, limits, begun)
    while True:
        watched = [0] if output.closed else [0, output.reader]
        if 0 in select.select(watched, [], [], _POLL_SECONDS)[0]:  # nothing more is ever sent: it was closed
            _kill(child)
            os._exit(1)
        output.read()
        while True:
            pid, status, usage = _wait()
            if pid == child:
                return ended, status, usage.ru_utime + usage.ru_stime
            if pid <= 0:
                break
        if ended != "exited":
            continue
        if clock.is_over():
            ended = "time"
        elif output.total > limits["output_bytes"]:
            ended = "output"
        elif (_alone and _memory() > limits["memory_bytes"]) or _available() < _RESERVE_BYTES:
            ended = "memory"
        if ended != "exited":
            _kill(child)


class _Clock:
    """Whether a step's time is over: by the clock, unless it is the machine that lets it wait for a processor."""

    def __init__(self, child: int, limits: dict[str, Any], begun: float) -> None:
        self._child = child
        self._limits = limits
        self._begun = begun
        self._reaped = _reaped_cpu()  # by steps before
        self._idle = 0.0
        self._last = 0.0

    def is_over(self) -> bool:
        """To be asked again and again."""
        seconds = time.monotonic() - self._begun
        if seconds <= self._limits["seconds"]:
            self._last = seconds
            return False
        processes = _processes(self._child)
        cpu = _reaped_cpu() - self._reaped + sum(_cpu(fields) for fields in processes.values())
        if not any(_wants_processor(process) for process in processes):
            self._idle += seconds - self._last
        self._last = seconds
        return self._idle > _IDLE_SECONDS or cpu > self._limits["seconds"] or seconds > self._limits["longest"]


def _processes(child: int) -> dict[int, list[str]]:
    """The fields of proc_pid_stat(5) from the state on, by process: of all in the sandbox, or of the step's session."""
    found = {}
    for entry in _listed("/proc"):
        if entry.isdigit() and int(entry) != os.getpid() and (fields := _stat(f"/proc/{entry}/stat")):
            session = int(fields[3])
            if _alone or session == child:
                found[int(entry)] = fields
    return found


def _wants_processor(process: int) -> bool:
    return any(
        fields[0] == "R"
        for thread in _listed(f"/proc/{process}/task")
        if (fields := _stat(f"/proc/{process}/task/{thread}/stat"))
    )


def _cpu(fields: list[str]) -> float:
    """Its processor seconds, with those of the children that it waited for."""
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _reaped_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _listed(folder: str) -> list[str]:
    try:
        return [entry.name for entry in Path(folder).iterdir()]
    except OSError:
        return []


def _stat(path: str) -> list[str]:
    """Empty if it has ended."""
    try:
        return Path(path).read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


class _Output:
    """What a step wrote: its head and its tail."""

    def __init__(self, reader: int) -> None:
        self.reader = reader
        self.total = 0
        self.closed = False
        self._head = b""
        self._tail = b""

    def read(self) -> bool:
        """Takes what is there, a pipe's buffer at most; whether there may be more."""
        try:
            data = os.read(self.reader, 1 << 16)
        except BlockingIOError:
            return False
        if not data:
            self.closed = True
            return False
        self.total += len(data)
        room = _HEAD_BYTES - len(self._head)
        self._head += data[:room]
        self._tail = (self._tail + data[room:] if room > 0 else self._tail + data)[-_TAIL_BYTES:]
        return True

    def drain(self) -> None:
        """Takes what a process left in the pipe when it ended."""
        while not self.closed and self.read():
            pass

    def text(self) -> str:
        left_out = self.total - len(self._head) - len(self._tail)
        between = f"\n... {left_out} bytes ...\n".encode() if left_out else b""
        return (self._head + between + self._tail).decode(errors="replace")


def _wait() -> tuple[int, int, resource.struct_rusage]:
    try:
        return os.wait4(-1, os.WNOHANG)
    except ChildProcessError:
        return -1, 0, resource.getrusage(resource.RUSAGE_SELF)


def _kill(child: int) -> None:
    """Kills all that runs here: every process but this one, or the step's group where others run, too."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if _alone:
            os.kill(-1, signal.SIGKILL)
        else:
            os.killpg(child, signal.SIGKILL)


def _reap() -> None:
    """Waits until nothing else is left; a killed process takes a moment to end."""
    for _ in range(500):
        pid, _, _ = _wait()
        if pid < 0:
            return
        if pid == 0:
            time.sleep(0.01)


def _memory() -> int:
    """Bytes that all processes in the namespace hold."""
    pages = 0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and entry.name != "1":
            with contextlib.suppress(OSError, ValueError, IndexError):
                pages += int((entry / "statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _available() -> int:
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) << 10
    except (OSError, KeyError):
        return sys.maxsize


def _become(step: dict[str, Any], plan: dict[str, Any], writer: int) -> NoReturn:
    """Turns this process into the step's program."""
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(writer, 1)
    os.dup2(writer, 2)
    os.closerange(_KEEP_FILES, 4096)
    os.chdir(plan["scratch"])
    os.umask(0o022)
    limits = step["limits"]
    for name, limit in (
        ("RLIMIT_CORE", 0),
        ("RLIMIT_DATA", limits["memory_bytes"]),
        ("RLIMIT_FSIZE", limits["file_bytes"]),
        ("RLIMIT_NOFILE", limits["open_files"]),
        ("RLIMIT_MEMLOCK", 0),
        ("RLIMIT_MSGQUEUE", 0),
        ("RLIMIT_NPROC", limits["processes"]),
    ):
        kind = getattr(resource, name, None)  # Linux has all of them
        if kind is not None and limit is not None:
            resource.setrlimit(kind, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (limits["cpu_seconds"], limits["cpu_seconds"] + 1))
    if plan["user"] is not None:
        os.setgroups([])
        os.setgid(plan["user"])
        os.setuid(plan["user"])
    elif plan["mounts"]:  # root of a user namespace: what it may do there goes with its capabilities
        for capability in range(64):
            _libc.prctl(_DROP_BOUNDING, capability, 0, 0, 0)
    if plan["isolated"] and _libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        raise OSError("privileges could be gained")
    for restored in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them
        signal.signal(restored, signal.SIG_DFL)
    os.execve(step["command"][0], step["command"], plan["environment"])  # noqa: S606


def _enter_root(plan: dict[str, Any]) -> None:
    """Makes a root of what may be read, read-only, with a scratch folder, and leaves the old one.

    For a mount namespace of this process's own, in which nothing was hidden yet.
    """
    root = Path(plan["root"])
    _mount("tmpfs", root, "tmpfs", _NOSUID | _NODEV, "size=1m,mode=755")
    for place in plan["mounts"]:
        _bind(place, root)
    for link, target in plan["links"].items():
        (root / link.lstrip("/")).symlink_to(target)
    for device in ("null", "zero", "full", "random", "urandom"):
        _bind(f"/dev/{device}", root)
    (root / "dev/fd").symlink_to("/proc/self/fd")
    for folder in ("proc", plan["scratch"].lstrip("/")):
        (root / folder).mkdir(parents=True, exist_ok=True)
    # Recursively: what is mounted inside a bound folder would stay writable.
    attributes = (ctypes.c_uint64 * 4)(_ATTRIBUTES, 0, 0, 0)
    size = ctypes.sizeof(attributes)
    path = os.fsencode(root)
    if _libc.syscall(_MOUNT_SETATTR, _HERE, path, _AT_RECURSIVE, ctypes.byref(attributes), ctypes.c_size_t(size)) != 0:
        _fail("the root cannot be made read-only")
    _mount("proc", root / "proc", "proc", _NOSUID | _NODEV | _NOEXEC, "")
    scratch = root / plan["scratch"].lstrip("/")
    _mount("tmpfs", scratch, "tmpfs", _NOSUID | _NODEV, f"size={plan['scratch_bytes']},nr_inodes=10000,mode=1777")
    os.chdir(root)
    if _libc.pivot_root(b".", b".") != 0 or _libc.umount2(b".", _DETACH) != 0:
        _fail("the old root cannot be left")
    os.chdir("/")


def _bind(place: str, root: Path) -> None:
    target = root / place.lstrip("/")
    if Path(place).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    _mount(place, target, "", _BIND | _RECURSIVE, "")


def _mount(source: str, target: Path, kind: str, flags: int, data: str) -> None:
    words = (source.encode(), os.fsencode(target), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None)
    if _libc.mount(*words) != 0:
        _fail(f"{source} cannot be mounted at {target}")


def _fail(what: str) -> NoReturn:
    sys.exit(f"{what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    main()
