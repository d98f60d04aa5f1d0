"""A conversation with one model: its answers, piece by piece."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

from assistant.chat.fitting import fit
from assistant.chat.reading import Read, Reading, read_ahead
from assistant.chat.template import ChatTemplate
from assistant.chat.types import ChatOptions, Conversation, Reply
from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine, Generation, Prompt, Sampling, Usage


class Answer:
    """An answer that is being written: iterate for pieces of its text; close it to stop early.

    Like the engine's generation it is written in, it belongs to one thread, and is stopped from others through its
    cancellation.
    """

    def __init__(self, generation: Generation, notice: str | None, read: Callable[[], Read] = Read) -> None:
        self.notice = notice
        self._generation = generation
        self._read_ahead = read
        self._read = Read()

    def __iter__(self) -> Iterator[str]:
        self._read = self._read_ahead()
        yield from self._generation

    def close(self) -> None:
        """Stops writing; `usage` then tells what was done."""
        self._generation.close()

    @property
    def usage(self) -> Usage:
        """What it cost so far; complete once iteration has ended."""
        return self._read.added_to(self._generation.usage)


class Chat:
    """Has one model answer; a job of its inference thread."""

    def __init__(self, engine: Engine, hear_reading: Callable[[Reading], None] | None = None) -> None:
        """Nothing is said yet; `hear_reading` is told how far a prompt is read that takes more than a moment.

        Raises:
            EngineError: the model has no chat template.
        """
        self._engine = engine
        self._hear_reading = hear_reading
        self._template = ChatTemplate(engine.info, engine.has_token)

    def answer(
        self,
        conversation: Conversation,
        options: ChatOptions,
        cancel: Cancellation | None = None,
        *,
        sequence: str = "chat",
    ) -> Answer:
        """The model's answer to the last message; the work begins with the first iteration.

        `sequence` names the conversation in the KV cache: of its next prompt only what is new is evaluated.

        Raises:
            EngineError: the template is not usable, or the model fails.
            UsageError: the conversation does not fit the context.
        """
        context = self._engine.info.context
        max_tokens = min(options.max_tokens, context // 2)
        fitted = fit(conversation, context - max_tokens, self._engine.count_tokens)
        prompt = Prompt(self._template.render(fitted.messages))
        sampling = Sampling(max_tokens, options.temperature, options.top_k, options.top_p, options.min_p, options.seed)
        cancel = cancel or Cancellation()
        # What was forgotten has moved all that came after it, which the engine can use again where it is.
        shift = fitted.forgotten > 0
        generation = self._engine.generate(prompt, sampling, cancel, sequence=sequence, shift=shift)
        if self._hear_reading is None or shift:  # read in steps, a moved stretch would be given up with the first
            return Answer(generation, fitted.notice)
        read = partial(read_ahead, self._engine, prompt, cancel, sequence, self._hear_reading)
        return Answer(generation, fitted.notice, read)

    def reply(
        self,
        conversation: Conversation,
        options: ChatOptions,
        cancel: Cancellation | None = None,
        *,
        sequence: str = "chat",
        hear: Callable[[str], None] = lambda piece: None,
    ) -> Reply:
        """The whole answer, each piece of which `hear` is given as it comes; what there is when it was cancelled.

        Raises:
            EngineError, UsageError: as `answer`.
        """
        text = ""
        with closing(self.answer(conversation, options, cancel, sequence=sequence)) as answer:
            for piece in answer:
                text += piece
                hear(piece)
        return Reply(text, answer.usage, self._engine.info.name, answer.notice)
