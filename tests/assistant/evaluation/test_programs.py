"""From what a model wrote to a verdict, in each language that this machine has a toolchain for."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from assistant.errors import UsageError
from assistant.evaluation.checking import check_solutions
from assistant.evaluation.judging import Judgement, Outcome, judge
from assistant.evaluation.programs import function_program, infilling_program, whole_program
from assistant.evaluation.prompts import code_of, function_name, is_answered, question
from assistant.evaluation.sandbox.limits import Limits
from assistant.evaluation.sandbox.sandbox import Sandbox
from assistant.evaluation.tasks import FunctionTask, InfillingTask, read_tasks
from assistant.evaluation.toolchains import Toolchain, bounded, find_toolchain
from assistant.evaluation.truncation import body_end, finished_body, goes_in_circles
from assistant.languages import Language

TASKS = {
    ".py": FunctionTask(
        task_id="Python/0",
        prompt='def one():\n    return 1\n\n\ndef add(a: int, b: int) -> int:\n    """ Adds. """\n',
        canonical_solution="    return a + b\n",
        test="def check(add):\n    assert add(1, 2) == 3\n\ncheck(add)\n",
    ),
    ".java": FunctionTask(
        task_id="Java/0",
        prompt="import java.util.*;\n\nclass Solution {\n    /** Adds. */\n    public int add(int a, int b) {\n",
        canonical_solution="        return a + b;\n    }\n}",
        test="public class Main {\n    public static void main(String[] args) {\n"
        "        if (new Solution().add(1, 2) != 3) throw new AssertionError();\n    }\n}\n",
    ),
    ".cpp": FunctionTask(
        task_id="CPP/0",
        prompt="/* Adds. */\n#include<vector>\nusing namespace std;\nint add(int a, int b){\n",
        canonical_solution="    return a + b;\n}\n",
        test="#undef NDEBUG\n#include<assert.h>\nint main(){\n    assert (add(1, 2) == 3);\n}\n",
    ),
    ".js": FunctionTask(
        task_id="JavaScript/0",
        prompt="/* Adds. */\nconst add = (a, b) => {\n",
        canonical_solution="  return a + b;\n}\n",
        test="const testAdd = () => {\n  console.assert(add(1, 2) === 3)\n}\n\ntestAdd()\n",
    ),
}
EXITS = {
    ".py": "    raise SystemExit(0)\n",
    ".java": "        System.exit(0); return 3;\n    }\n}",
    ".cpp": "    exit(0);\n}\n",
    ".js": "  process.exit(0);\n}\n",
}
LOOPS = {
    ".py": "    while True: pass\n",
    ".java": "        while (a > 0); return 3;\n    }\n}",
    ".cpp": "    for (volatile int i = 0;; ++i);\n}\n",
    ".js": "  for (;;);\n}\n",
}


def task_of(toolchain: Toolchain) -> FunctionTask:
    return TASKS[Path(toolchain.file).suffix]


def judged(sandbox: Sandbox, toolchain: Toolchain, body: str) -> Judgement:
    task, shut_in = task_of(toolchain), replace(sandbox, tools=toolchain.folders)
    return judge(shut_in, toolchain, lambda verdict: function_program(task, body, verdict))


def test_a_body_passes_or_is_told_why_not(sandbox: Sandbox, toolchain: Toolchain) -> None:
    solution = task_of(toolchain).canonical_solution
    assert judged(sandbox, toolchain, solution).passed
    wrong = judged(sandbox, toolchain, solution.replace("a + b", "a - b"))
    assert wrong.outcome in {Outcome.WRONG, Outcome.CRASHED}
    assert "ssert" in wrong.reason
    # Leaving early would be a status of 0.
    assert not judged(sandbox, toolchain, EXITS[Path(toolchain.file).suffix]).passed


def test_a_body_that_does_not_end_is_stopped(sandbox: Sandbox, toolchain: Toolchain) -> None:
    short = bounded(toolchain, Limits(cpu_seconds=1, seconds=20.0))
    assert judged(sandbox, short, LOOPS[Path(toolchain.file).suffix]).outcome in {Outcome.CPU, Outcome.TIME}


def test_an_answer_with_the_whole_function_passes(sandbox: Sandbox, toolchain: Toolchain) -> None:
    task, shut_in = task_of(toolchain), replace(sandbox, tools=toolchain.folders)
    name = function_name(task)
    assert name == "add"
    answer = f"Here it is:\n\n```\n{task.prompt}{task.canonical_solution}\n```\nIt adds."
    assert is_answered(answer, name)
    code = code_of(answer, name)
    assert judge(shut_in, toolchain, lambda verdict: whole_program(task, code, verdict)).passed


def test_an_answer_with_less_than_the_prompt_passes() -> None:
    java = TASKS[".java"]
    method = "    public int add(int a, int b) {\n        return a + b;\n    }\n"
    assert "class Solution {\n" in whole_program(java, method, "v")
    assert whole_program(java, f"public class Solution {{\n{method}}}", "v").count("public class") == 1
    cpp = TASKS[".cpp"]
    program = whole_program(cpp, "int add(int a, int b) { return a + b; }\nint main() { return 1; }", "v")
    assert program.count("int main(") == 1
    assert "using namespace std;" in program


def test_errors_of_compilers_are_told(sandbox: Sandbox) -> None:
    toolchain = find_toolchain(Language.CPP)
    if not isinstance(toolchain, Toolchain):
        pytest.skip(toolchain.reason)
    found = judged(sandbox, toolchain, "    return nothing;\n}\n")
    assert found.outcome is Outcome.NOT_COMPILED
    assert "nothing" in found.reason


def test_infilling_is_run_with_its_tests(sandbox: Sandbox) -> None:
    task = InfillingTask(
        task_id="SingleLineInfilling/x/L0",
        entry_point="add",
        prompt="def add(a, b):\n",
        suffix="    return c\n",
        canonical_solution="    c = a + b\n",
        test="def check(candidate):\n    assert candidate(1, 2) == 3\n",
    )
    toolchain = find_toolchain(Language.PYTHON)
    assert isinstance(toolchain, Toolchain)
    assert judge(sandbox, toolchain, lambda verdict: infilling_program(task, "    c = a + b\n", verdict)).passed
    assert not judge(sandbox, toolchain, lambda verdict: infilling_program(task, "    c = a\n", verdict)).passed


def test_the_check_names_solutions_that_fail(sandbox: Sandbox, tmp_path: Path) -> None:
    right = TASKS[".py"]
    wrong = right.model_copy(update={"task_id": "Python/1", "canonical_solution": "    return a\n"})
    path = tmp_path / "tasks.jsonl"
    path.write_text(f"{right.model_dump_json()}\n\n{wrong.model_dump_json()}\n")
    toolchain = find_toolchain(Language.PYTHON)
    assert isinstance(toolchain, Toolchain)
    heard: list[tuple[int, int]] = []
    found = check_solutions(
        read_tasks(path, FunctionTask), sandbox, toolchain, 2, lambda done, of: heard.append((done, of))
    )
    assert [(task, each.passed) for task, each in found.items()] == [("Python/0", True), ("Python/1", False)]
    assert heard == [(0, 2), (1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no tasks"),
        ("{}\n", r"Line 1 of .* is not a task \(task_id"),
        ("\n[1]\n", "Line 2"),
        ("nonsense\n", "Line 1"),
        (f"{TASKS['.py'].model_dump_json()}\n" * 2, "2 times"),
    ],
)
def test_files_that_hold_no_tasks_are_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "tasks.jsonl").write_text(content)
    with pytest.raises(UsageError, match=message):
        read_tasks(tmp_path / "tasks.jsonl", FunctionTask)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_tasks(tmp_path / "none.jsonl", FunctionTask)


def test_the_language_is_told_by_the_name() -> None:
    assert [task.language for task in TASKS.values()] == [
        Language.PYTHON,
        Language.JAVA,
        Language.CPP,
        Language.JAVASCRIPT,
    ]
    assert TASKS[".py"].model_copy(update={"task_id": "HumanEval/3"}).language is Language.PYTHON


@pytest.mark.parametrize(
    ("text", "language", "body"),
    [
        ("    return 1\n\n\ndef other():\n", Language.PYTHON, "    return 1\n\n\n"),
        ("    return 1\n# Tests\nprint(f())", Language.PYTHON, "    return 1\n# Tests\n"),
        ('    x = """\nat\n"""\n    return x\nprint()', Language.PYTHON, '    x = """\nat\n"""\n    return x\n'),
        ("    return f(\n        1\n)\nprint()", Language.PYTHON, "    return f(\n        1\n)\n"),
        ("  if (a) { return '}'; }\n}\nint main() {", Language.CPP, "  if (a) { return '}'; }\n}"),
        ("  // }\n  return `}${a}`;\n}\nf()", Language.JAVASCRIPT, "  // }\n  return `}${a}`;\n}"),
        ("  /* } */ return \"\\\"}\";\n}\nx", Language.CPP, "  /* } */ return \"\\\"}\";\n}"),
        ("  f();\n    }\n    int g() { h(); }\n}\nclass", Language.JAVA, "  f();\n    }\n    int g() { h(); }\n}"),
    ],
)  # fmt: skip
def test_a_body_ends_where_the_function_does(text: str, language: Language, body: str) -> None:
    end = body_end(text, language)
    assert end is not None
    assert text[:end] == body
    assert finished_body(text, language) == body
    assert body_end(body.rstrip().rstrip("}"), language) is None


@pytest.mark.parametrize("stretch", ["a", "x = 1\n", "    if n == 1:\n        return 1\n" * 3])
def test_a_text_that_repeats_itself_to_its_end_goes_in_circles(stretch: str) -> None:
    circle = "    n = f(n)\n" + stretch * (400 // len(stretch) + 3)
    assert goes_in_circles(circle)
    assert not goes_in_circles(circle + "    return n\n")
    assert not goes_in_circles("    n = f(n)\n" + stretch * 2)


def test_lines_that_are_alike_are_no_circle() -> None:
    assert not goes_in_circles("".join(f"    if (n == {number}) return {7 * number};\n" for number in range(40)))
    assert not goes_in_circles("")


def test_a_java_class_that_was_cut_off_is_closed_after_its_last_method() -> None:
    text = "  return 1;\n    }\n    int g() { return 2; }\n    int h() { ret"
    assert finished_body(text, Language.JAVA) == "  return 1;\n    }\n    int g() { return 2; }\n}\n"
    assert finished_body("  return 1", Language.JAVA) == "  return 1"


def test_an_answer_is_enough_once_its_fence_is_closed() -> None:
    assert not is_answered("```python\ndef add(a, b):\n    return a + b\n", "add")
    assert is_answered("```python\ndef add(a, b):\n    return a + b\n```", "add")
    assert not is_answered("```\npip install x\n```\nand then", "add")
    assert code_of("```\npip install x\n```\n```python\ndef add(): ...\n", "add") == "def add(): ...\n"
    assert code_of("def add(): ...", "add") == "def add(): ..."


def test_a_chat_is_asked_for_the_function_in_its_language() -> None:
    asked = question(TASKS[".java"])
    assert "Java function" in asked
    assert "```java\nimport java.util.*;" in asked
    assert json.dumps(asked)
