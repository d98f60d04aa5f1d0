"""`sned detect`, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

SNED = Path(sys.executable).with_name("sned")


def sned(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SNED, *arguments], cwd=cwd, capture_output=True, text=True, encoding="utf-8", check=False)


def make_mixed_project(root: Path) -> Path:
    (root / "web").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[project]\nname = 'shop'\n")
    (root / "shop.py").write_text("def price(net):\n    return net * 1.2\n" * 30)
    (root / "web" / "cart.ts").write_text("export const total = (a: number[]) => a.length;\n" * 10)
    return root


def test_json_has_language_shares_and_reason_only(tmp_path: Path) -> None:
    ran = sned("detect", make_mixed_project(tmp_path), "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    answer = json.loads(ran.stdout)
    assert list(answer) == ["language", "shares", "reason"]
    assert answer["language"] == "python"
    assert list(answer["shares"]) == ["python", "javascript"]
    assert abs(sum(answer["shares"].values()) - 1) < 1e-9
    assert "pyproject.toml" in answer["reason"]


def test_current_folder_is_the_default_and_people_get_a_table(tmp_path: Path) -> None:
    ran = sned("detect", cwd=make_mixed_project(tmp_path))
    assert ran.returncode == 0
    rows = [line.split() for line in ran.stdout.splitlines()]
    assert ["Language", "Share", "Size"] in rows
    assert ["Python", "69.8%", "1.1", "kB"] in rows
    assert "JavaScript with 30.2%" in ran.stdout


def test_empty_folder_is_null_in_json(tmp_path: Path) -> None:
    ran = sned("detect", tmp_path, "--json")
    assert ran.returncode == 0
    answer = json.loads(ran.stdout)
    assert (answer["language"], answer["shares"]) == (None, {})
    assert "sned build --language" in answer["reason"]


def test_bad_path_is_one_sentence_and_status_2(tmp_path: Path) -> None:
    (tmp_path / "data.bin").write_bytes(bytes(100))
    for path in (tmp_path / "nowhere", tmp_path / "data.bin"):
        ran = sned("detect", path)
        assert (ran.returncode, ran.stdout) == (2, "")
        assert str(path) in ran.stderr
        assert ran.stderr.count("\n") == 1
        assert "Traceback" not in ran.stderr


def test_help_names_the_options() -> None:
    ran = sned("detect", "--help")
    assert ran.returncode == 0
    assert "--json" in ran.stdout
