"""Whole programs from a task and what was written for it: what to run to see whether it is right."""

import re

from assistant.evaluation.tasks import FunctionTask, InfillingTask
from assistant.languages import Language

# What HumanEval-X's own harness puts in front (Zheng et al., arXiv 2303.17568), but for numpy: a body that calls
# `math.sqrt` without an import counts as right.
_IMPORTS = {
    Language.PYTHON: (
        "import math, re, sys, copy, datetime, itertools, collections, heapq, statistics, functools, hashlib, string\n"
        "from typing import *\n"
        "from collections import *\n"
    ),
    Language.JAVA: "",
    Language.CPP: "".join(
        f"#include<{name}>\n"
        for name in ("stdlib.h", "algorithm", "cmath", "stdio.h", "vector", "string", "climits", "cstring", "iostream")
    ),
    # An assertion that fails is to end the program; node only writes a line.
    Language.JAVASCRIPT: 'console.assert = (right) => { if (!right) throw new Error("assertion failed"); };\n',
}


def function_program(task: FunctionTask, body: str, verdict: str) -> str:
    """The program of a task whose function has this body; it writes `verdict` once all tests are through.

    The status alone would not tell: `exit(0)` in a body ends the tests, too.
    """
    return _IMPORTS[task.language] + _TESTED[task.language](task.prompt + body, task.test, verdict)


def whole_program(task: FunctionTask, code: str, verdict: str) -> str:
    """The program of a task with code that has the whole function, as chat models write it.

    What the prompt has in front of the function comes first: imports, and functions that it gives.
    """
    if task.language is Language.PYTHON:
        code = _stub(task.prompt) + code
    return _IMPORTS[task.language] + _TESTED[task.language](code, task.test, verdict)


def infilling_program(task: InfillingTask, middle: str, verdict: str) -> str:
    """The program of an infilling task with this in the middle."""
    tests = f"{task.test}\ncheck({task.entry_point})\n"
    return _python(task.prompt + middle + task.suffix, tests, verdict)


def _stub(prompt: str) -> str:
    """What stands in front of a Python prompt's last function."""
    starts = [match.start() for match in re.finditer(r"^(?:def|class) ", prompt, flags=re.MULTILINE)]
    return prompt[: starts[-1]] if starts else ""


def _python(code: str, test: str, verdict: str) -> str:
    return f'{code}\n{test}\n__import__("sys").stdout.write("\\n{verdict}\\n")\n'


def _java(code: str, test: str, verdict: str) -> str:
    runner = (
        "class Verdict {\n    public static void main(String[] words) throws Throwable {\n"
        f'        Main.main(words);\n        System.out.println("\\n{verdict}");\n    }}\n}}\n'
    )
    return f"{code}\n{test}\n{runner}"


def _cpp(code: str, test: str, verdict: str) -> str:
    """`main` is the test's: the verdict goes in front of its end."""
    says = f'    std::puts("\\n{verdict}");\n'
    end = re.search(r"(?:return\s+0\s*;\s*)?\}\s*\Z", test)
    tested = test if end is None else f"{test[: end.start()]}{says}{test[end.start() :]}"
    return f"#include<cstdio>\n{code}\n{tested}"


def _javascript(code: str, test: str, verdict: str) -> str:
    return f'{code}\n{test}\nprocess.stdout.write("\\n{verdict}\\n");\n'


_TESTED = {
    Language.PYTHON: _python,
    Language.JAVA: _java,
    Language.CPP: _cpp,
    Language.JAVASCRIPT: _javascript,
}
