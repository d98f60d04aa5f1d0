"""The walk through a project yields what its people wrote."""

import os
import sys
from pathlib import Path

import pytest

from assistant.project_files import MAX_SOURCE_BYTES, is_hand_written, project_files


def write(root: Path, *names: str, text: str = "x = 1\n") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def walk(root: Path) -> set[str]:
    return {file.name for file in project_files(root, lambda error: pytest.fail(str(error)))}


def test_yields_path_size_and_language(tmp_path: Path) -> None:
    write(tmp_path, "src/main.cc", "notes.txt", text="int x;\n")
    files = {file.name: file for file in project_files(tmp_path, lambda error: None)}
    main = files["src/main.cc"]
    assert (Path(main.path).read_text(), main.size, main.language) == ("int x;\n", 7, "cpp")
    assert files["notes.txt"].language is None


def test_leaves_out_hidden_vendored_and_environment_folders(tmp_path: Path) -> None:
    kept = {"app/main.py", "src/environment/a.py", ".eslintrc.js"}
    write(tmp_path, *kept)
    write(
        tmp_path, "node_modules/x/index.js", "vendor/y.py", "Third_Party/z.c", ".cache/w.py", "lib/site-packages/v.py"
    )
    write(tmp_path, "my-env/pyvenv.cfg", "my-env/lib/u.py", "out-of-source/CMakeCache.txt", "out-of-source/t.c")
    assert walk(tmp_path) == kept


@pytest.mark.parametrize("name", ["vendor", ".hidden", "node_modules", "build"])
def test_root_may_have_any_name(tmp_path: Path, name: str) -> None:
    write(tmp_path, "package.json", f"{name}/main.py")
    assert walk(tmp_path / name) == {"main.py"}


def test_build_folders_are_left_out_only_beside_what_fills_them(tmp_path: Path) -> None:
    write(tmp_path, "pyproject.toml", "build/lib/a.py", "dist/a.py", "src/build/core.py", "src/target/b.py")
    write(tmp_path, "java/pom.xml", "java/target/C.java", "java/src/C.java")
    assert walk(tmp_path) == {
        "pyproject.toml",
        "src/build/core.py",
        "src/target/b.py",
        "java/pom.xml",
        "java/src/C.java",
    }


def test_rules_of_the_work_tree_above_hold_in_a_folder_of_it(tmp_path: Path) -> None:
    write(tmp_path, ".git/info/exclude", text="private/\n")
    write(tmp_path, ".gitignore", text="*.gen.py\n/pkg/cache\n/cache\n")
    write(tmp_path, "pkg/a.py", "pkg/a.gen.py", "pkg/cache/b.py", "pkg/sub/cache/c.py", "pkg/private/d.py")
    assert walk(tmp_path / "pkg") == {"a.py", "sub/cache/c.py"}


def test_exclude_file_is_found_from_a_linked_work_tree(tmp_path: Path) -> None:
    write(tmp_path, "main/.git/info/exclude", text="private.py\n")
    write(tmp_path, "main/.git/worktrees/two/commondir", text="../..\n")
    write(tmp_path, "two/.git", text=f"gitdir: {tmp_path}/main/.git/worktrees/two\n")
    write(tmp_path, "two/a.py", "two/private.py")
    assert walk(tmp_path / "two") == {"a.py"}


def test_the_users_own_ignore_file_for_git_is_the_weakest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "absent"))
    write(tmp_path, "settings/git/ignore", text="*.scratch.py\n/local\nnotes.py\n")
    project = tmp_path / "project"
    write(project, ".git/info/exclude", text="!notes.py\nprivate.py\n")
    write(project, ".gitignore", text="!kept.scratch.py\n")
    write(project, "a.py", "b.scratch.py", "kept.scratch.py", "notes.py", "private.py", "local/c.py", "sub/local/d.py")
    assert walk(project) == {".gitignore", "a.py", "kept.scratch.py", "notes.py", "sub/local/d.py"}
    assert walk(project / "sub") == {"local/d.py"}
    # Of each of the repositories that are a project together.
    assert {name for name in walk(tmp_path) if name.startswith("project/")} == {
        f"project/{name}" for name in walk(project)
    }


def test_a_git_file_that_names_no_repository_is_none(tmp_path: Path) -> None:
    write(tmp_path, "a.py")
    (tmp_path / ".git").write_bytes(b"\xff\0")
    assert walk(tmp_path) == {"a.py"}


def test_other_repositories_count_only_where_there_is_none_around_them(tmp_path: Path) -> None:
    write(tmp_path, "one/.git/HEAD", "one/a.py", "two/.git/HEAD", "two/b.py")
    assert walk(tmp_path) == {"one/a.py", "two/b.py"}
    write(tmp_path, ".git/HEAD", "c.py")
    assert walk(tmp_path) == {"c.py"}


def test_leaves_out_generated_names_and_huge_sources(tmp_path: Path) -> None:
    write(tmp_path, "a_pb2.py", "b.pb.cc", "jquery.min.js", "moc_window.cpp", "kept.py")
    write(tmp_path, "sqlite3.c", text="x" * (MAX_SOURCE_BYTES + 1))
    assert walk(tmp_path) == {"kept.py"}


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path, "a.py")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "again.py").symlink_to(tmp_path / "a.py")
    assert walk(tmp_path) == {"a.py"}
    (tmp_path.parent / "link").symlink_to(tmp_path, target_is_directory=True)
    assert walk(tmp_path.parent / "link") == {"a.py"}


@pytest.mark.skipif(sys.platform == "win32", reason="no executable bit there")
def test_scripts_without_an_ending_are_told_by_their_shebang(tmp_path: Path) -> None:
    write(tmp_path, "bin/tool", "bin/unmarked", text="#!/usr/bin/env python3\nprint()\n")
    (tmp_path / "bin/tool").chmod(0o755)
    languages = {file.name: file.language for file in project_files(tmp_path, lambda error: None)}
    assert languages == {"bin/tool": "python", "bin/unmarked": None}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a folder one may not read")
def test_unreadable_folder_is_told_and_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "closed/b.py")
    (tmp_path / "closed").chmod(0)
    errors: list[OSError] = []
    try:
        names = {file.name for file in project_files(tmp_path, errors.append)}
    finally:
        (tmp_path / "closed").chmod(0o755)
    assert names == {"a.py"}
    assert len(errors) == 1


def test_broken_ignore_file_is_told_and_its_folder_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "sub/b.py")
    (tmp_path / "sub" / ".gitignore").mkdir()
    errors: list[OSError] = []
    assert {file.name for file in project_files(tmp_path, errors.append)} == {"a.py"}
    assert len(errors) == 1


def test_hand_written_is_told_by_the_first_bytes(tmp_path: Path) -> None:
    write(tmp_path, "a.go", text="// Code generated by stringer. DO NOT EDIT.\n\npackage a\n")
    write(tmp_path, "b.go", text="// Package b tells generated code from other code.\n\npackage b\n")
    verdicts = {file.name: is_hand_written(file) for file in project_files(tmp_path, lambda error: None)}
    assert verdicts == {"a.go": False, "b.go": True}
