"""How a model is asked for a function: as a text to go on with, or in a chat."""

import re
from dataclasses import dataclass

from assistant.chat.template import ChatTemplate
from assistant.chat.types import Message, Role
from assistant.engine.protocol import Engine, Prompt, Segment
from assistant.evaluation.tasks import FunctionTask
from assistant.languages import Language

# Counts among what a result depends on: it is raised when prompts, their ends, or the reading of answers change.
PROMPTS_VERSION = 2

_FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(?:^[ \t]*```|\Z)", re.MULTILINE | re.DOTALL)
_CLOSED_FENCE = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)
_NAME = {
    Language.PYTHON: re.compile(r"^def\s+(\w+)", re.MULTILINE),
    Language.JAVA: re.compile(r"(\w+)\s*\([^()]*\)\s*(?:throws [\w, ]+)?\{\s*\Z"),
    Language.CPP: re.compile(r"(\w+)\s*\([^()]*\)\s*\{[^{}]*\Z"),
    Language.JAVASCRIPT: re.compile(r"(?:const|let|var|function)\s+(\w+)[^\n]*\{\s*\Z"),
}


@dataclass(frozen=True, slots=True)
class ChatPrompts:
    """Asks in the words of a model's own chat template."""

    template: ChatTemplate

    @classmethod
    def of(cls, engine: Engine) -> "ChatPrompts":
        """Those for a loaded model.

        Raises:
            EngineError: it has no chat template.
        """
        return cls(ChatTemplate(engine.info, engine.has_token))

    def prompt(self, task: FunctionTask) -> Prompt:
        """What is asked; the template's own system message stands, where it has one."""
        return Prompt(self.template.render((Message(Role.USER, question(task)),)))


def completion_prompt(task: FunctionTask) -> Prompt:
    """The beginning of the function, as it is."""
    return Prompt((Segment(task.prompt),))


def question(task: FunctionTask) -> str:
    """What a chat model is asked for."""
    label, name = task.language.label, task.language.value
    return (
        f"Complete this {label} function. Answer with the whole function, and the imports it needs, in one Markdown "
        f"fence and nothing else.\n\n```{name}\n{task.prompt.strip()}\n```"
    )


def function_name(task: FunctionTask) -> str | None:
    """What the function is called that is to be written."""
    found = _NAME[task.language].findall(task.prompt)
    return str(found[-1]) if found else None


def is_answered(text: str, name: str | None) -> bool:
    """Whether an answer has the function already, in a fence that is closed."""
    return any(_has(code, name) for code in _CLOSED_FENCE.findall(text))


def code_of(text: str, name: str | None) -> str:
    """The code of an answer: the first fence with the function, else the first one, else all of it."""
    fences: list[str] = _FENCE.findall(text)
    return next((code for code in fences if _has(code, name)), fences[0] if fences else text)


def _has(code: str, name: str | None) -> bool:
    return name is None or re.search(rf"\b{re.escape(name)}\b", code) is not None
