"""Offline is a property of the program's structure: one room holds all that can reach out."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REACHING_OUT = {
    "aiohttp",
    "ftplib",
    "http.client",
    "httpx",
    "httpx2",
    "huggingface_hub",
    "pip",
    "requests",
    "urllib.request",
}
MODULES = sorted(
    path for room in ("assistant", "prune", "export", "lsp", "tui") for path in (ROOT / room).rglob("*.py")
)


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name in REACHING_OUT or name.partition(".")[0] in REACHING_OUT}


def test_the_fetching_room_is_where_connections_are_made() -> None:
    rooms = {path.relative_to(ROOT).parent.as_posix() for path in MODULES if imported(path)}
    assert rooms == {"assistant/fetch"}


@pytest.mark.parametrize("name", ["catalog", "store", "settings", "cli.app", "cli.models"])
def test_what_every_command_imports_brings_no_client_with_it(name: str) -> None:
    program = f"import sys, assistant.{name}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert not {"httpx2", "huggingface_hub", "pip"} & set(loaded.split())
