"""The definitions that the code at a cursor uses."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from assistant.context.definitions import used_definitions
from assistant.context.index import DefinitionIndex
from assistant.context.ranking import ranked
from assistant.context.scope import scope_at
from assistant.context.types import Chunk
from assistant.grammars import Grammar, grammar_of
from assistant.languages import Language

Find = Callable[[str, str, Language], list[Chunk]]


@pytest.fixture
def find(tmp_path: Path) -> Iterator[Find]:
    """Chunks for the mark in a file of the project, best first."""
    indexes = []

    def of(path: str, marked: str, language: Language) -> list[Chunk]:
        text, offset = marked.replace("|", ""), marked.index("|")
        index = DefinitionIndex(tmp_path)
        indexes.append(index)
        index.start(path)
        assert index.wait(60)
        grammar = grammar_of(path=Path(path))
        assert isinstance(grammar, Grammar)
        scope = scope_at(text, offset, grammar, path)
        return [candidate.chunk for candidate in ranked(used_definitions(scope, path, language, index))]

    yield of
    for index in indexes:
        index.close()


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def test_the_imported_one_of_several_of_a_name(find: Find, tmp_path: Path) -> None:
    write(tmp_path, {f"{part}/paint.py": f"def spray({part}): ...\n" for part in ("car", "wall", "can", "toy")})
    source = "from wall.paint import spray\n\ndef work():\n    spray(|"
    assert find("main.py", source, Language.PYTHON) == [Chunk("wall/paint.py", "def spray(wall):\n")]


def test_a_module_s_function_and_a_package_s_own_file(find: Find, tmp_path: Path) -> None:
    write(
        tmp_path,
        {"wall/paint.py": "def spray(wall): ...\n", "toy/paint.py": "def spray(toy): ...\n",
         "toy/__init__.py": "def play(): ...\n", "wall/other.py": "def play(no): ...\n"},
    )  # fmt: skip
    source = "import toy\nfrom wall import paint\n\ndef work():\n    toy.play()\n    paint.spray(|"
    assert find("main.py", source, Language.PYTHON) == [
        Chunk("wall/paint.py", "def spray(wall):\n"),
        Chunk("toy/__init__.py", "def play():\n"),
    ]


def test_what_is_used_goes_before_what_is_only_imported(find: Find, tmp_path: Path) -> None:
    write(tmp_path, {"parts.py": "def unused(): ...\ndef used(): ...\n"})
    source = "from parts import unused, used\n\ndef work():\n    used(|"
    assert [chunk.text for chunk in find("main.py", source, Language.PYTHON)] == ["def used():\n", "def unused():\n"]


def test_a_name_that_many_files_define_is_not_guessed(find: Find, tmp_path: Path) -> None:
    write(tmp_path, {f"part{number}.py": "def run(): ...\n" for number in range(5)})
    assert find("main.py", "def work():\n    run(|", Language.PYTHON) == []


def test_java_by_the_imported_class(find: Find, tmp_path: Path) -> None:
    write(tmp_path, {"draw/Shape.java": "package draw;\nclass Shape {\n  int area(int w) { return w; }\n}\n"})
    source = "import draw.Shape;\nclass Main {\n  void run(Shape shape) {\n    shape.area(|\n  }\n}\n"
    assert Chunk("draw/Shape.java", "class Shape\n  int area(int w)\n") in find("Main.java", source, Language.JAVA)


def test_cpp_by_the_included_header(find: Find, tmp_path: Path) -> None:
    write(tmp_path, {"draw/shape.hpp": "#pragma once\nint area(int width, int height);\n"})
    source = '#include "draw/shape.hpp"\nint main() {\n  return area(|);\n}\n'
    expected = Chunk("draw/shape.hpp", "int area(int width, int height);\n")
    assert expected in find("app/main.cpp", source, Language.CPP)


def test_typescript_by_the_imported_folder(find: Find, tmp_path: Path) -> None:
    write(tmp_path, {"draw/index.js": "export function area(width, height) { return width * height; }\n"})
    source = 'import { area } from "../draw";\nfunction run() {\n  area(|);\n}\n'
    expected = Chunk("draw/index.js", "export function area(width, height)\n")
    assert expected in find("app/main.ts", source, Language.JAVASCRIPT)
