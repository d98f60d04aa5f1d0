"""Chat templates rendered in a process of their own, which is all that bounds what a program does.

Jinja's sandbox keeps a template from the machine, and neither from its time nor from its memory: loops in loops,
`10 ** (10 ** 10)`, which is computed while the template is parsed, or `'x' * 10 ** 10`. This file is also the process's
program, so it imports nothing of ours.
"""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

# Templates take milliseconds and write some tens of characters around a message.
_CPU_SECONDS = 2
_SECONDS = 10
_MEMORY_BYTES = 512 << 20
_MAX_OUTPUT = 1_000_000

_ENDLESS = "it does not end"


class RenderingError(Exception):
    """A template that does not parse, fails, or takes more than templates do; the message says which."""


def render(template: str, variables: Mapping[str, Any]) -> str:
    """What `template`, which nobody has to trust, writes with `variables`, which are such as JSON has.

    It takes the tenth of a second that the process takes to start; at most ten seconds.

    Raises:
        RenderingError: it does not parse, fails, does not end, or takes too much memory.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-P", __file__],
            input=json.dumps({"template": template, "variables": variables}).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_SECONDS,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except subprocess.TimeoutExpired:
        raise RenderingError(_ENDLESS) from None
    if done.returncode == -getattr(signal, "SIGXCPU", 0):
        raise RenderingError(_ENDLESS)
    if done.returncode != 0:
        raise RenderingError(f"its process ended with status {done.returncode}")
    answer = json.loads(done.stdout)
    if "error" in answer:
        raise RenderingError(answer["error"])
    return str(answer["output"])


def main() -> None:
    """Renders the template on standard input; what it wrote, or what is wrong with it, goes to standard output."""
    request = json.load(sys.stdin)
    environment = _environment()
    _bound()
    try:
        answer = {"output": _output(environment, request["template"], request["variables"])}
    except MemoryError:
        answer = {"error": "it takes too much memory"}
    except Exception as error:  # noqa: BLE001 - a program's: it may fail in any way
        answer = {"error": str(error) or type(error).__name__}
    json.dump(answer, sys.stdout)


def _output(environment: "ImmutableSandboxedEnvironment", template: str, variables: dict[str, Any]) -> str:
    output: list[str] = []
    length = 0
    for text in environment.from_string(template).generate(**variables):
        output.append(text)
        length += len(text)
        if length > _MAX_OUTPUT:
            raise RenderingError(_ENDLESS)
    return "".join(output)


def _bound() -> None:
    """Bounds this process, where the system can; the one that waits for it bounds the time in any case."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for kind, limit in ((resource.RLIMIT_CPU, _CPU_SECONDS), (resource.RLIMIT_AS, _MEMORY_BYTES)):
        with contextlib.suppress(ValueError, OSError):  # macOS refuses to bound the memory
            resource.setrlimit(kind, (limit, resource.getrlimit(kind)[1]))


def _environment() -> "ImmutableSandboxedEnvironment":
    """What chat templates expect to run in: as Hugging Face's transformers gives it."""
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
    return environment


def _to_json(value: Any, indent: int | None = None) -> str:
    # Jinja's own is made for HTML.
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _raise(message: str) -> NoReturn:
    raise RenderingError(message)


if __name__ == "__main__":
    main()
