"""On what machine and with which versions something was measured."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil


def circumstances() -> dict[str, Any]:
    """Date, machine and versions, such as JSON has."""
    return {"date": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine(), "versions": versions()}


def machine() -> dict[str, str | int | float]:
    """Processor, its cores, and bytes of memory in GB."""
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count() or 1,
        "memory GB": round(psutil.virtual_memory().total / 1e9, 1),
    }


def versions() -> dict[str, str]:
    """Of the program, of what runs models, and the system."""
    system = os.uname() if hasattr(os, "uname") else None
    return {
        "sned": version("sned"),
        "llama-cpp-python": version("llama-cpp-python"),
        "system": "Windows" if system is None else f"{system.sysname} {system.machine}",
    }


def _processor() -> str:
    """Its name where Linux tells it; the family otherwise."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found is not None else platform.processor() or platform.machine()
