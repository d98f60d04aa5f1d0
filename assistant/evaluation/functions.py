"""Functional correctness: whether the functions that a model writes pass their tests.

Chen et al., arXiv 2107.03374.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import partial
from importlib.metadata import version
from typing import Any

from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Sampling, Wanted, Written
from assistant.engine.side_by_side import SEQUENCES
from assistant.evaluation.beside import keep_beside
from assistant.evaluation.journal import Kept, OpenJournal, Result
from assistant.evaluation.judging import Judgement, Outcome, judge
from assistant.evaluation.measurement import Advanced, OpenedModel
from assistant.evaluation.pass_at_k import mean_pass_at_k
from assistant.evaluation.programs import function_program, whole_program
from assistant.evaluation.prompts import (
    PROMPTS_VERSION,
    ChatPrompts,
    code_of,
    completion_prompt,
    function_name,
    is_answered,
)
from assistant.evaluation.sandbox.sandbox import Sandbox
from assistant.evaluation.tasks import FunctionTask, TaskFile
from assistant.evaluation.toolchains import Toolchain
from assistant.evaluation.truncation import body_end, finished_body, goes_in_circles

_ESTIMATED = (1, 10, 100)


class Asking(StrEnum):
    """How a model is asked for a function."""

    COMPLETION = "completion"
    CHAT = "chat"


@dataclass(frozen=True, slots=True)
class FunctionOptions:
    """How functions are written.

    Attributes:
        asking: as a completion, or in a chat.
        samples: programs a task.
        temperature: 0 is greedy, and deterministic; then one sample tells all.
        top_p: probability that the tokens drawn from have together, at least.
        seed: of the first sample; each further one has the next.
        max_tokens: of a program, at most.
    """

    asking: Asking = Asking.COMPLETION
    samples: int = 1
    temperature: float = 0.0
    top_p: float = 0.95
    seed: int = 0
    max_tokens: int = 512

    def as_dict(self) -> dict[str, Any]:
        """All of them, such as JSON has."""
        return asdict(self) | {"asking": self.asking.value}


@dataclass(frozen=True, slots=True)
class FunctionMeasurement:
    """Has functions written for the tasks of a file, and runs them."""

    file: TaskFile[FunctionTask]
    options: FunctionOptions
    sandbox: Sandbox
    toolchain: Toolchain

    @property
    def label(self) -> str:
        """The file and how it is asked."""
        return f"{self.file.path.stem}, {self.options.asking.value}"

    @property
    def settings(self) -> Mapping[str, Any]:
        """Tasks, options, what runs the programs, and the version of the prompts."""
        return {
            "measurement": "functions",
            "tasks": self.file.digest,
            "count": len(self.file.tasks),
            "options": self.options.as_dict(),
            "toolchain": self.toolchain.version,
            "version": PROMPTS_VERSION,
            "writing": f"{SEQUENCES} side by side",
            "engine": version("llama-cpp-python"),
        }

    def missing(self, kept: Kept) -> int:
        """Programs that have still to be written."""
        return len(self._missing(kept))

    def run(self, model: OpenedModel, journal: OpenJournal, advanced: Advanced, cancel: Cancellation) -> None:
        """Writes what is missing, many programs at once; those that are written are judged meanwhile.

        Raises:
            EngineError: the model fails, or has no chat template.
            KeyboardInterrupt: it was cancelled; what was judged is in the journal.
        """
        missing, of = self._missing(journal.results), len(self.file.tasks) * self.options.samples
        prompts = ChatPrompts.of(model.engine) if self.options.asking is Asking.CHAT else None
        wanted = [self._wanted(task, sample, prompts) for task, sample in missing]

        def keep(result: Result) -> None:
            journal.add(result)
            advanced(len(journal.results), of)

        advanced(len(journal.results), of)
        texts = model.engine.write_side_by_side(wanted, cancel)
        keep_beside((partial(self._judged, *missing[written.number], written) for written in texts), keep)
        if cancel.is_set():
            raise KeyboardInterrupt

    def results(self, kept: Kept) -> list[Result]:
        """A result for each task and sample, in the file's order."""
        return [kept[task.task_id, sample] for task, sample in self._all()]

    def summary(self, results: Sequence[Result]) -> dict[str, Any]:
        """pass@k for each k that there are samples for, how often each outcome came, and what writing took."""
        counts = _counts(results)
        fewest = min(samples for samples, _ in counts.values())
        ks = sorted({k for k in (*_ESTIMATED, fewest) if k <= fewest})
        return {
            "tasks": len(counts),
            "samples": fewest,
            **{f"pass@{k}": mean_pass_at_k(list(counts.values()), k) for k in ks},
            "outcomes": dict(sorted(Counter(result["outcome"] for result in results).items())),
            "tokens": sum(result["tokens"] for result in results),
            "seconds": round(sum(result["seconds"] for result in results), 1),
        }

    def scores(self, results: Sequence[Result]) -> dict[str, dict[str, float]]:
        """Each task's share of programs that passed, whose mean is pass@1."""
        return {"pass@1": {task: right / samples for task, (samples, right) in _counts(results).items()}}

    def _all(self) -> list[tuple[FunctionTask, int]]:
        return [(task, sample) for task in self.file.tasks for sample in range(self.options.samples)]

    def _missing(self, kept: Kept) -> list[tuple[FunctionTask, int]]:
        return [each for each in self._all() if (each[0].task_id, each[1]) not in kept]

    def _wanted(self, task: FunctionTask, sample: int, prompts: ChatPrompts | None) -> Wanted:
        options = self.options
        sampling = Sampling(
            options.max_tokens, options.temperature, top_k=0, top_p=options.top_p, min_p=0.0, seed=options.seed + sample
        )
        if prompts is None:
            return Wanted(
                completion_prompt(task),
                sampling,
                lambda text: body_end(text, task.language) is not None or goes_in_circles(text),
            )
        name = function_name(task)
        return Wanted(prompts.prompt(task), sampling, lambda text: is_answered(text, name) or goes_in_circles(text))

    def _judged(self, task: FunctionTask, sample: int, written: Written) -> Result:
        judgement = self._judgement(task, written.text)
        return {
            "task": task.task_id,
            "sample": sample,
            "text": written.text,
            "outcome": judgement.outcome.value,
            "reason": judgement.reason,
            "tokens": written.usage.completion_tokens,
            "seconds": round(written.usage.prefill_seconds + written.usage.decode_seconds, 3),
        }

    def _judgement(self, task: FunctionTask, text: str) -> Judgement:
        if self.options.asking is Asking.COMPLETION:
            body = finished_body(text, task.language)
            return judge(self.sandbox, self.toolchain, partial(function_program, task, body))
        code = code_of(text, function_name(task))
        return judge(self.sandbox, self.toolchain, partial(whole_program, task, code))


def _counts(results: Sequence[Result]) -> dict[str, tuple[int, int]]:
    """Programs, and those that passed, by task."""
    counts: dict[str, tuple[int, int]] = {}
    for result in results:
        samples, right = counts.get(result["task"], (0, 0))
        counts[result["task"]] = samples + 1, right + (result["outcome"] == Outcome.PASSED)
    return counts
