"""What the code at a cursor uses."""

import pytest

from assistant.context.scope import Import, scope_at
from assistant.grammars import Grammar

PYTHON = """from .parts import Wheel as W, Door
import tools.paint as paint

def earlier():
    unrelated()

def build(engine: Engine):
    wheel = W(4)
    paint.spray(|wheel)
"""


def at_mark(text: str) -> tuple[str, int]:
    return text.replace("|", ""), text.index("|")


def test_names_of_the_function_nearest_first_then_its_signature() -> None:
    scope = scope_at(*at_mark(PYTHON), Grammar.PYTHON, "car/factory.py")
    assert scope.names[:2] == ("spray", "paint")
    assert "Engine" in scope.names
    assert "unrelated" not in scope.names


@pytest.mark.parametrize(
    ("source", "grammar", "expected"),
    [
        (PYTHON, Grammar.PYTHON, Import(("car/parts", "car/parts/Wheel", "car/parts/Door"), ("Wheel", "Door"))),
        (PYTHON, Grammar.PYTHON, Import(("tools/paint",))),
        ("from .. import up\n|", Grammar.PYTHON, Import(("", "up"), ("up",))),
        ("from . import beside\n|", Grammar.PYTHON, Import(("car", "car/beside"), ("beside",))),
        ('#include "parts/wheel.h"\n|', Grammar.CPP, Import(("car/parts/wheel", "parts/wheel"))),
        ("import a.b.Wheel;\n|", Grammar.JAVA, Import(("a/b/Wheel", "a/b"), ("Wheel",))),
        (
            'import { a as b, Wheel } from "../parts.js";\n|',
            Grammar.JAVASCRIPT,
            Import(("parts",), ("a", "b", "Wheel")),
        ),
        ('const { Wheel } = require("./parts");\n|', Grammar.JAVASCRIPT, Import(("car/parts",), ("Wheel",))),
        ('import type { Wheel } from "./parts";\n|', Grammar.TYPESCRIPT, Import(("car/parts",), ("Wheel",))),
    ],
)
def test_imports(source: str, grammar: Grammar, expected: Import) -> None:
    assert expected in scope_at(*at_mark(source), grammar, "car/factory.x").imports


def test_imports_are_found_from_the_end_of_a_large_document() -> None:
    text = "from parts import Wheel\n" + "value = 1\n" * 200_000 + "wheel = Wheel("
    scope = scope_at(text, len(text), Grammar.PYTHON, "car.py")
    assert scope.names[0] == "Wheel"
    assert scope.imports[0].names == ("Wheel",)


@pytest.mark.parametrize("grammar", Grammar)
@pytest.mark.parametrize("text", ["", "x" * 100_000, "é\udc80(", 'import "', "from . import", "require("])
def test_half_written_code_does_no_harm(grammar: Grammar, text: str) -> None:
    for offset in (0, len(text) // 2, len(text)):
        scope_at(text, offset, grammar, "")
