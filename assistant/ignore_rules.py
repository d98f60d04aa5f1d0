"""The rules of `.gitignore` files, as git applies them to one entry of a folder at a time."""

import re
from dataclasses import dataclass
from pathlib import Path

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

_GLOB = re.compile(r"[*?\[\\]")
_EVERYTHING = frozenset({"*", "**", "**/*", "/**"})


@dataclass(frozen=True, slots=True)
class _Rule:
    """One line of the file; `regex` matches a path relative to the file's folder, and None matches every path."""

    ignores: bool
    folders_only: bool
    regex: re.Pattern[str] | None

    def matches(self, path: str, is_folder: bool) -> bool:
        if self.folders_only and not is_folder:
            return False
        return self.regex is None or self.regex.fullmatch(path) is not None


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """The rules of one `.gitignore`, for paths relative to its folder (posix separators, no trailing slash).

    Git's order is kept by asking about a folder before anything in it and not entering ignored ones: then each line
    only ever has to match the path itself, never a parent, and the last line that does decides (gitignore(5)).

    Most lines of most files are a plain name or `*.ending`. `names` and `endings` tell in one look-up each that none
    of those applies, which is what makes 100,000 files quick; only the `others` are tried one by one.
    """

    rules: tuple[_Rule, ...]
    names: frozenset[str]
    endings: tuple[str, ...]
    others: tuple[_Rule, ...]
    others_for_files: tuple[_Rule, ...]

    def decide(self, path: str, name: str, is_folder: bool) -> bool | None:
        """Whether `path`, whose base name is `name`, is ignored (True) or kept (False); None when no line applies."""
        if (
            name not in self.names
            and not name.endswith(self.endings)
            and not any(rule.matches(path, is_folder) for rule in (self.others if is_folder else self.others_for_files))
        ):
            return None
        for rule in reversed(self.rules):
            if rule.matches(path, is_folder):
                return rule.ignores
        return None


def parse_ignore_rules(text: str) -> IgnoreRules:
    """The rules in the text of a `.gitignore`; lines git would discard as malformed are discarded."""
    rules, names, endings, others = [], set(), set(), []
    for line in text.removeprefix("\ufeff").split("\n"):
        body = _strip(line)
        if not body or body.startswith("#"):
            continue
        ignores = not body.startswith("!")
        body = body.removeprefix("!")
        folders_only = body.endswith("/")
        body = body.removesuffix("/")
        try:
            rule = _Rule(ignores, folders_only, _compile(body))
        except (ValueError, re.error):
            continue
        rules.append(rule)
        if not _GLOB.search(body) and "/" not in body:
            names.add(body)
        elif body.startswith("*") and not _GLOB.search(body[1:]) and "/" not in body:
            endings.add(body[1:])
        else:
            others.append(rule)
    return IgnoreRules(
        rules=tuple(rules),
        names=frozenset(names),
        endings=tuple(sorted(endings)),
        others=tuple(others),
        others_for_files=tuple(rule for rule in others if not rule.folders_only),
    )


def read_ignore_rules(path: Path) -> IgnoreRules:
    """The rules of the file at `path`.

    Raises:
        OSError: the file cannot be read.
    """
    return parse_ignore_rules(path.read_bytes().decode("utf-8", errors="surrogateescape"))


def _strip(line: str) -> str:
    """`line` without the white space git takes off its end; a backslash keeps the space after it."""
    line = line.removesuffix("\r")
    stripped = line.rstrip(" ")
    if len(stripped) < len(line) and (len(stripped) - len(stripped.rstrip("\\"))) % 2:
        return stripped + " "
    return stripped


def _compile(body: str) -> re.Pattern[str] | None:
    """A regular expression that matches a whole path as `body` (without `!` and trailing slash) does; None for all."""
    if body in _EVERYTHING:
        return None
    if body.endswith("/**"):  # "everything inside", which as a match of the whole path is "any entry at any depth"
        body += "/*"
    # A leading `#` or `!` has lost its meaning here and must not gain it again.
    pattern = GitIgnoreSpecPattern(f"\\{body}" if body.startswith(("#", "!")) else body)
    if pattern.regex is None:
        raise ValueError(f"The pattern {body!r} matches nothing.")
    return pattern.regex
