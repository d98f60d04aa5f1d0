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

    What the prompt has in front of the function comes first, unless the code has it again.
    """
    return _IMPORTS[task.language] + _TESTED[task.language](
        _WHOLE[task.language](task.prompt, code), task.test, verdict
    )


def infilling_program(task: InfillingTask, middle: str, verdict: str) -> str:
    """The program of an infilling task with this in the middle."""
    tests = f"{task.test}\ncheck({task.entry_point})\n"
    return _python(task.prompt + middle + task.suffix, tests, verdict)


def _whole_python(prompt: str, code: str) -> str:
    starts = [match.start() for match in re.finditer(r"^(?:def|class) ", prompt, flags=re.MULTILINE)]
    return (prompt[: starts[-1]] if starts else "") + code


def _whole_java(prompt: str, code: str) -> str:
    imports = "".join(re.findall(r"^import [^\n]*\n", prompt, flags=re.MULTILINE))
    if re.search(r"\bclass\s+Solution\b", code):
        # A public class would have to be in a file of its name.
        return imports + re.sub(r"\bpublic\s+(?=(?:final\s+)?class\s)", "", code)
    own = re.findall(r"^import [^\n]*\n", code, flags=re.MULTILINE)
    rest = re.sub(r"^import [^\n]*\n", "", code, flags=re.MULTILINE)
    return f"{imports}{''.join(own)}class Solution {{\n{rest}\n}}\n"


def _whole_cpp(prompt: str, code: str) -> str:
    # An example's `main` beside the tests' own.
    return _head(prompt, code, r"^(?:#include|using )[^\n]*\n") + re.sub(r"\bmain(?=\s*\()", "example_main", code)


def _whole_javascript(prompt: str, code: str) -> str:
    return _head(prompt, code, r"^[^\n]*\brequire\([^\n]*\n") + code


def _head(prompt: str, code: str, always: str) -> str:
    """What a prompt has above the line that begins the function: only lines like `always` if the code has it again."""
    head = prompt.rstrip().rpartition("\n")[0] + "\n"
    plain = re.sub(r"/\*.*?\*/|//[^\n]*", "", head, flags=re.DOTALL)
    defined = re.findall(r"(\w+)\s*\([^()]*\)\s*\{|(?:const|let|var|function|struct|class)\s+(\w+)", plain)
    names = {name for pair in defined for name in pair if name and name not in {"if", "for", "while", "switch"}}
    if any(re.search(rf"(?:[\w>&*\]]\s+|\*|&){name}\b\s*(?:\([^()]*\)\s*\{{|=|\{{)", code) for name in names):
        return "".join(re.findall(always, head, flags=re.MULTILINE))
    return plain


_WHOLE = {
    Language.PYTHON: _whole_python,
    Language.JAVA: _whole_java,
    Language.CPP: _whole_cpp,
    Language.JAVASCRIPT: _whole_javascript,
}


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
