"""Where code of a language lies on a machine: only places that exist, none of them required."""

import os
import shutil
import sysconfig
import zipfile
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

from assistant.corpus.volumes import Folder, Volume, ZipArchive
from assistant.languages import Language

_ADVICE = {
    Language.PYTHON: "install a few Python packages beside sned",
    Language.JAVA: "install a JDK with its sources (`src.zip`; on Debian the package openjdk-17-source)",
    Language.CPP: "install a C++ compiler with its headers (on Debian the package g++)",
    Language.JAVASCRIPT: "install the project's packages (npm install)",
}

# Tests, caches, and what other volumes cover.
_WITHOUT = frozenset(
    {
        ".git", "__pycache__", "__tests__", "dist-packages", "idle_test", "site-packages", "test", "testing", "tests",
    }
)  # fmt: skip

_JDK_PLACES = (
    "/usr/lib/jvm/*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
    "/usr/local/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
    "~/.sdkman/candidates/java/*",
    "~/.jdks/*",
    "C:/Program Files/Java/*",
    "C:/Program Files/Eclipse Adoptium/*",
)
_SOURCE_JARS = ("~/.m2/repository", "~/.gradle/caches/modules-2/files-2.1")

_HEADER_PLACES = (
    "/usr/include",
    "/usr/local/include",
    "/usr/lib/gcc/*/*/include",
    "/usr/lib/llvm-*/lib/clang/*/include",
    "/opt/homebrew/include",
    "/Library/Developer/CommandLineTools/SDKs/MacOSX.sdk/usr/include",
    "C:/Program Files (x86)/Windows Kits/10/Include/*",
    "C:/Program Files/Microsoft Visual Studio/*/*/VC/Tools/MSVC/*/include",
)
_CPP_LIBRARY_PLACES = (
    "/usr/include/c++/*",
    "/Library/Developer/CommandLineTools/SDKs/MacOSX.sdk/usr/include/c++/v1",
)
# Variables that compilers take header folders from.
_HEADER_VARIABLES = ("CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "INCLUDE")


def corpus_advice(language: Language) -> str:
    """What to install where a language has no corpus, or too small a one; the beginning of a sentence."""
    return _ADVICE[language]


def machine_volumes(language: Language, project: Path | None) -> list[Volume]:
    """The places on this machine, and beside `project`, that hold code of `language`; none when there are none."""
    finders: dict[Language, Callable[[Path | None], Iterable[Volume]]] = {
        Language.PYTHON: _python,
        Language.JAVA: _java,
        Language.CPP: _cpp,
        Language.JAVASCRIPT: _javascript,
    }
    return list(finders[language](project))


def _python(project: Path | None) -> Iterator[Volume]:
    for root in _folders([sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]):
        yield Folder("Python standard library", root, _is_python_source, _WITHOUT)
    for root in _folders([*_package_folders(), *_environment_folders(project)]):
        yield Folder("installed Python packages", root, _is_python_source, _WITHOUT)


def _package_folders() -> list[str]:
    return [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]


def _environment_folders(project: Path | None) -> Iterator[Path]:
    """The package folders of virtual environments inside the project."""
    if project is None or not project.is_dir():
        return
    for environment in (project / ".venv", project / "venv"):
        if (environment / "pyvenv.cfg").is_file():
            yield from environment.glob("lib/python3*/site-packages")
            yield environment / "Lib" / "site-packages"


def _java(project: Path | None) -> Iterator[Volume]:
    # Of several JDKs one is taken: most of their text is the same.
    if (sources := next(_jdk_sources(), None)) is not None:
        yield ZipArchive("JDK sources", sources, _is_java_source)
    for jar in chain.from_iterable(root.rglob("*-sources.jar") for root in _folders(_SOURCE_JARS)):
        if zipfile.is_zipfile(jar):  # interrupted downloads are common there
            yield ZipArchive("Java source jars", jar, _ends_with(Language.JAVA), label=f"{jar.name}/")


def _jdk_sources() -> Iterator[Path]:
    homes = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    homes += sorted(chain.from_iterable(map(_expand, _JDK_PLACES)), reverse=True)
    for home in homes:
        for sources in (home / "lib" / "src.zip", home / "src.zip"):
            if sources.is_file() and zipfile.is_zipfile(sources):
                yield sources


def _cpp(project: Path | None) -> Iterator[Volume]:
    wanted = _ends_with(Language.CPP)
    for root in _folders(chain.from_iterable(map(_expand, _CPP_LIBRARY_PLACES))):
        yield Folder("C++ standard library", root, _is_cpp_library_header)
    named = [folder for name in _HEADER_VARIABLES for folder in os.environ.get(name, "").split(os.pathsep) if folder]
    for root in _folders([*chain.from_iterable(map(_expand, _HEADER_PLACES)), *named]):
        yield Folder("system headers", root, wanted, _WITHOUT | {"c++"})
    for root in _folders(folder for folder in _expand("/usr/src/*") if not folder.name.startswith("linux-headers")):
        yield Folder("system sources", root, wanted, _WITHOUT)
    for root in _folders([*_package_folders(), *_environment_folders(project)]):
        yield Folder("C++ in installed Python packages", root, wanted, _WITHOUT)


def _javascript(project: Path | None) -> Iterator[Volume]:
    if project is not None:
        for root in _folders([project / "node_modules"]):
            yield Folder("the project's node_modules", root, _is_javascript_source, _WITHOUT)
    places = [
        "/usr/lib/node_modules",
        "/usr/local/lib/node_modules",
        "/usr/share/nodejs",
        "/opt/homebrew/lib/node_modules",
    ]
    if (node := shutil.which("node")) is not None:
        binary = Path(node).resolve().parent
        places += [str(binary.parent / "lib" / "node_modules"), str(binary / "node_modules")]
    places += [folder for folder in os.environ.get("NODE_PATH", "").split(os.pathsep) if folder]
    for root in _folders(places):
        yield Folder("global node_modules", root, _is_javascript_source, _WITHOUT)


def _ends_with(language: Language) -> Callable[[str], bool]:
    return lambda name: name.lower().endswith(language.suffixes)


def _is_python_source(name: str) -> bool:
    return name.endswith(".py")  # stubs (.pyi) hold no code


def _is_java_source(name: str) -> bool:
    return name.endswith(".java") and "/resources/" not in name  # a JDK's resources are tables of translations


def _is_javascript_source(name: str) -> bool:
    """Declarations are left out: they are most of the files in `node_modules` and hold no code."""
    return name.endswith(Language.JAVASCRIPT.suffixes) and not name.endswith((".d.ts", ".d.mts", ".d.cts"))


def _is_cpp_library_header(name: str) -> bool:
    """Its headers have no ending (`vector`), or one of a few."""
    return "." not in name.rpartition("/")[2] or name.endswith((".h", ".hpp", ".tcc"))


def _folders(places: Iterable[Path | str]) -> Iterator[Path]:
    """Those of `places` that are folders, each once, whatever names lead to it."""
    seen = set()
    for place in places:
        folder = Path(place).expanduser().resolve()
        if folder not in seen and folder.is_dir():
            seen.add(folder)
            yield folder


def _expand(pattern: str) -> list[Path]:
    """The paths that a pattern with `*` and `~` stands for, sorted."""
    path = Path(pattern).expanduser()
    anchor = Path(path.anchor)
    return sorted(anchor.glob(str(path.relative_to(anchor)))) if path.is_absolute() else []
