"""Whether a program is right: it is run in the sandbox, and has to come to the end of its tests."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from assistant.evaluation.sandbox.limits import Ended
from assistant.evaluation.sandbox.sandbox import Sandbox
from assistant.evaluation.toolchains import Toolchain


class Outcome(StrEnum):
    """What became of a program."""

    PASSED = "passed"
    WRONG = "wrong"
    NOT_COMPILED = "not compiled"
    CPU = "too much computing"
    TIME = "too much time"
    MEMORY = "too much memory"
    OUTPUT = "too much output"
    CRASHED = "crashed"


_BOUNDS = {"cpu": Outcome.CPU, "time": Outcome.TIME, "memory": Outcome.MEMORY, "output": Outcome.OUTPUT}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of a program, and one line of what it said of it."""

    outcome: Outcome
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether it did all that its tests ask."""
        return self.outcome is Outcome.PASSED


def judge(sandbox: Sandbox, toolchain: Toolchain, program: Callable[[str], str]) -> Judgement:
    """Runs what `program` gives for the word it is to write when its tests are through."""
    verdict = f"verdict-{secrets.token_hex(8)}"
    steps = sandbox.run({toolchain.file: program(verdict)}, toolchain.steps)
    last = steps[-1]
    reason = _reason(last)
    if last.how in _BOUNDS:
        return Judgement(_BOUNDS[last.how], reason)
    if last.how != "exited":
        return Judgement(Outcome.CRASHED, reason or f"signal {last.status}")
    if len(steps) < len(toolchain.steps):
        return Judgement(Outcome.NOT_COMPILED, reason)
    if not last.succeeded:
        return Judgement(Outcome.WRONG, reason)
    if not last.output.rstrip().endswith(verdict):
        return Judgement(Outcome.WRONG, "it ended before its tests did")
    return Judgement(Outcome.PASSED)


# An exception's own line, a compiler's, a linker's: what says most, in this order.
_TELLING = tuple(
    re.compile(pattern, re.MULTILINE)
    for pattern in (
        r"^(?:Exception in thread .*|[\w.]*(?:Error|Exception)\b.*|.*Assertion .* failed.*)$",
        r"^.*\berror: .*$",
    )
)


def _reason(ended: Ended) -> str:
    """The line that says most of why a program failed, or its last one."""
    for pattern in _TELLING:
        if found := [line for line in pattern.findall(ended.output) if "ld returned" not in line]:
            return str(found[0]).strip()[:200]
    lines = ended.output.strip().splitlines()
    undefined = [line for line in lines if "undefined reference" in line]
    return (undefined or lines[-1:] or [""])[0].strip()[:200]
