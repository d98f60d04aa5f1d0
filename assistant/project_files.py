"""The files of a project that people wrote: what git does not ignore, without vendored, built and generated ones."""

import os
import re
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from assistant.file_types import language_of_name, language_of_script, may_be_script
from assistant.git_config import excludes_file
from assistant.ignore_rules import IgnoreRules, read_ignore_rules
from assistant.source_text import HEAD_BYTES, has_generated_name, is_machine_made

# Larger sources are amalgamations, tables and bundles.
MAX_SOURCE_BYTES = 1 << 20

# Lower case; matched in any case.
_VENDORED = frozenset(
    {
        "3rd-party", "3rd_party", "3rdparty", "__pycache__", "__pypackages__", "_vendor", "bower_components",
        "carthage", "deps", "extern", "external", "externals", "godeps", "jspm_packages", "node_modules", "pods",
        "site-packages", "third-party", "third_party", "thirdparty", "vendor", "vendored", "vendors", "web_modules",
    }
)  # fmt: skip

# Names of build output. They are good names for a package as well, so such a folder is left out only beside a file of
# a build system that writes into it.
_BUILDERS_OF = {
    "build": {"setup.py", "pyproject.toml", "CMakeLists.txt", "build.gradle", "build.gradle.kts", "package.json"},
    "dist": {"setup.py", "pyproject.toml", "package.json"},
    "out": {"CMakeLists.txt", "build.gradle", "build.gradle.kts", "package.json", "tsconfig.json"},
    "target": {"pom.xml", "Cargo.toml", "build.sbt"},
    "coverage": {"package.json"},
}

# Entries that make the folder they are in an environment, a cache or a build tree, whatever its name.
_FOREIGN_MARKERS = frozenset({"pyvenv.cfg", "conda-meta", "CACHEDIR.TAG", "CMakeCache.txt", "meson-private"})

_GIT_FOLDER = re.compile(r"gitdir:\s*([^\0\r\n]+)")


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A file of a project.

    Attributes:
        path: where it is, as the file system calls it.
        name: its path relative to the project, posix.
        size: bytes.
        language: the programming language its name or shebang tells, lower case; None when it is not code.
    """

    path: str
    name: str
    size: int
    language: str | None


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder to visit.

    Attributes:
        path: where it is.
        name: its path relative to the work tree (without one, to the project), ending in a slash unless empty.
        rules: the ignore rules that hold in it, innermost first, each with the length of its own folder's `name`.
    """

    path: str
    name: str
    rules: tuple[tuple[int, IgnoreRules], ...]


def project_files(root: Path, on_unreadable: Callable[[OSError], None]) -> Iterator[ProjectFile]:
    """Every file of the project in the folder `root` that its people keep, told by names: only ignore rules and scripts
    are read.

    Left out are what `.gitignore` files (those above `root` in its git work tree as well), `.git/info/exclude` and the
    user's own ignore file for git name; hidden, vendored and built folders; other repositories inside the work tree;
    files named as generators name theirs; sources over `MAX_SOURCE_BYTES`; symbolic links. `root` itself may have any
    name. Git need not be installed. Its index is not read, so files that are tracked although ignored are left out too:
    they are few, and mostly no code. The order is the file system's.

    `on_unreadable` is told what could not be read on the way; the walk goes on without it.

    Raises:
        OSError: `root` itself cannot be listed.
    """
    root = root.resolve()
    work_tree = next((folder for folder in (root, *root.parents) if (folder / ".git").exists()), None)
    start = _start(root, work_tree, on_unreadable)
    with os.scandir(root):  # an unreadable root is the caller's matter, unlike a folder in it
        pass
    pending = [start]
    while pending:
        folder = pending.pop()
        try:
            with os.scandir(folder.path) as listing:
                entries = {entry.name: entry for entry in listing}
            if folder is not start and _is_foreign(entries, in_work_tree=work_tree is not None):
                continue
            if work_tree is None and ".git" in entries:
                folder = _with_repository_rules(folder, on_unreadable)
            if ".gitignore" in entries:
                folder = _with_rules(folder, Path(folder.path, ".gitignore"))
        except OSError as error:
            on_unreadable(error)
            continue
        for entry in entries.values():
            try:
                if entry.name == ".git" or _is_ignored(entry, folder):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if not _is_left_out(entry.name, entries):
                        pending.append(_Folder(entry.path, f"{folder.name}{entry.name}/", folder.rules))
                elif entry.is_file(follow_symlinks=False):
                    file = _project_file(entry, f"{folder.name}{entry.name}"[len(start.name) :])
                    if file is not None:
                        yield file
            except OSError as error:
                on_unreadable(error)


def is_hand_written(file: ProjectFile) -> bool:
    """Whether the first bytes of `file` show no sign that a program wrote it.

    Raises:
        OSError: the file cannot be read.
    """
    descriptor = os.open(file.path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        return not is_machine_made(os.read(descriptor, HEAD_BYTES))
    finally:
        os.close(descriptor)


def _start(root: Path, work_tree: Path | None, on_unreadable: Callable[[OSError], None]) -> _Folder:
    """The folder `root` with the ignore rules from outside of it; its own are read when it is visited."""
    if work_tree is None:
        return _Folder(str(root), "", ())
    folder = _with_repository_rules(_Folder(str(work_tree), "", ()), on_unreadable)
    place = work_tree
    for part in root.relative_to(work_tree).parts:
        if (place / ".gitignore").is_file():
            folder = _with_rules(folder, place / ".gitignore")
        place /= part
        folder = _Folder(str(place), f"{folder.name}{part}/", folder.rules)
    return folder


def _git_folder(work_tree: Path) -> Path:
    """The repository of a work tree: `.git`, or where a file of that name points (gitrepository-layout(5))."""
    git = work_tree / ".git"
    if git.is_dir():
        return git
    named = _GIT_FOLDER.match(git.read_text(encoding="utf-8", errors="surrogateescape"))
    if named is None:
        return git
    git = work_tree / named[1]
    common = git / "commondir"
    return git / common.read_text(encoding="utf-8").strip() if common.is_file() else git


def _with_repository_rules(folder: _Folder, on_unreadable: Callable[[OSError], None]) -> _Folder:
    """The folder, a work tree's, with the rules that stand in no `.gitignore`: the user's, then the repository's."""
    work_tree = Path(folder.path)
    git_folder = _git_folder(work_tree)
    for source in (excludes_file(git_folder, on_unreadable), git_folder / "info" / "exclude"):
        if source is not None and (source := work_tree / source).is_file():
            try:
                folder = _with_rules(folder, source)
            except OSError as error:
                on_unreadable(error)
    return folder


def _with_rules(folder: _Folder, source: Path) -> _Folder:
    return replace(folder, rules=((len(folder.name), read_ignore_rules(source)), *folder.rules))


def _is_ignored(entry: os.DirEntry[str], folder: _Folder) -> bool:
    if not folder.rules:
        return False
    is_folder = entry.is_dir(follow_symlinks=False)
    path = folder.name + entry.name
    for base, rules in folder.rules:
        decision = rules.decide(path[base:], entry.name, is_folder)
        if decision is not None:
            return decision
    return False


def _is_foreign(entries: Container[str], in_work_tree: bool) -> bool:
    """Whether a folder with these entries is an environment, a build tree or another repository."""
    # Outside of a work tree, repositories side by side are the project.
    return any(marker in entries for marker in _FOREIGN_MARKERS) or (in_work_tree and ".git" in entries)


def _is_left_out(name: str, siblings: Container[str]) -> bool:
    """Whether a folder of this name holds none of the project's own sources."""
    if name.startswith(".") or name.lower() in _VENDORED:
        return True
    return any(builder in siblings for builder in _BUILDERS_OF.get(name, ()))


def _project_file(entry: os.DirEntry[str], name: str) -> ProjectFile | None:
    """The file as the walk reports it; None for one that its name or size rules out."""
    status = entry.stat(follow_symlinks=False)
    language = language_of_name(entry.name)
    if language is None and may_be_script(entry.name, status.st_mode):
        language = language_of_script(entry.path)
    if language is not None and (status.st_size > MAX_SOURCE_BYTES or has_generated_name(entry.name)):
        return None
    return ProjectFile(entry.path, name, status.st_size, language)
