"""How results are kept, gone on from, compared and shown; the engine is a scripted one."""

import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from assistant.corpus import Document
from assistant.engine.cancellation import Cancellation
from assistant.engine.tokenizer import open_tokenizer
from assistant.errors import EvaluationError, UsageError
from assistant.evaluation import page as page_module
from assistant.evaluation.comparing import report
from assistant.evaluation.cost import CostMeasurement
from assistant.evaluation.functions import Asking, FunctionMeasurement, FunctionOptions
from assistant.evaluation.gap_by_gap import Gap
from assistant.evaluation.gaps import GapMeasurement, Order, first_line
from assistant.evaluation.journal import Journal
from assistant.evaluation.measurement import Measured, Measurement, OpenedModel, Plan, Subject, measure
from assistant.evaluation.own_code import digest_of, masked, own_documents
from assistant.evaluation.page import page
from assistant.evaluation.predicting import PredictionMeasurement
from assistant.evaluation.recording import record_quality
from assistant.evaluation.sandbox.sandbox import Sandbox
from assistant.evaluation.tasks import FunctionTask, read_tasks
from assistant.evaluation.toolchains import Toolchain, find_toolchain
from assistant.evaluation.typing_measurement import TypingMeasurement
from assistant.languages import Language
from assistant.manifest import PERPLEXITY_RATIO
from assistant.quality import add_quality, read_quality
from assistant.selection import Selection
from tests.assistant.evaluation.scripted import ScriptedEngine
from tests.assistant.evaluation.test_programs import TASKS

RIGHT = "    return a + b\n\nprint('done')\n"


def subject(name: str) -> Subject:
    return Subject(Selection(Path(f"{name}.gguf"), name), sha256(name.encode()).hexdigest(), 1_000_000)


def run(name: str, measurement: Measurement, folder: Path, engine: ScriptedEngine, *, again: bool = False) -> Measured:
    plan = Plan([measurement], folder, again)
    return measure(subject(name), plan, lambda: engine, lambda label, done, of: None, Cancellation())


@pytest.fixture
def functions(tmp_path: Path, sandbox: Sandbox) -> Callable[..., FunctionMeasurement]:
    """Makes a measurement of two tasks whose right answers are the same."""
    first = TASKS[".py"]
    path = tmp_path / "tasks.jsonl"
    second = first.model_copy(update={"task_id": "Python/2", "prompt": first.prompt.replace("Adds", "Sums")})
    path.write_text(f"{first.model_dump_json()}\n{second.model_dump_json()}\n")
    toolchain = find_toolchain(Language.PYTHON)
    assert isinstance(toolchain, Toolchain)

    def make(options: FunctionOptions | None = None) -> FunctionMeasurement:
        return FunctionMeasurement(read_tasks(path, FunctionTask), options or FunctionOptions(), sandbox, toolchain)

    return make


def test_functions_are_written_judged_and_not_written_again(
    functions: Callable[..., FunctionMeasurement], tmp_path: Path
) -> None:
    engine = ScriptedEngine(lambda prompt: RIGHT if "Adds" in prompt else "    return a - b\n")
    measured = run("a", functions(), tmp_path / "kept", engine)
    assert measured.summaries["tasks, completion"]["pass@1"] == 0.5
    assert measured.summaries["tasks, completion"]["outcomes"] == {"passed": 1, "wrong": 1}
    assert measured.scores["tasks, completion"] == {"pass@1": {"Python/0": 1.0, "Python/2": 0.0}}
    assert engine.closed
    silent = ScriptedEngine(lambda prompt: pytest.fail("it was asked again"))
    assert run("a", functions(), tmp_path / "kept", silent).summaries == measured.summaries
    assert len(engine.asked) == 2
    anew = ScriptedEngine(lambda prompt: RIGHT)
    assert run("a", functions(), tmp_path / "kept", anew, again=True).summaries["tasks, completion"]["pass@1"] == 1.0


@pytest.mark.parametrize(
    ("asking", "answer", "kept"),
    [
        (Asking.COMPLETION, RIGHT + "and more", "    return a + b\n\np"),
        (Asking.COMPLETION, "    a = b\n" * 400, "    a = b\n" * 31),
        (
            Asking.CHAT,
            "```\ndef add(a, b):\n    return a + b\n```\nIt adds.",
            "```\ndef add(a, b):\n    return a + b\n```",
        ),
        (Asking.CHAT, "Well. " * 400, "Well. " * 51),
    ],
)
def test_writing_ends_where_nothing_more_can_count(
    functions: Callable[..., FunctionMeasurement], tmp_path: Path, asking: Asking, answer: str, kept: str
) -> None:
    measurement = functions(FunctionOptions(asking))
    run("a", measurement, tmp_path / "kept", ScriptedEngine(lambda prompt: answer))
    results = Journal(tmp_path / "kept", {"model": subject("a").sha256, **measurement.settings}).read()
    assert [each["text"] for each in results.values()] == [kept, kept]


def test_an_interrupted_measurement_goes_on(functions: Callable[..., FunctionMeasurement], tmp_path: Path) -> None:
    def interrupted(prompt: str) -> str:
        if "Sums" in prompt:
            raise KeyboardInterrupt
        return RIGHT

    with pytest.raises(KeyboardInterrupt):
        run("a", functions(), tmp_path / "kept", ScriptedEngine(interrupted))
    engine = ScriptedEngine(lambda prompt: RIGHT)
    assert run("a", functions(), tmp_path / "kept", engine).summaries["tasks, completion"]["pass@1"] == 1.0
    # The program that was judged when it happened may have been kept, or not: at most one is written again.
    assert len(engine.asked) <= 2


def test_other_models_and_settings_have_journals_of_their_own(
    functions: Callable[..., FunctionMeasurement], tmp_path: Path
) -> None:
    for name, options in (("a", FunctionOptions()), ("b", FunctionOptions()), ("a", FunctionOptions(max_tokens=9))):
        engine = ScriptedEngine(lambda prompt: RIGHT)
        run(name, functions(options), tmp_path / "kept", engine)
        assert len(engine.asked) == 2


def test_samples_are_estimated_together(functions: Callable[..., FunctionMeasurement], tmp_path: Path) -> None:
    answers = iter([RIGHT, "    pass\n"] * 2)
    engine = ScriptedEngine(lambda prompt: next(answers))
    options = FunctionOptions(samples=2, temperature=0.8)
    summary = run("a", functions(options), tmp_path, engine).summaries["tasks, completion"]
    assert (summary["samples"], summary["pass@1"], summary["pass@2"]) == (2, 0.5, 1.0)


def test_a_torn_line_is_dropped_and_others_are_kept(tmp_path: Path) -> None:
    journal = Journal(tmp_path, {"model": "m"})
    with journal.open() as held:
        held.add({"task": "a", "sample": 0, "outcome": "passed"})
        held.add({"task": "b", "sample": 0, "outcome": "wrong"})
    journal.path.write_bytes(journal.path.read_bytes()[:-5])
    with journal.open() as held:
        assert list(held.results) == [("a", 0)]
        held.add({"task": "b", "sample": 0, "outcome": "passed"})
    with journal.open() as held:
        assert [result["outcome"] for result in held.results.values()] == ["passed", "passed"]


def test_two_do_not_measure_the_same_at_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path, {"model": "m"})
    with journal.open(), pytest.raises(EvaluationError, match="just now"), Journal(tmp_path, {"model": "m"}).open():
        pass


LINE = Gap("line", "def add(a, b):\n    return ", "\n\nprint(add(1, 2))\n", "a + b", line=True)


@pytest.mark.parametrize("order", list(Order))
def test_gaps_are_filled_in_each_order(order: Order, tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda prompt: "a + b\nprint()")
    measurement = GapMeasurement("gaps", "digest", (LINE,), order)
    figures = run("a", measurement, tmp_path, engine).summaries[f"gaps, {order.value}"]
    assert (figures["exact match"], figures["edit similarity"]) == (1.0, 1.0)
    suffix_comes_first = engine.asked[0].index("print(add") < engine.asked[0].index("def add")
    assert suffix_comes_first is (order is not Order.PREFIX_FIRST)


def test_a_line_ends_with_its_end() -> None:
    assert first_line("\n  a\nb") == "\n  a\n"
    assert first_line("a") == "a"


def test_typing_is_measured_by_the_first_suggestion_and_the_keys(tmp_path: Path) -> None:
    engine = ScriptedEngine(lambda prompt: " + b" if prompt.endswith("a") else "b + a")
    measurement = TypingMeasurement("lines", "digest", (LINE,), None)
    figures = run("a", measurement, tmp_path, engine).summaries["lines"]
    # "a" is typed, " + b" is taken.
    assert (figures["exact match"], figures["keystrokes saved"]) == (0.0, pytest.approx(1 - 2 / 5))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of so many files that some are held out."""
    folder = tmp_path / "project"
    folder.mkdir()
    for number in range(60):
        lines = "".join(f"    value_{line} = compute_{number}(value, {line})\n" for line in range(12))
        (folder / f"module_{number}.py").write_text(f"def work_{number}(value):\n{lines}    return value_3\n")
    return folder


def test_gaps_of_a_project_are_what_its_files_have(project: Path) -> None:
    documents = own_documents(project, Language.PYTHON, 0, 3)
    assert 1 <= len(documents) <= 3
    for lines in (True, False):
        gaps = masked(documents, 0, lines=lines)
        texts = [document.text for document in documents]
        assert gaps
        assert all(gap.before + gap.missing + gap.after in texts for gap in gaps)
        assert all(("\n" not in gap.missing) is lines for gap in gaps)
        assert gaps == masked(documents, 0, lines=lines)
        assert digest_of(gaps) != digest_of(masked(documents, 1, lines=lines))


def test_a_project_without_held_out_files_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    with pytest.raises(EvaluationError, match="held out"):
        own_documents(tmp_path, Language.PYTHON, 0, 3)


@pytest.fixture
def two(functions: Callable[..., FunctionMeasurement], tmp_path: Path) -> list[Measured]:
    """Two models, of which the second alone is right in the second task."""
    half = ScriptedEngine(lambda prompt: RIGHT if "Adds" in prompt else "    pass\n")
    whole = ScriptedEngine(lambda prompt: RIGHT)
    return [run("half", functions(), tmp_path, half), run("<whole>", functions(), tmp_path, whole)]


def test_models_are_compared_with_the_first(two: list[Measured]) -> None:
    answer = report(two)
    assert [model["measurements"]["tasks, completion"]["pass@1"] for model in answer["models"]] == [0.5, 1.0]
    (difference,) = answer["differences"]
    assert (difference["model"], difference["against"]) == ("<whole>", "half")
    assert (difference["difference"], difference["only_first"], difference["only_second"]) == (0.5, 0, 1)


@pytest.mark.parametrize("plots", [True, False])
def test_the_page_has_figures_and_plots_or_says_what_they_need(
    two: list[Measured], plots: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if plots:
        pytest.importorskip("matplotlib")
    else:
        monkeypatch.setattr(page_module, "find_spec", lambda name: None)
    made = page({"date": "2026-01-01", "machine": {"cores": 1}, "versions": {"sned": "0"}} | report(two))
    assert "&lt;whole&gt;" in made
    assert "<whole>" not in made
    assert "+0.500" in made
    assert ("<svg" in made) is plots
    assert made.count("<script") == made.count("http://") - made.count("http://www.w3.org/") == 0
    assert ("extra <code>plots</code>" in made) is not plots


def test_the_page_says_what_was_not_measured_yet(two: list[Measured]) -> None:
    (label,) = two[0].scores
    unfinished = Measured(two[1].subject, missing={label: 7})
    made = page({"date": "2026-01-01", "machine": {}, "versions": {}} | report([two[0], unfinished]))
    assert "<td>7 to go</td>" in made


def test_figures_are_kept_by_the_models_digest(two: list[Measured], tmp_path: Path) -> None:
    record_quality(tmp_path, two)
    digest = two[0].subject.sha256
    assert read_quality(tmp_path, digest) == {"pass@1, tasks, completion": 0.5}
    add_quality(tmp_path, digest, {PERPLEXITY_RATIO: 1.2})
    assert read_quality(tmp_path, digest) == {"pass@1, tasks, completion": 0.5, PERPLEXITY_RATIO: 1.2}
    (path,) = (tmp_path / "evaluations" / "quality").glob(f"{digest}.json")
    path.write_text('{"figures": {"a": "many"}}')
    assert read_quality(tmp_path, digest) == {}
    assert read_quality(tmp_path, "../../secret") == {}


@pytest.mark.model
def test_perplexity_is_of_all_documents_together(base_model: Path, tmp_path: Path) -> None:
    code = "def add(a, b):\n    return a + b\n\n\n"
    noise = "".join(chr(97 + (7 * number * number + 3 * number) % 26) for number in range(len(code)))
    texts = {"code": code * 3, "noise": noise * 3}
    documents = tuple(Document("here", name, text) for name, text in texts.items())
    measurement = PredictionMeasurement("predicted", documents, 2)
    opened = OpenedModel(base_model, lambda: pytest.fail("the engine is not needed"))
    with Journal(tmp_path, {}).open() as journal:
        measurement.run(opened, journal, lambda done, of: None, Cancellation())
        results = measurement.results(journal.results)
    with open_tokenizer(base_model) as tokenizer:  # the first token of each begins its sequence
        assert [each["tokens"] for each in results] == [len(tokenizer.tokenize(text)) - 1 for text in texts.values()]
    bits = measurement.scores(results)["bits per byte"]
    assert bits["here/code"] < bits["here/noise"]
    summary = measurement.summary(results)
    assert bits["here/code"] < summary["bits per byte"] < bits["here/noise"]
    assert summary["perplexity"] > 1


def test_the_cost_is_the_median_of_turns() -> None:
    turns = [
        {"load s": load, "first suggestion s": 2.0, "prefill tokens/s": 9.0, "decode tokens/s": 5.0, "peak MB": 7.0}
        for load in (1.0, 9.0, 2.0)
    ]
    summary = CostMeasurement(3, 2).summary(turns)
    assert (summary["load s"], summary["spread"]["load s"]) == (2.0, [1.0, 9.0])


def test_a_model_that_cannot_be_run_is_told(tmp_path: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"nothing")
    opened = OpenedModel(path, lambda: pytest.fail("the engine is not needed"))
    with Journal(tmp_path, {}).open() as journal, pytest.raises(EvaluationError, match=r"cost of .*broken"):
        CostMeasurement(1, 2).run(opened, journal, lambda done, of: None, Cancellation())


@pytest.mark.skipif(sys.platform == "win32", reason="its paths are others")
def test_the_same_model_is_not_compared_with_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from assistant.evaluation.subjects import find_subjects
    from assistant.settings import load_settings

    monkeypatch.setenv("SNED_HOME", str(tmp_path / "home"))
    for name in ("a.gguf", "b.gguf"):
        (tmp_path / name).write_bytes(b"the same")
    with pytest.raises(UsageError, match="the same model"):
        find_subjects(load_settings(), [str(tmp_path / "a.gguf"), str(tmp_path / "b.gguf")], None)
