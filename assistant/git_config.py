"""What git's configuration says of files to ignore, read without git (git-config(1))."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

# As deep as git follows files that include files.
_MAX_DEPTH = 10

_HEADER = re.compile(r'\[\s*([\w.-]+)\s*("(?:[^"\\]|\\.)*")?\s*\]')
_KEY = re.compile(r"([A-Za-z][\w-]*)\s*=")
_VALUE = re.compile(r'(?:"(?:[^"\\]|\\.)*"|\\.|[^"\\#;])*')
_QUOTE_OR_ESCAPE = re.compile(r'"|\\(.)')
_ESCAPES = {"n": "\n", "t": "\t", "b": "\b"}
_OPTIONAL = ":(optional)"


def excludes_file(git_folder: Path, on_unreadable: Callable[[OSError], None]) -> Path | None:
    """The user's file of ignore rules for all repositories, as one whose `.git` is `git_folder` has it set.

    It is `core.excludesFile`, or `git/ignore` in the configuration directory; None if that is set to nothing. The file
    may not exist. Conditional includes are not followed, nor are settings in variables. `on_unreadable` is told of a
    configuration file that cannot be read, which then counts as empty.
    """
    found = str(_configuration_directory() / "ignore")
    for file in [*_files_of_all_repositories(), git_folder / "config"]:
        for value in _values(file, on_unreadable):
            found = value
    return _expanded(found.removeprefix(_OPTIONAL)) if found else None


def _configuration_directory() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or _expanded("~/.config")) / "git"


def _files_of_all_repositories() -> list[Path]:
    """The system's and the user's configuration, the stronger last."""
    files = [] if os.environ.get("GIT_CONFIG_NOSYSTEM") else [os.environ.get("GIT_CONFIG_SYSTEM") or "/etc/gitconfig"]
    if own := os.environ.get("GIT_CONFIG_GLOBAL"):
        return [Path(file) for file in (*files, own)]
    return [*map(Path, files), _configuration_directory() / "config", _expanded("~/.gitconfig")]


def _values(file: Path, on_unreadable: Callable[[OSError], None], depth: int = 0) -> Iterator[str]:
    """The values of `core.excludesFile` in a file and those it includes, in their order."""
    try:
        text = file.read_bytes().decode("utf-8", errors="surrogateescape").replace("\0", "")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        on_unreadable(error)
        return
    for name, value in _settings(text):
        if name == "core.excludesfile":
            yield value
        elif name == "include.path" and depth < _MAX_DEPTH:
            yield from _values(file.parent / _expanded(value), on_unreadable, depth + 1)


def _settings(text: str) -> Iterator[tuple[str, str]]:
    """Names, `section.key` in lower case, and values of a configuration file; sections in two parts are left out."""
    section = ""
    for line in _logical_lines(text.removeprefix("\ufeff")):
        rest = line.strip()
        if header := _HEADER.match(rest):
            section = "" if header[2] else header[1].lower()
            rest = rest[header.end() :].lstrip()
        key = _KEY.match(rest)
        if section and key is not None:
            value = _VALUE.match(rest[key.end() :].strip())
            yield f"{section}.{key[1].lower()}", _plain(value.group().rstrip()) if value is not None else ""


def _logical_lines(text: str) -> Iterator[str]:
    """Lines, with those that a backslash at the end joins."""
    joined = ""
    for line in text.splitlines():
        joined += line
        value = _VALUE.match(joined)
        rest = joined[value.end() :] if value is not None else ""
        # What is left is a backslash, a quotation that goes on, or a comment, which a backslash does not prolong.
        if rest == "\\" or (rest.startswith('"') and (len(rest) - len(rest.rstrip("\\"))) % 2):
            joined = joined[:-1]
            continue
        yield joined
        joined = ""
    yield joined


def _expanded(path: str) -> Path:
    """`path` with a user's folder in place of a `~` that it begins with, where there is one."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def _plain(value: str) -> str:
    """A value without its quotes, and with what its escapes stand for."""
    return _QUOTE_OR_ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]) if match[1] else "", value)
