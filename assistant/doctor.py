"""Whether everything that sned needs is here: a list of checks, each with what to do where it fails."""

import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from assistant.catalog import load_catalog
from assistant.detection import detect
from assistant.languages import Language
from assistant.selection import Selection, open_model, select_model
from assistant.settings import Settings, load_settings
from assistant.store import BaseEntry, Store, SubModelEntry

if TYPE_CHECKING:
    from assistant.engine.offload import Device

_OLDEST_PYTHON = (3, 11)
_LLAMA_CPP_PYTHON = "0.3.36"
_BUILD_PACKAGES = ("torch", "transformers")
_GIB = 1 << 30
_LITTLE_MEMORY = 2 * _GIB
_LITTLE_DISK = 2 * _GIB

_PROBE_BEFORE = "def add(a, b):\n    return "
_PROBE_AFTER = "\n\n\ndef subtract(a, b):\n    return a - b\n"
_PROBE_ANSWER = "a + b"


class Status(StrEnum):
    """How a check came out; only `fail` keeps sned from working."""

    PASS = "pass"  # noqa: S105
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """A check's outcome: what was found, and the next step unless it passed."""

    name: str
    status: Status
    found: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What to check: the project (or a file of it), and which model, chosen by the project's language when None."""

    project: Path
    model: str | None = None
    gpu_layers: str | None = None


def examine(request: Request) -> Iterator[Check]:
    """The checks one after another, as each comes out; none raises."""
    for name, check in _CHECKS:
        yield guarded(name, check, request)


def check_python(_: Request) -> Check:
    """Whether this Python is recent enough."""
    found = f"Python {platform.python_version()}"
    if sys.version_info < _OLDEST_PYTHON:
        return Check("python", Status.FAIL, found, "Install Python 3.11 or newer, and sned in it.")
    return Check("python", Status.PASS, found)


def check_settings(_: Request) -> Check:
    """Whether settings and catalog parse."""
    settings = load_settings()
    catalog = load_catalog(settings.catalog)
    return Check(
        "settings",
        Status.PASS,
        f"{len(catalog.models)} base models in the catalog; {settings.threads} threads, context {settings.context}",
    )


def check_llama_version(_: Request) -> Check:
    """Whether llama-cpp-python is here, in the version sned was made for."""
    remedy = f"Install it: pip install llama-cpp-python=={_LLAMA_CPP_PYTHON} (a C++ compiler is needed)."
    try:
        installed = version("llama-cpp-python")
    except PackageNotFoundError:
        return Check("llama.cpp", Status.FAIL, "llama-cpp-python is not installed", remedy)
    found = f"llama-cpp-python {installed}"
    if installed != _LLAMA_CPP_PYTHON:
        return Check("llama.cpp", Status.FAIL, found, remedy)
    return Check("llama.cpp", Status.PASS, found)


def check_instructions(_: Request) -> Check:
    """Whether llama.cpp was built with the instructions this processor has."""
    from assistant.instructions import built_with, machine_has

    built, machine = built_with(), machine_has()
    found = "built with " + (", ".join(sorted(built)) or "no vector instructions")
    missing = sorted(machine - built)
    if missing:
        return Check(
            "instructions",
            Status.WARN,
            f"{found}; this processor also has {', '.join(missing)}",
            "For more speed build it here: CMAKE_ARGS=-DGGML_NATIVE=ON pip install --force-reinstall --no-cache-dir "
            f"--no-binary llama-cpp-python llama-cpp-python=={_LLAMA_CPP_PYTHON}",
        )
    return Check("instructions", Status.PASS, found)


def check_gpu(request: Request) -> Check:
    """Whether llama.cpp can offload to a GPU; it need not, unless layers were asked for."""
    from assistant.engine.offload import gpus

    if devices := gpus():
        return Check("gpu", Status.PASS, "; ".join(_described(each) for each in devices))
    found = "llama.cpp was built for the CPU alone, or finds no GPU"
    wanted = request.gpu_layers or load_settings().gpu_layers
    if wanted in ("auto", 0, "0"):
        return Check("gpu", Status.PASS, found)
    return Check(
        "gpu",
        Status.WARN,
        f"{found}, and {wanted} layers are to be offloaded",
        "Install a llama.cpp with CUDA, Vulkan or Metal (see the README), or leave out gpu layers.",
    )


def _described(device: "Device") -> str:
    room = f"{device.free / _GIB:.1f} of {device.total / _GIB:.1f} GiB free" if device.total else "memory not known"
    return f"{device.name} ({device.description}), {room}"


def check_sparse_backend(_: Request) -> Check:
    """Whether pruned matrices can be computed with as they are packed; where not, models run dense."""
    from assistant.engine.sparse_backend import available

    name, mode, found = "sparse", load_settings().sparse_backend, available()
    if mode == "off":
        return Check(name, Status.PASS, "off, by the setting sparse_backend (auto uses it where it is faster)")
    if found.reason:
        return Check(name, Status.PASS, f"off: {found.reason}; sub-models run dense")
    if mode == "auto" and not found.fast:
        return Check(
            name,
            Status.PASS,
            f"off: the {found.kernel} kernel is slower than dense matrices (SNED_SPARSE_BACKEND=on uses it)",
        )
    return Check(name, Status.PASS, f"on, with the {found.kernel} kernel, for pruned matrices that are faster so")


def check_unpacking(_: Request) -> Check:
    """Whether sparse files are unpacked by native code; where not, numpy does it."""
    from export.sparse.native import is_available

    if is_available():
        return Check("unpacking", Status.PASS, "sparse files are unpacked by native code")
    return Check("unpacking", Status.PASS, "sparse files are unpacked by numpy, which takes longer (try --build)")


def check_memory(_: Request) -> Check:
    """Whether the smallest models fit in the memory available."""
    memory = psutil.virtual_memory()
    found = f"{memory.available / _GIB:.1f} of {memory.total / _GIB:.1f} GiB available"
    if memory.available < _LITTLE_MEMORY:
        return Check("memory", Status.WARN, found, "Close other programs; building a sub-model takes 2.5 GB.")
    return Check("memory", Status.PASS, found)


def check_disk(_: Request) -> Check:
    """Whether the store's disk has room for a model more."""
    home = load_settings().home
    place = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / _GIB:.1f} GiB free for the store at {home}"
    if free < _LITTLE_DISK:
        return Check("disk", Status.WARN, found, "Free some (sned models remove NAME), or move the store: SNED_HOME.")
    return Check("disk", Status.PASS, found)


def check_store(_: Request) -> Check:
    """Whether a base model is here, and nothing in the store is broken."""
    store = Store(load_settings().home)
    bases, submodels, broken = store.bases(), store.submodels(), store.broken()
    found = f"base models: {_names(bases)}; sub-models: {_names(submodels)}"
    if broken:
        worst = broken[0]
        return Check("store", Status.FAIL, f"{found}; {worst.name} is broken: {worst.reason}", f"{worst.remedy}.")
    if not bases:
        return Check("store", Status.WARN, found, "sned fetch gets the default base model.")
    return Check("store", Status.PASS, found)


def check_language(request: Request) -> Check:
    """Whether there is a sub-model for the project's language."""
    detection = detect(request.project)
    language = detection.submodel_language
    if language is None:
        return Check("language", Status.PASS, detection.reason + " The base model serves it.")
    selection = select_model(load_settings(), language, request.model)
    found = f"{language.label}; {selection.name} serves it"
    if selection.language is None and request.model is None:
        return Check("language", Status.WARN, found, f"sned build makes a sub-model for {language.label}.")
    return Check("language", Status.PASS, found)


def check_build(_: Request) -> Check:
    """Whether sub-models can be built here."""
    missing = [name for name in _BUILD_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return Check(
            "build",
            Status.WARN,
            f"{' and '.join(missing)} not installed",
            'To build sub-models: pip install "sned[build]"',
        )
    return Check("build", Status.PASS, "torch and transformers are installed")


def check_probe(request: Request) -> Check:
    """Whether the current model loads and completes a line whose answer is known, and how fast."""
    from assistant.completion import Completer, CompletionOptions
    from assistant.fim import find_fim_tokens

    settings = load_settings()
    selection = _current_model(settings, request)
    engine = open_model(selection, settings, gpu_layers=request.gpu_layers)
    try:
        completer = Completer(engine, find_fim_tokens(engine, selection.fim))
        completion = completer.complete(_PROBE_BEFORE, _PROBE_AFTER, CompletionOptions(max_tokens=16))
    finally:
        engine.close()
    usage = completion.usage
    found = (
        f"{selection.name} completes {_PROBE_BEFORE.splitlines()[-1].strip()!r} with {completion.text!r} "
        f"in {completion.seconds:.2f} s (prefill {usage.prefill_rate:.0f} tokens/s, decode {usage.decode_rate:.0f})"
    )
    if _PROBE_ANSWER in completion.text:
        return Check("probe", Status.PASS, found)
    return Check(
        "probe",
        Status.FAIL,
        f"{found}; {_PROBE_ANSWER!r} was expected",
        "Verify its file with sned models verify, or choose another model with --model.",
    )


_CHECKS: tuple[tuple[str, Callable[[Request], Check]], ...] = (
    ("python", check_python),
    ("settings", check_settings),
    ("llama.cpp", check_llama_version),
    ("instructions", check_instructions),
    ("gpu", check_gpu),
    ("sparse", check_sparse_backend),
    ("unpacking", check_unpacking),
    ("memory", check_memory),
    ("disk", check_disk),
    ("store", check_store),
    ("language", check_language),
    ("build", check_build),
    ("probe", check_probe),
)


def guarded(name: str, check: Callable[[Request], Check], request: Request) -> Check:
    """The check's outcome; one that raises has failed, with the error's message."""
    try:
        return check(request)
    except Exception as error:  # noqa: BLE001 - whatever is wrong here is what the user wants to know
        what, _, remedy = str(error).partition("; ")
        return Check(name, Status.FAIL, what or type(error).__name__, remedy or "Run it again with --debug.")


def _current_model(settings: Settings, request: Request) -> Selection:
    language: Language | None = None if request.model else detect(request.project).submodel_language
    return select_model(settings, language, request.model)


def _names(entries: list[BaseEntry] | list[SubModelEntry]) -> str:
    return ", ".join(entry.name for entry in entries) or "none"
