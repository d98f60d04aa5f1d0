"""The VS Code extension that `sned setup vscode` writes, in node against the real server and model.

VS Code itself is stood for by as much of its interface as the extension uses.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SNED = Path(sys.executable).with_name("sned")
NODE = shutil.which("node")

pytestmark = [pytest.mark.model, pytest.mark.skipif(NODE is None, reason="node is not installed")]


def test_it_completes_explains_and_edits_and_ends_with_its_server(tmp_path: Path, base_model: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "bases").symlink_to(base_model.parents[1])  # without sub-models: what is written differs with the model
    environment = os.environ | {"HOME": str(tmp_path), "SNED_HOME": str(home)}
    subprocess.run([SNED, "setup", "vscode", "--write", "--yes"], env=environment, check=True)
    (extension,) = (tmp_path / ".vscode" / "extensions").iterdir()
    assert json.loads((extension / "package.json").read_text())["main"] == "./extension.js"
    assert NODE is not None
    ran = subprocess.run(
        [NODE, Path(__file__).with_name("vscode_stub.js"), extension, SNED, tmp_path.as_uri()],
        env=os.environ | {"SNED_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = json.loads(ran.stdout)
    assert found["items"][0]["insertText"] == "a + b"
    assert found["items"][0]["range"]["start"] == {"line": 1, "character": 11}
    assert found["status"] == "sned: ready"
    assert found["explained"]["text"] == found["page"]
    assert "add" in found["page"] or "sum" in found["page"]
    assert found["answered"]["finished"]
    assert found["edited"] is True
    (edit,) = found["edits"]
    assert edit["text"] == "def plus(a, b):\n    return a + b\n"
    assert edit["annotation"]["needsConfirmation"]
    assert found["triggered"] == ["editor.action.inlineSuggest.hide", "editor.action.inlineSuggest.trigger"]
    assert not [message for message in found["shown"] if "sub-model" not in message]
