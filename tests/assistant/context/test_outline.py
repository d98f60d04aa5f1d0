"""Definitions in files of each language."""

import pytest

from assistant.context.outline import outline
from assistant.grammars import Grammar

PYTHON = '''import os
LIMIT = 3

@cache
def area(width: int,
         height: int) -> int:
    """How large it is.

    A long story.
    """
    def inner(): ...
    return width * height

class Shape(Base):
    """Something drawn."""
    name: str = ""

    @property
    def size(self) -> int:
        """Its size."""
        return 1
'''

CPP = """#ifndef A_H
#define A_H
namespace draw {
// Something
// drawn.
template <class T>
struct Shape : Base {
  int sides;
  int size() const { return 1; }
  int& at(int i);
};
}
int draw::area(int width, int height) { return width * height; }
char *name(void);
enum Colour { RED, BLUE };
#define TWICE(x) ((x) * 2)
#endif
"""

JAVA = """package draw;
/** Something drawn.
 *
 * A
 * long
 * story.
 */
@Deprecated
public class Shape extends Base {
  private int sides;
  Shape(int sides) { this.sides = sides; }
  @Override public int size() { return 1; }
}
enum Colour { RED, BLUE }
record Point(int x, int y) {}
"""

TYPESCRIPT = """import { x } from "./x";
export const area = (width: number, height: number): number => { return width * height; };
/** Something drawn. */
export default class Shape extends Base {
  sides = 3;
  size(): number { return 1; }
}
interface Named { name: string; rename(to: string): void }
type Pair = [number, number];
namespace Draw { export function line(): void {} }
enum Colour { Red, Blue = 2 }
exports.twice = function (n) { return n * 2; };
"""


def texts(source: str, grammar: Grammar) -> dict[str, str]:
    return {definition.name: definition.text for definition in outline(source, grammar)}


def test_python() -> None:
    found = texts(PYTHON, Grammar.PYTHON)
    assert list(found) == ["LIMIT", "area", "Shape", "size"]
    assert found["LIMIT"] == "LIMIT = 3"
    assert found["area"] == ('@cache\ndef area(width: int,\n         height: int) -> int:\n    """How large it is."""')
    assert found["Shape"] == (
        'class Shape(Base):\n    """Something drawn."""\n    name: str = ""\n    @property\n    def size(self) -> int:'
    )
    assert found["size"] == 'class Shape(Base):\n    @property\n    def size(self) -> int:\n        """Its size."""'


def test_cpp() -> None:
    found = texts(CPP, Grammar.CPP)
    assert set(found) == {"A_H", "Shape", "size", "at", "area", "name", "Colour", "TWICE"}
    assert found["Shape"] == (
        "// Something\n// drawn.\ntemplate <class T>\nstruct Shape : Base\n  int sides;\n  int size() const\n"
        "  int& at(int i);"
    )
    assert found["area"] == "int draw::area(int width, int height)"
    assert found["at"].endswith("struct Shape : Base\n  int& at(int i);")
    assert found["Colour"] == "enum Colour\nRED\nBLUE"


def test_java() -> None:
    found = texts(JAVA, Grammar.JAVA)
    assert set(found) == {"Shape", "size", "Colour", "Point"}
    assert found["size"].endswith("public class Shape extends Base\n  @Override public int size()")
    assert found["Colour"] == "enum Colour\nRED\nBLUE"
    (shape, *_) = outline(JAVA, Grammar.JAVA)
    assert shape.text == (
        "/** Something drawn.\n *\n * A\n * long\n */\n@Deprecated\npublic class Shape extends Base\n"
        "  private int sides;\n  Shape(int sides)\n  @Override public int size()"
    )


def test_typescript() -> None:
    found = texts(TYPESCRIPT, Grammar.TYPESCRIPT)
    assert set(found) == {"area", "Shape", "size", "Named", "rename", "Pair", "line", "Colour", "twice"}
    assert found["area"] == "export const area = (width: number, height: number): number =>"
    assert found["Shape"].startswith("/** Something drawn. */\nexport default class Shape extends Base\n  sides = 3")
    assert found["Named"] == "interface Named\nname: string\nrename(to: string): void"
    assert found["Colour"] == "enum Colour\nRed\nBlue = 2"


@pytest.mark.parametrize("grammar", Grammar)
def test_what_does_not_parse_does_no_harm(grammar: Grammar) -> None:
    for source in ("", "\0\udc80", "class", "def f(", "}}}} class A { void f(", "a" * 100_000, "{" * 20_000):
        outline(source, grammar)


def test_bodies_are_left_out_and_texts_stay_short() -> None:
    members = "".join(f"    def method_{number}(self):\n        return {number}\n" for number in range(500))
    (found, *_) = outline(f"class Large:\n{members}", Grammar.PYTHON)
    assert found.text.count("\n") < 30
    assert "return" not in found.text


def test_a_file_of_many_pieces_reads_as_one() -> None:
    source = "".join(f"def name_{number}(é):\n    return '{'é' * 40}'\n" for number in range(400))
    assert [found.name for found in outline(source, Grammar.PYTHON)] == [f"name_{number}" for number in range(400)]
