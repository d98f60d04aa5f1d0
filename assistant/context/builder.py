"""What a model is told of the project beside the text around the cursor."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from assistant.context.definitions import used_definitions
from assistant.context.index import DefinitionIndex
from assistant.context.layout import Candidate, Layout
from assistant.context.node_types import LANGUAGES
from assistant.context.ranking import ONLY_ONE_OF_ITS_NAME, open_score, ranked, shared_words, visited_score, words
from assistant.context.ring import Ring, Visited
from assistant.context.saved import SavedChunk, SavedContext, SavedDocument, SavedVisit, Sources
from assistant.context.scope import scope_at
from assistant.context.similarity import Lines, line_set
from assistant.context.surroundings import Extent, text_around
from assistant.context.types import Chunk
from assistant.grammars import grammar_of
from assistant.suggestion.types import Buffer, SuggestionRequest
from assistant.window import CountTokens

# What a prompt shows around the cursor anyway, about.
_SHOWN = Extent(before=48, after=16)
# Lines of an open document that nobody has worked at.
_OPEN_LINES = 24

# Chunks chosen anew at the same place cost the evaluation of all that follows them. One has to be worth that: the
# definition of a name near the cursor that is imported or in the project once. In 44 calls of other files' functions
# (benchmarks/context.py) this brings the definition to 29, by 41 exchanges; asking for twice the score, to 18 by 23.
_WORTH_IT = 0.95 * ONLY_ONE_OF_ITS_NAME

# Documents whose chunks are kept for the next start: more than the KV cache holds.
_SAVED_DOCUMENTS = 16

# Within a place the text that follows the cursor's line stays as it is. So much of it tells places apart.
_FOLLOWING_CHARACTERS = 1024
# Where the cursor has moved on by more than this, the prompt's window moves as well.
_DRIFT_CHARACTERS = 1000

# The project's name and the path of the cursor's file go with the chunks, and a separator or two with each.
_AROUND_CHUNKS = 32
_SEPARATORS = 2


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a prompt's chunks were last chosen."""

    offset: int
    following: str


@dataclass(frozen=True, slots=True)
class Choice:
    """Chunks that were chosen anew for a document's prompts, which go on without them until they are adopted."""

    uri: str
    place: _Place
    layout: Layout
    considered: frozenset[Chunk]

    @property
    def chunks(self) -> tuple[Chunk, ...]:
        """In the order of the prompt."""
        return self.layout.chunks


class ContextBuilder:
    """Chooses chunks of other files, and of far parts of the same, and keeps their order for the KV cache.

    Chunks stand in front of the text around the cursor, so a chunk more costs the evaluation of that text. They are
    chosen anew where it is evaluated again anyway, at another place or far down the same one. When the engine is idle
    it can evaluate a prompt with better ones ahead: `reconsider` and `adopt`.

    `opened`, `edited` and `closed` come from any thread and return at once. The others belong to the inference thread.
    """

    def __init__(self, root: Path | None, count_tokens: CountTokens) -> None:
        """`root` is the project's folder, whose definitions are looked up; `count_tokens` is the model's own."""
        self._root = root.resolve() if root is not None else None
        self._count_tokens = count_tokens
        self._index = DefinitionIndex(self._root)
        self._lock = Lock()
        self._buffers: dict[str, Buffer] = {}
        self._ring = Ring()
        self._indexed: dict[str, int] = {}
        self._closed: list[Buffer] = []
        self._layouts: dict[str, Layout] = {}
        self._places: dict[str, _Place] = {}
        self._considered: dict[str, frozenset[Chunk]] = {}

    def opened(self, buffer: Buffer) -> None:
        """A document is open in the editor."""
        with self._lock:
            self._buffers[buffer.uri] = buffer

    def edited(self, buffer: Buffer, offset: int) -> None:
        """A document was changed at `offset`; `buffer` is what it is now."""
        with self._lock:
            self._buffers[buffer.uri] = buffer
            self._ring.visit(buffer, self.path(buffer), offset)

    def closed(self, uri: str) -> None:
        """A document was closed; what was done in it stays of interest."""
        with self._lock:
            self._ring.leave(uri)
            buffer = self._buffers.pop(uri, None)
            if buffer is not None:
                self._closed.append(buffer)

    def chunks(self, request: SuggestionRequest, budget_tokens: int) -> tuple[Chunk, ...]:
        """The chunks for a prompt at the request's place: those of the document's last prompt, and new ones after them.

        The request's text may be ahead of the editor's, as if a suggestion had been accepted; it is not remembered
        then. The chunks take no more than `budget_tokens`, with what the repository format puts around them. When some
        had to be dropped, `rebuilds` has grown.
        """
        uri = request.buffer.uri
        with self._lock:
            self._visit(request)
        layout = self._layout(uri)
        place = _place(request)
        if self._has_moved(uri, place) or layout.tokens > _room(budget_tokens):
            self._places[uri] = place
            self._update_index()
            self._choose(layout, request, budget_tokens)
        return layout.chunks

    def first_chunks(self, request: SuggestionRequest, budget_tokens: int) -> tuple[Chunk, ...]:
        """The chunks that prompts of a document will begin with: some for the request's place if there are none yet."""
        uri = request.buffer.uri
        layout = self._layout(uri)
        if not layout.chunks:
            self._update_index(but_for=uri)  # a large document would take a tenth of a second to parse
            self._choose(layout, request, budget_tokens)
        return layout.chunks

    def has_looked(self, buffer: Buffer) -> bool:
        """Whether the project's definitions have been found; else that goes on, or begins, in the background."""
        self._index.start(self.path(buffer))
        return self._index.wait(0)

    def reconsider(self, request: SuggestionRequest, budget_tokens: int) -> Choice | None:
        """Better chunks for a place than those its prompts have, once more is known: of the project, or by typing.

        None where there is nothing that is worth evaluating the prompt again, or nothing that was not considered.
        """
        uri = request.buffer.uri
        # What was typed at the place is in the window; a large document would take a tenth of a second to parse.
        self._update_index(but_for=uri)
        candidates, shown = self._look_around(request)
        considered = frozenset(candidate.chunk for candidate in candidates)
        if considered == self._considered.get(uri):
            return None
        old = self._layout(uri)
        layout = old.copy()
        layout.update(candidates, shown, _room(budget_tokens))
        before = set(old.chunks)
        if all(each.score < _WORTH_IT or each.chunk in before for each in layout.candidates):
            self._considered[uri] = considered
            return None
        return Choice(uri, _place(request), layout, considered)

    def adopt(self, choice: Choice) -> None:
        """Takes chunks for the document's prompts from now on."""
        self._layouts.pop(choice.uri, None)
        self._layouts[choice.uri] = choice.layout
        self._places[choice.uri], self._considered[choice.uri] = choice.place, choice.considered

    def rebuilds(self, uri: str) -> int:
        """How often chunks were dropped from a document's prompts, so that the KV cache lost what follows them."""
        layout = self._layouts.get(uri)
        return layout.rebuilds if layout is not None else 0

    def path(self, buffer: Buffer) -> str:
        """What a document is called in prompts: its path in the project, else its name."""
        if buffer.path is None:
            return buffer.uri.rpartition("/")[2]
        if self._root is not None and buffer.path.is_relative_to(self._root):
            return buffer.path.relative_to(self._root).as_posix()
        return buffer.path.name

    def saved(self) -> SavedContext:
        """What a later run can go on from; to be called in the inference thread."""
        documents = []
        for uri, layout in list(self._layouts.items())[-_SAVED_DOCUMENTS:]:
            if (place := self._places.get(uri)) is None:
                continue
            chunks = (SavedChunk(each.chunk.path, each.chunk.text, each.score) for each in layout.candidates)
            documents.append(SavedDocument(uri, place.offset, place.following, tuple(chunks)))
        with self._lock:
            visits = tuple(SavedVisit(each.uri, each.path, each.text) for each in self._ring.all)
        return SavedContext(tuple(documents), visits)

    def restore(self, saved: SavedContext) -> None:
        """Goes on from what an earlier run has saved, but for documents that are known; for the inference thread.

        A chunk whose file says something else by now is left out, so that what was evaluated after it is lost.
        """
        with self._lock:
            sources = Sources(self._root, {self.path(each): each.text for each in self._buffers.values()})
        visits = [each for each in saved.visits if sources.still_say(each.path, each.text)]
        with self._lock:
            self._ring.restore(Visited(each.uri, each.path, each.text, line_set(each.text)) for each in visits)
        known, self._layouts = self._layouts, {}
        for document in saved.documents:
            current = [each for each in document.chunks if sources.still_say(each.path, each.text)]
            chosen = [Candidate(Chunk(each.path, each.text), each.score) for each in current]
            self._layouts[document.uri] = Layout(self._cost, chosen)
            self._places.setdefault(document.uri, _Place(document.offset, document.following))
        for uri, layout in known.items():  # which have been used since
            self._layouts.pop(uri, None)
            self._layouts[uri] = layout

    def wait_for_index(self, timeout: float | None = None) -> bool:
        """Waits until the project's definitions have been found, where that has begun; whether they have."""
        return self._index.wait(timeout)

    def close(self) -> None:
        """Ends the work in the background."""
        self._index.close()

    def _visit(self, request: SuggestionRequest) -> None:
        """Takes note of the place, unless its text is one that the editor does not have (yet)."""
        buffer = request.buffer
        known = self._buffers.get(buffer.uri)
        if known is None or known.version < buffer.version:
            self._buffers[buffer.uri] = known = buffer
        if known.text == buffer.text:
            self._ring.visit(buffer, self.path(buffer), request.offset)

    def _choose(self, layout: Layout, request: SuggestionRequest, budget_tokens: int) -> None:
        candidates, shown = self._look_around(request)
        layout.update(candidates, shown, _room(budget_tokens))

    def _layout(self, uri: str) -> Layout:
        """The document's, which is from now on the last used."""
        layout = self._layouts.pop(uri, None)
        if layout is None:
            last = next(reversed(self._layouts.values()), None)
            layout = Layout(self._cost, last.candidates if last is not None else ())
        self._layouts[uri] = layout
        return layout

    def _has_moved(self, uri: str, place: _Place) -> bool:
        last = self._places.get(uri)
        return last is None or last.following != place.following or abs(last.offset - place.offset) > _DRIFT_CHARACTERS

    def _look_around(self, request: SuggestionRequest) -> tuple[list[Candidate], Lines]:
        """What could be told of the project at a place, best first, and the lines that the prompt shows anyway."""
        with self._lock:
            visited, buffers = self._ring.chunks, tuple(self._buffers.values())
        shown = text_around(request.buffer.text, request.offset, _SHOWN)
        return ranked(list(self._candidates(request, shown, visited, buffers))), line_set(shown)

    def _cost(self, chunk: Chunk) -> int:
        return self._count_tokens(f"{chunk.path}\n") + self._count_tokens(chunk.text) + _SEPARATORS

    def _update_index(self, but_for: str = "") -> None:
        with self._lock:
            buffers = [buffer for buffer in self._buffers.values() if buffer.uri != but_for]
            gone = [buffer for buffer in self._closed if buffer.uri not in self._buffers]
            self._closed.clear()
        for buffer in gone:
            if self._indexed.pop(buffer.uri, None) is not None:
                self._index.release(self.path(buffer))
            for known in (self._layouts, self._places, self._considered):
                known.pop(buffer.uri, None)
        for buffer in buffers:
            grammar = grammar_of(buffer.language_id, buffer.path)
            if grammar is not None and self._indexed.get(buffer.uri) != buffer.version:
                self._index.edit(self.path(buffer), buffer.text, grammar)
                self._indexed[buffer.uri] = buffer.version

    def _candidates(
        self, request: SuggestionRequest, shown: str, visited: tuple[Visited, ...], buffers: tuple[Buffer, ...]
    ) -> Iterator[Candidate]:
        path = self.path(request.buffer)
        grammar = grammar_of(request.buffer.language_id, request.buffer.path)
        near = words(shown)
        if grammar is not None:
            self._index.start(path)
            scope = scope_at(request.buffer.text, request.offset, grammar, path)
            for found in used_definitions(scope, path, LANGUAGES[grammar], self._index):
                if not all(line in shown for line in found.lines):
                    yield found
        for age, chunk in enumerate(reversed(visited)):
            score = visited_score(age, len(visited), shared_words(chunk.text, near))
            yield Candidate(Chunk(chunk.path, chunk.text), score)
        for buffer in buffers:
            if buffer.uri != request.buffer.uri and (text := self._digest(buffer)):
                yield Candidate(Chunk(self.path(buffer), text), open_score(shared_words(text, near)))

    def _digest(self, buffer: Buffer) -> str:
        """What an open document is about: the first lines of its definitions, else its own first lines."""
        lines: list[str] = []
        for definition in self._index.definitions(self.path(buffer)):
            lines += definition.text.split("\n")
            if len(lines) >= _OPEN_LINES:
                break
        if not lines:
            first = text_around(buffer.text, 0, Extent(0, _OPEN_LINES - 1))
            return first if first.strip() else ""
        return "".join(f"{line}\n" for line in lines[:_OPEN_LINES])


def _room(budget_tokens: int) -> int:
    return max(0, budget_tokens - _AROUND_CHUNKS)


def _place(request: SuggestionRequest) -> _Place:
    text = request.buffer.text
    line_end = text.find("\n", request.offset)
    following = text[line_end : line_end + _FOLLOWING_CHARACTERS] if line_end >= 0 else ""
    return _Place(request.offset, following)
