"""The prompts of places in documents: the whole one, what of it is affordable at once, and what is evaluated ahead."""

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Protocol

from assistant.completion import Completer, CompletionOptions, Place, Task
from assistant.context.builder import Choice
from assistant.context.types import Chunk
from assistant.engine.cancellation import Cancellation
from assistant.engine.protocol import Engine, StopReason
from assistant.fim import FileName
from assistant.grammars import grammar_of
from assistant.suggestion.pace import Pace
from assistant.suggestion.spots import Spots, near_name, sequence_names
from assistant.suggestion.stays import GROWTH, Stay
from assistant.suggestion.types import Buffer, SuggestionOptions, SuggestionRequest
from assistant.window import window_before

# Who asks for a suggestion by a key waits longer for a better one.
_PATIENCE_WHEN_ASKED = 3.0
# With less around the cursor a model guesses; a machine that is busy with other things is not to come to that.
_LEAST_NEAR_TOKENS = 128
# What was evaluated after other text only stands in for a prompt's own. Of 40 lines to infill 23 were right without, 21
# after 4 moves from line to line, 19 or 20 after 14 (benchmarks/shifting.py); each saved the evaluation of 200 tokens.
_MOST_MOVES = 4
# Who will stay at a place is not known: as with renting or buying, the whole prompt is evaluated once so much was asked
# for there that a suggestion has cost no more than so many of its tokens.
_TOKENS_A_REQUEST = 6
# In the first pause that is one, and not the time between two keys of a word, of which little is left once it is known.
_PAUSE_SECONDS = 0.5
# Or once nobody has typed for so long that nothing is lost: who comes back finds all of it.
_REST_SECONDS = 20.0
# What nobody waits for yet is worth no more.
_CHEAP_TOKENS = 32
# So many times the tokens for better chunks: other ones cost that at a place which is new, and more once a part of its
# prompt has been evaluated, which they stand in front of.
_BETTER = 1.5
# Evaluated beside the next request, they are not worth a job of their own.
_FEW_TOKENS = 8


class Context(Protocol):
    """What tells a model of the rest of the project: `assistant.context.builder.ContextBuilder`."""

    def chunks(self, request: SuggestionRequest, budget_tokens: int) -> tuple[Chunk, ...]:
        """Stretches of other files for a prompt."""
        ...

    def reconsider(self, request: SuggestionRequest, budget_tokens: int) -> Choice | None:
        """Better ones than those, if there are, to be evaluated when nothing else is to do."""
        ...

    def first_chunks(self, request: SuggestionRequest, budget_tokens: int) -> tuple[Chunk, ...]:
        """Those that prompts of the request's document will begin with."""
        ...

    def adopt(self, choice: Choice) -> None:
        """Takes them for prompts from now on."""
        ...

    def path(self, buffer: Buffer) -> str:
        """What a document is called in prompts."""
        ...


class PlacePrompts:
    """Makes and evaluates the prompts for one model. Its methods belong to the inference thread.

    A place's whole prompt, with other files' chunks and all of the window, takes seconds to evaluate where the cursor
    has just come to. The first suggestions there come from a small one, of the text next to the cursor and those chunks
    that were evaluated before, until `prepare` has evaluated the whole.
    """

    def __init__(
        self, engine: Engine, completer: Completer, context: Context, options: SuggestionOptions, pace: Pace
    ) -> None:
        """Nothing is evaluated yet; `pace` says how fast that is, and is told."""
        self._engine = engine
        self._completer = completer
        self._context = context
        self._options = options
        self._pace = pace
        self._spots = Spots()
        self._moves: dict[str, int] = {}  # of a sequence's prompt, since it was evaluated as a whole
        self._stays: dict[str, Stay] = {}  # at a sequence's place, while its prompt is not evaluated

    def options(self, request: SuggestionRequest) -> CompletionOptions:
        """How to complete at the request's place."""
        options = self._options
        return CompletionOptions(
            lines=request.lines,
            max_tokens=options.max_tokens,
            max_lines=options.max_lines,
            max_seconds=options.max_seconds,
            window=options.window,
        )

    def affordable(self, request: SuggestionRequest, options: CompletionOptions, *, ahead: bool = False) -> Task:
        """The task with its whole prompt if that is evaluated soon enough, if need be with what was elsewhere before.

        Else with the text next to the cursor alone. What is only computed `ahead` does not count as a stay there.
        """
        whole = self._whole(request, options)
        patience = self._options.patience * (1 if request.automatic else _PATIENCE_WHEN_ASKED)
        affordable = max(int(self._pace.prefill_rate * patience), _LEAST_NEAR_TOKENS)
        missing = self._engine.uncached_tokens(whole.prompt)
        if missing <= _LEAST_NEAR_TOKENS:
            return whole
        if (new := self._uncached_shifted(whole)) <= min(affordable, missing // 2):
            if new > _FEW_TOKENS:  # another place, and not some characters more
                self._moved(whole.place.sequence)
            return replace(whole, shift=True)
        if missing <= affordable:
            return whole
        task, stay = self._near_cursor(request, whole, affordable)
        if ahead:
            return replace(task, shift=True)
        self._stays[whole.place.sequence] = replace(stay, requests=stay.requests + 1, missing=missing)
        return replace(task, shift=self._may_shift(task))

    def is_cheap(self, task: Task) -> bool:
        """Whether little of a task's prompt has to be evaluated."""
        sequence = task.place.sequence
        return self._engine.uncached_tokens(task.prompt, sequence=sequence, shift=task.shift) <= _CHEAP_TOKENS

    def pause(self, request: SuggestionRequest) -> float:
        """For how many seconds the user is not to type before `prepare`. Usable from any thread."""
        stays = [self._stays.get(name) for name in sequence_names(request.buffer.uri)]
        near = (each for each in stays if each is not None and each.is_near(request.offset))
        worth = any(_TOKENS_A_REQUEST * each.requests >= each.missing for each in near)
        return _PAUSE_SECONDS if worth else _REST_SECONDS

    def prepare(self, request: SuggestionRequest, cancel: Cancellation) -> None:
        """Evaluates the whole prompt of the request's place, so that the next request there is answered from it.

        Where most of it was evaluated elsewhere, that is left to stand in for it. Cancelled, it keeps what it has
        evaluated: the next call for the place goes on from there.

        Raises:
            EngineError: the model fails, or its context has no room for a prompt.
        """
        whole = self._whole(request, self.options(request))
        missing = self._engine.uncached_tokens(whole.prompt)
        if min(missing, self._uncached_shifted(whole)) <= _FEW_TOKENS:
            return
        better, choice = self._better(request, whole)
        if choice is not None and (of_better := self._engine.uncached_tokens(better.prompt)) <= _BETTER * missing:
            self._context.adopt(choice)  # the first one would have to be evaluated as well
            whole, missing = better, of_better
        usage = self._engine.prefill(whole.prompt, cancel, sequence=whole.place.sequence)
        self._pace.measure(usage)
        sequence = whole.place.sequence
        self._moves.pop(sequence, None)
        if usage.stop_reason is not StopReason.CANCELLED:
            self._stays.pop(sequence, None)
        elif (stay := self._stays.get(sequence)) is not None:
            # What was asked for has paid for that: elsewhere nearby, the rest would not be of use.
            left = self._engine.uncached_tokens(whole.prompt)
            spent = max(missing - left, 0) // _TOKENS_A_REQUEST
            self._stays[sequence] = replace(stay, requests=max(stay.requests - spent, 0), missing=left)

    def settle(self, request: SuggestionRequest, cancel: Cancellation) -> None:
        """Makes the prompt of the request's place better, once the user has stopped typing.

        It takes in chunks of the project that only became known since, or worth it, where little else has to be
        evaluated for them. A prompt that was put together too often from what was evaluated at other places is
        evaluated as a whole; the old one goes on to answer until that is done.

        Raises:
            EngineError: as `prepare`.
        """
        whole = self._whole(request, self.options(request))
        sequence = whole.place.sequence
        better, choice = self._better(request, whole)
        stay = self._stays.get(sequence)
        if stay is not None and stay.is_near(request.offset) and self._uncached_shifted(whole) > _LEAST_NEAR_TOKENS:
            wanted = choice is not None or not stay.chunks
            if wanted and self._prepare_short(request, better, stay, cancel) and choice is not None:
                self._context.adopt(choice)
        elif choice is not None and not cancel.is_set() and self._uncached_shifted(better) <= _LEAST_NEAR_TOKENS:
            self._context.adopt(choice)
            self._engine.prefill(better.prompt, cancel, sequence=sequence, shift=True)
            self._moved(sequence)
        elif self._moves.get(sequence, 0) >= _MOST_MOVES:
            usage = self._engine.prefill(whole.prompt, cancel, sequence=_ahead(sequence))
            self._pace.measure(usage)
            if usage.stop_reason is not StopReason.CANCELLED:
                self._engine.prefill(whole.prompt, cancel, sequence=sequence)  # which takes it over from the other
                self._moves.pop(sequence, None)

    def open(self, buffer: Buffer, cancel: Cancellation) -> bool:
        """Evaluates what prompts in a document that was just opened will begin with: chunks of other files.

        Cancelled, it keeps what it has evaluated, as `prepare` does. Whether all is done comes back.

        Raises:
            EngineError: as `prepare`.
        """
        request = SuggestionRequest(buffer, 0)
        chunks = self._context.first_chunks(request, self._budget())
        if not chunks:
            return True
        place = self._place(request, _ahead(near_name(buffer.uri)), chunks)
        usage = self._engine.prefill(self._completer.beginning(place), cancel, sequence=place.sequence)
        self._pace.measure(usage)
        return usage.stop_reason is not StopReason.CANCELLED

    def _prepare_short(self, request: SuggestionRequest, whole: Task, stay: Stay, cancel: Cancellation) -> bool:
        """Evaluates the short prompt of a stay with all the chunks of the whole one; the old one answers until then.

        Whether that was done to its end.
        """
        stay = replace(stay, chunks=tuple(whole.place.chunks))
        if stay == self._stays[whole.place.sequence]:
            return True
        task = self._beginning_at(stay, request, whole)
        usage = self._engine.prefill(task.prompt, cancel, sequence=_ahead(task.place.sequence))
        self._pace.measure(usage)
        if usage.stop_reason is not StopReason.CANCELLED:
            self._engine.prefill(task.prompt, cancel, sequence=task.place.sequence)
            self._stays[whole.place.sequence] = stay
        return usage.stop_reason is not StopReason.CANCELLED

    def _better(self, request: SuggestionRequest, whole: Task) -> tuple[Task, Choice | None]:
        """The task with chunks that are better by now, and these; the same one and None if there are none."""
        choice = self._context.reconsider(request, self._pace.context_budget)
        if choice is None:
            return whole, None
        place = replace(whole.place, chunks=choice.chunks)
        return self._completer.task(request.before, request.after, whole.options, place), choice

    def _near_cursor(self, request: SuggestionRequest, whole: Task, affordable: int) -> tuple[Task, Stay]:
        """The task with the text next to the cursor alone, which begins where it did at the last key if that is near.

        It has a sequence of its own: what has been evaluated of the whole prompt stays. The stay is that before it.
        """
        stay = self._stays.get(whole.place.sequence)
        if stay is not None and not stay.is_near(request.offset):
            stay = None
        if stay is not None and stay.still_fits(request.before, affordable, self._engine.count_tokens):
            task = self._beginning_at(stay, request, whole)
            if self._uncached_shifted(task) <= affordable:  # else it was a jump, which costs more than a new place
                return task, replace(stay, offset=request.offset)
        tokens = self._pace.near(self._options.patience) if request.automatic else affordable
        size = whole.options.window.within(max(tokens, _LEAST_NEAR_TOKENS))
        start = len(request.before) - len(window_before(request.before, size, self._engine.count_tokens))
        requests = stay.requests if stay is not None else 0
        stay = Stay.at(request.before, start, size, self._evaluated_chunks(whole.place))
        return self._beginning_at(stay, request, whole), replace(stay, requests=requests)

    def _evaluated_chunks(self, place: Place) -> tuple[Chunk, ...]:
        """A place's chunks, up to the first that no prompt has had evaluated, or not in front of this file."""
        chunks = tuple(place.chunks)
        while chunks:
            beginning = self._completer.beginning(replace(place, chunks=chunks))
            if self._engine.uncached_tokens(beginning) <= _CHEAP_TOKENS:
                break
            chunks = chunks[:-1]
        return chunks

    def _beginning_at(self, stay: Stay, request: SuggestionRequest, whole: Task) -> Task:
        """The task with the text from where the stay's begins alone, and the stay's chunks."""
        options = replace(whole.options, window=replace(stay.size, before=GROWTH * stay.size.before))
        near = replace(whole.place, chunks=stay.chunks, sequence=near_name(request.buffer.uri))
        task = self._completer.task(request.before[stay.start :], request.after, options, near)
        return replace(task, before=request.before)

    def _may_shift(self, task: Task) -> bool:
        """Whether what was evaluated elsewhere stands in for a task's prompt: not at many places one after the other.

        Then it is evaluated anew.
        """
        sequence = task.place.sequence
        if self._uncached_shifted(task) > _FEW_TOKENS:
            if self._moves.get(sequence, 0) >= _MOST_MOVES:
                self._moves.pop(sequence)
                return False
            self._moved(sequence)
        return True

    def _moved(self, sequence: str) -> None:
        self._moves[sequence] = self._moves.get(sequence, 0) + 1

    def _uncached_shifted(self, task: Task) -> int:
        """How many tokens of a task's prompt are nowhere in its document's last one."""
        return self._engine.uncached_tokens(task.prompt, sequence=task.place.sequence, shift=True)

    def _whole(self, request: SuggestionRequest, options: CompletionOptions) -> Task:
        sequence = self._spots.sequence(request.buffer.uri, request.offset)
        place = self._place(request, sequence, self._context.chunks(request, self._budget()))
        return self._completer.task(request.before, request.after, options, place)

    def _budget(self) -> int:
        """Tokens of other files' chunks in a prompt."""
        options = self._options
        around_cursor = options.window.before + options.window.after + options.max_tokens
        return self._pace.afford(self._engine.info.context, around_cursor)

    def _place(self, request: SuggestionRequest, sequence: str, chunks: tuple[Chunk, ...]) -> Place:
        buffer = request.buffer
        path = self._context.path(buffer)
        return Place(
            grammar=grammar_of(buffer.language_id, buffer.path),
            chunks=chunks,
            file=FileName(_project(buffer, path), path),
            automatic=request.automatic,
            sequence=sequence,
        )


def _ahead(sequence: str) -> str:
    """The sequence of a prompt that is to take another's place once all of it is evaluated."""
    return f"{sequence} ahead"


def _project(buffer: Buffer, path: str) -> str:
    """The name of the folder that `path` is relative to."""
    if buffer.path is None:
        return "project"
    depth = len(PurePosixPath(path).parts)
    return buffer.path.parents[min(depth, len(buffer.path.parents)) - 1].name or "project"
