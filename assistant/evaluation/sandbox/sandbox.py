"""A place where programs run that nobody has to trust; that it holds is tried before it is used."""

import contextlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from assistant.errors import EvaluationError
from assistant.evaluation.sandbox.confinement import (
    SCRATCH,
    SCRATCH_BYTES,
    Confinement,
    confinements,
    readable_places,
    unconfined,
)
from assistant.evaluation.sandbox.limits import Ended, Limits, Step

_INIT = Path(__file__).with_name("init.py")
_PROBE = Path(__file__).with_name("probe.py")
_PROBE_LIMITS = Limits(cpu_seconds=5, seconds=20, processes=8)
_GRACE_SECONDS = 20.0
# No account of the system, and no number that it gives to services for long.
_USERS = range(61184, 65520)
# From this one on, processes are counted in each user namespace for itself.
_COUNTS_BY_NAMESPACE = (5, 14)


@dataclass(frozen=True, slots=True)
class Sandbox:
    """Runs programs, each in a sandbox of its own that ends with it.

    Attributes:
        confinement: how they are shut in.
        tools: folders that toolchains are installed in, beside the system's.
    """

    confinement: Confinement
    tools: tuple[Path, ...] = ()

    def run(self, files: Mapping[str, str], steps: Sequence[Step]) -> list[Ended]:
        """How each step ended, in a fresh scratch folder with these files; what follows a failed step is not run.

        No network, nothing to write to but the scratch folder, nothing of the user's to read. All processes are
        dead when it returns. A step that took the sandbox itself down is `lost`.
        """
        with tempfile.TemporaryDirectory(prefix="sned-sandbox-") as folder:
            places, links = readable_places([_INIT, Path(sys.prefix), Path(sys.base_prefix), *self.tools])
            plan = self._plan(files, steps, places, links, folder)
            command = [*self.confinement.launcher(places), *_interpreter(), str(_INIT)]
            limit = sum(step.limits.longest for step in steps) + _GRACE_SECONDS
            return _report(*_communicate(command, plan, limit))

    def _plan(
        self, files: Mapping[str, str], steps: Sequence[Step], places: list[str], links: dict[str, str], folder: str
    ) -> dict[str, Any]:
        how = self.confinement
        return {
            "isolated": how.isolated,
            "mounts": places if how.mounts_itself else [],
            "links": links,
            "root": folder,
            "scratch": SCRATCH if how.isolated else folder,
            "scratch_bytes": SCRATCH_BYTES,
            "user": random.choice(_USERS) if how.own_user else None,
            "environment": _environment(SCRATCH if how.isolated else folder),
            "files": dict(files),
            "steps": [self._step(step) for step in steps],
        }

    def _step(self, step: Step) -> dict[str, Any]:
        limits = asdict(step.limits)
        if not self.confinement.own_user and (not self.confinement.isolated or _kernel() < _COUNTS_BY_NAMESPACE):
            # The user's other processes would count.
            limits["processes"] = None if not self.confinement.isolated else limits["processes"] + _threads_of_user()
        return {"command": list(step.command), "limits": limits}


def open_sandbox(tools: Sequence[Path] = (), *, unsafe: bool = False) -> Sandbox:
    """A sandbox that was seen to hold; with `unsafe`, where there is none, limits alone.

    Raises:
        EvaluationError: there is none here, and `unsafe` is not set.
    """
    faults = []
    for confinement in confinements():
        sandbox = Sandbox(confinement, tuple(tools))
        fault = fault_of(sandbox)
        if fault is None:
            return sandbox
        faults.append(f"{confinement.name}: {fault}")
    if unsafe and os.name == "posix":
        return Sandbox(unconfined(), tuple(tools))
    tried = f" ({'; '.join(faults)})" if faults else ""
    raise EvaluationError(
        f"There is no sandbox for programs that a model wrote{tried}; install bubblewrap"
        + (", or add --unsafe-without-sandbox if you trust them with your account." if os.name == "posix" else ".")
    )


def fault_of(sandbox: Sandbox) -> str | None:
    """What does not hold in the sandbox, as seen from a program inside; None when all does."""
    step = Step((*_interpreter(), "probe.py"), _PROBE_LIMITS)
    (ended,) = sandbox.run({"probe.py": _PROBE.read_text(encoding="utf-8")}, [step])
    return None if ended.succeeded else ended.output.strip()[-300:] or f"the probe ended by {ended.how}"


def _interpreter() -> tuple[str, ...]:
    return (sys.executable, "-I")


def _communicate(command: Sequence[str], plan: Mapping[str, Any], limit: float) -> tuple[bytes, bytes]:
    """What the first process wrote to standard output and error, once it has ended or was killed."""
    reader, writer = os.pipe()
    try:
        # Of its own session, so that Ctrl-C reaches this process, which then ends the sandbox by closing the pipe.
        process = subprocess.Popen(
            command,
            stdin=reader,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            start_new_session=True,
        )
    finally:
        os.close(reader)
    with process:
        try:
            with contextlib.suppress(BrokenPipeError), os.fdopen(os.dup(writer), "wb") as pipe:
                pipe.write(json.dumps(plan).encode() + b"\n")
            return process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.communicate()
        finally:
            os.close(writer)
            process.kill()


def _report(output: bytes, errors: bytes) -> list[Ended]:
    """What the first process said of each step; where it was brought down, the program is what failed."""
    try:
        return [Ended(**step) for step in json.loads(output)["steps"]]
    except (ValueError, KeyError, TypeError):
        return [Ended("lost", -1, errors.decode(errors="replace").strip()[-2000:], 0.0, 0.0)]


def _environment(scratch: str) -> dict[str, str]:
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": scratch, "TMPDIR": scratch, "LANG": "C.UTF-8"}


def _kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])


def _threads_of_user() -> int:
    user = os.getuid()
    count = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.uids().real == user:
                count += process.num_threads()
    return count
