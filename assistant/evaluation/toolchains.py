"""What compiles and runs the programs of each language on this machine."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from assistant.evaluation.sandbox.limits import Limits, Step
from assistant.languages import Language

# Compilers are trusted with more time; a program in C++ that takes a template apart is still bounded.
_COMPILING = Limits(cpu_seconds=60, seconds=180.0, longest=1800.0)
_RUNNING = Limits()


@dataclass(frozen=True, slots=True)
class Toolchain:
    """How programs of one language are run.

    Attributes:
        version: what it calls itself.
        file: what the program is to be called.
        steps: commands; the last one runs the program, and those before it compile.
        folders: where it is installed.
    """

    version: str
    file: str
    steps: tuple[Step, ...]
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """A toolchain that is not here; `reason` says what is to be installed."""

    reason: str


def find_toolchain(language: Language) -> Toolchain | Missing:
    """What runs programs of `language` here."""
    return _FINDERS[language]()


def bounded(toolchain: Toolchain, limits: Limits) -> Toolchain:
    """The same, with other limits for the program itself."""
    return replace(toolchain, steps=(*toolchain.steps[:-1], replace(toolchain.steps[-1], limits=limits)))


def _python() -> Toolchain:
    command = (sys.executable, "-I", "program.py")
    return Toolchain(f"Python {sys.version.split()[0]}", "program.py", (Step(command, _RUNNING),))


def _java() -> Toolchain | Missing:
    compiler, runner = _real("javac"), _real("java")
    if compiler is None or runner is None:
        return Missing("no JDK was found (javac and java on PATH)")
    if (version := _version(runner, "-version")) is None:
        return Missing(f"{runner} does not run")
    # A heap that is reserved whole is not private memory until it is touched; threads that only make long runs faster
    # would count as processes.
    quiet = ("-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xshare:auto")
    compiling = (compiler, *(f"-J{word}" for word in quiet), "-nowarn", "-encoding", "UTF-8", "Main.java")
    running = (runner, *quiet, "-cp", ".", "Verdict")
    steps = (Step(compiling, _COMPILING), Step(running, _RUNNING))
    return Toolchain(version, "Main.java", steps, _folders(compiler, runner))


def _cpp() -> Toolchain | Missing:
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        return Missing("no C++ compiler was found (g++ or clang++ on PATH)")
    if (version := _version(compiler, "--version")) is None:
        return Missing(f"{compiler} does not run")
    compiling = (compiler, "-std=c++17", "-O0", "-w", "-o", "program", "program.cpp", *_libraries(compiler))
    steps = (Step(compiling, _COMPILING), Step(("./program",), _RUNNING))
    return Toolchain(version, "program.cpp", steps, _folders(str(Path(compiler).resolve())))


def _libraries(compiler: str) -> tuple[str, ...]:
    """Options for what a task of HumanEval-X links with, where it is installed."""
    try:
        done = subprocess.run(
            [compiler, "-print-file-name=libcrypto.so"], capture_output=True, text=True, check=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return ("-lcrypto",) if Path(done.stdout.strip()).is_absolute() else ()


def _javascript() -> Toolchain | Missing:
    node = _real("node") or _real("nodejs")
    if node is None:
        return Missing("no Node.js was found (node on PATH)")
    if (version := _version(node, "--version")) is None:
        return Missing(f"{node} does not run")
    command = (node, "--max-old-space-size=256", "--single-threaded", "program.js")
    return Toolchain(f"Node.js {version}", "program.js", (Step(command, _RUNNING),), _folders(node))


_FINDERS: dict[Language, Callable[[], Toolchain | Missing]] = {
    Language.PYTHON: _python,
    Language.JAVA: _java,
    Language.CPP: _cpp,
    Language.JAVASCRIPT: _javascript,
}


def _real(name: str) -> str | None:
    """The program itself, behind the links that lead to it, whose folders may not be readable in a sandbox."""
    path = shutil.which(name)
    return None if path is None else str(Path(path).resolve())


def _folders(*programs: str) -> tuple[Path, ...]:
    """Installation folders: `PREFIX` of `PREFIX/bin/NAME`, unless the system's, which may be read anyway."""
    prefixes = {Path(program).parent.parent for program in programs}
    return tuple(sorted(prefix for prefix in prefixes if prefix != Path("/") and not prefix.is_relative_to("/usr")))


def _version(program: str, option: str) -> str | None:
    try:
        done = subprocess.run(
            [program, option], capture_output=True, text=True, check=True, timeout=60, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return None
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0].strip() if lines else None
