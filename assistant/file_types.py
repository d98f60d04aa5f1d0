"""Which files are code, in which language, and which files tell a project's language without being code."""

import functools
import os
import stat
from dataclasses import dataclass

from identify.identify import parse_shebang, tags_from_filename, tags_from_interpreter

from assistant.languages import Language

# The file-type tags of `identify` that are programming languages, under the name a share is given. The rest of its
# tags are prose, data, markup, styles, templates and build files: a project is not "written in" them.
_LANGUAGE_OF_TAG: dict[str, str] = {
    "python": Language.PYTHON,
    "pyi": Language.PYTHON,
    "java": Language.JAVA,
    "c": Language.CPP,
    "c++": Language.CPP,
    "cuda": Language.CPP,
    "javascript": Language.JAVASCRIPT,
    "jsx": Language.JAVASCRIPT,
    "ts": Language.JAVASCRIPT,
    "tsx": Language.JAVASCRIPT,
    "vue": Language.JAVASCRIPT,
    "svelte": Language.JAVASCRIPT,
    "astro": Language.JAVASCRIPT,
    "asm": "assembly",
    "coffee": "coffeescript",
    "literate-haskell": "haskell",
    "luau": "lua",
    "system-verilog": "verilog",
    "vb": "visual basic",
} | {
    tag: tag
    for tag in (
        "aspectj", "awk", "batch", "c#", "clojure", "crystal", "cython", "dart", "elixir", "elm",
        "erlang", "f#", "fortran", "gdscript", "gleam", "go", "groovy", "haskell", "hlsl", "idris", "julia", "kotlin",
        "lean", "lua", "magik", "metal", "nim", "nushell", "objective-c", "objective-c++", "ocaml", "pascal", "perl",
        "php", "powershell", "purescript", "qml", "r", "ruby", "rust", "sas", "scala", "scheme", "shell", "solidity",
        "swift", "vala", "verilog", "vhdl", "vim", "zig",
    )
}  # fmt: skip

# Where a name has several language tags, the more telling one is taken.
_OUTRANKED = {"objective-c++": {"c++"}}

# Endings `identify` does not know, or knows as something else than a project means by them.
_LANGUAGE_OF_SUFFIX: dict[str, str | None] = {
    ".c++": Language.CPP,
    ".gradle": None,
    ".h++": Language.CPP,
    ".mts": Language.JAVASCRIPT,
    ".cts": Language.JAVASCRIPT,
    ".tcc": Language.CPP,
}


# Titles that capitals at the start of each word do not give.
_TITLES: dict[str, str] = {language.value: language.label for language in Language} | {
    "aspectj": "AspectJ", "coffeescript": "CoffeeScript", "gdscript": "GDScript", "hlsl": "HLSL", "ocaml": "OCaml",
    "php": "PHP", "powershell": "PowerShell", "purescript": "PureScript", "qml": "QML", "sas": "SAS", "vhdl": "VHDL",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Manifest:
    """A file that says which language a project is in: `weight` is 1 for a plain word, less for a hint."""

    language: str
    weight: float = 1.0


MANIFESTS: dict[str, Manifest] = {
    "pyproject.toml": Manifest(Language.PYTHON),
    "setup.py": Manifest(Language.PYTHON),
    "setup.cfg": Manifest(Language.PYTHON),
    "Pipfile": Manifest(Language.PYTHON),
    "requirements.txt": Manifest(Language.PYTHON, 0.7),
    "environment.yml": Manifest(Language.PYTHON, 0.5),
    "tox.ini": Manifest(Language.PYTHON, 0.5),
    "pom.xml": Manifest(Language.JAVA),
    "build.gradle": Manifest(Language.JAVA, 0.7),
    "build.gradle.kts": Manifest(Language.JAVA, 0.7),
    "CMakeLists.txt": Manifest(Language.CPP),
    "meson.build": Manifest(Language.CPP, 0.7),
    "configure.ac": Manifest(Language.CPP, 0.7),
    "conanfile.txt": Manifest(Language.CPP),
    "vcpkg.json": Manifest(Language.CPP),
    "Makefile": Manifest(Language.CPP, 0.2),
    "package.json": Manifest(Language.JAVASCRIPT),
    "tsconfig.json": Manifest(Language.JAVASCRIPT),
    "deno.json": Manifest(Language.JAVASCRIPT),
    "go.mod": Manifest("go"),
    "Cargo.toml": Manifest("rust"),
    "Gemfile": Manifest("ruby"),
    "composer.json": Manifest("php"),
    "Package.swift": Manifest("swift"),
    "pubspec.yaml": Manifest("dart"),
    "mix.exs": Manifest("elixir"),
    "build.sbt": Manifest("scala"),
    "stack.yaml": Manifest("haskell"),
    "build.zig": Manifest("zig"),
    "Project.toml": Manifest("julia"),
}

# A notebook's bytes are mostly output, so it counts as a hint and not in the shares.
MANIFEST_SUFFIXES: dict[str, Manifest] = {
    ".ipynb": Manifest(Language.PYTHON, 0.5),
    ".csproj": Manifest("c#"),
    ".fsproj": Manifest("f#"),
    ".gemspec": Manifest("ruby"),
}


def language_title(language: str) -> str:
    """The name of a language as its users write it."""
    return _TITLES.get(language) or language.title()


def manifest_of_name(name: str) -> Manifest | None:
    """What a file of this base name says about the project's language; None when it is no manifest."""
    if (manifest := MANIFESTS.get(name)) is not None:
        return manifest
    return MANIFEST_SUFFIXES.get(_suffix(name))


def language_of_name(name: str) -> str | None:
    """The programming language a base name stands for, lower case; None when it is none or the name does not tell."""
    suffix = _suffix(name)
    if suffix in _LANGUAGE_OF_SUFFIX:
        return _LANGUAGE_OF_SUFFIX[suffix]
    if name.endswith(".gradle.kts"):
        return None
    return _language_of_suffix(suffix) or _language_of_tags(tags_from_filename(name))


@functools.lru_cache(maxsize=1024)  # a project has many files and few endings
def _language_of_suffix(suffix: str) -> str | None:
    return _language_of_tags(tags_from_filename(f"x{suffix}"))


def _language_of_tags(tags: set[str]) -> str | None:
    for tag, outranked in _OUTRANKED.items():
        if tag in tags:
            tags = tags - outranked
    return next((_LANGUAGE_OF_TAG[tag] for tag in sorted(tags) if tag in _LANGUAGE_OF_TAG), None)


def may_be_script(name: str, mode: int) -> bool:
    """Whether a file has no telling name but may begin with a shebang; Windows has no executable bit to go by."""
    return "." not in name and bool(mode & stat.S_IXUSR or os.name == "nt")


def language_of_script(path: str) -> str | None:
    """The language of the interpreter a script's first line names; None without one.

    Raises:
        OSError: the file cannot be read.
    """
    with open(path, "rb") as script:  # noqa: PTH123
        shebang = parse_shebang(script)
    return _language_of_tags(tags_from_interpreter(shebang[0])) if shebang else None


def _suffix(name: str) -> str:
    stem, dot, ending = name.rpartition(".")
    return f".{ending.lower()}" if stem and dot else ""
