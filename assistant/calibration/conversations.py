"""Conversations in a model's chat format, made from documented functions.

No one held them: a documentation comment becomes the request and the function under it the answer, or the function is
asked about and its comment is the answer. They show the model its chat format around real code and real prose.
"""

import random
from collections.abc import Sequence

from assistant.calibration.documented import DocumentedFunction
from assistant.chat.attaching import CHATTING
from assistant.chat.requests import fenced
from assistant.chat.template import ChatTemplate
from assistant.chat.types import Message, Role
from assistant.engine.protocol import Segment
from assistant.engine.tokenizer import Tokenizer
from assistant.languages import Language

# The shortest are a system message of forty tokens, a question and a function of a few lines.
LEAST_TOKENS = 128

_ASKED = "what the user asks, to be put in here"


class ChatFormat:
    """How a model is shown a question and its answer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Reads the model's chat template.

        Raises:
            EngineError: the model has none, or it is not usable.
        """
        template = ChatTemplate(tokenizer.info, tokenizer.has_token)
        # Rendering takes a process of its own each time, and nothing but the question differs.
        self._segments = template.render((Message(Role.SYSTEM, CHATTING), Message(Role.USER, _ASKED)))
        self._end = Segment(tokenizer.info.eos_token, special=True)
        self._tokenizer = tokenizer

    def tokens(self, question: str, answer: str) -> list[int]:
        """The conversation as the model's tokens, from its beginning to the end of the answer's turn."""
        front = [
            segment if segment.special else Segment(segment.text.replace(_ASKED, question))
            for segment in self._segments
        ]
        if not front[-1].special:
            front[-1], answer = Segment(front[-1].text + answer), ""
        return self._tokenizer.encode([*front, Segment(answer), self._end])


def exchanges(
    functions: Sequence[DocumentedFunction], language: Language, choice: random.Random
) -> list[tuple[str, str]]:
    """A question and an answer for each function, in a random order; one of three asks what the function does."""
    shuffled = choice.sample(functions, len(functions))
    return [
        _explained(function, language) if choice.random() < 1 / 3 else _written(function, language)
        for function in shuffled
    ]


def _written(function: DocumentedFunction, language: Language) -> tuple[str, str]:
    signature = fenced(function.signature, language.value)
    question = f"Write this function in {language.label}.\n\n{function.description}\n\nIt begins so:\n\n{signature}"
    return question, fenced(function.code, language.value)


def _explained(function: DocumentedFunction, language: Language) -> tuple[str, str]:
    return f"Explain this code.\n\n{fenced(function.code, language.value)}", function.description
