"""Completions that end while they are generated: what is kept, why, and that nothing more is decoded."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.engine.protocol import StopReason, Usage
from assistant.filters import Lines
from assistant.finishing import Ending, Finished, Refusal, Surroundings, cuts_for, finish
from assistant.grammars import Grammar
from assistant.streaming import Stream


class Written:
    """A generation of known pieces that counts those it was asked for."""

    usage = Usage(0, 0, 0, 0, 0.0, 0.0, StopReason.LIMIT)

    def __init__(self, *pieces: str) -> None:
        self._pieces = pieces
        self.read = 0

    def __iter__(self) -> Iterator[str]:
        for piece in self._pieces:
            self.read += 1
            yield piece

    def close(self) -> None:
        """Nothing is held."""


def streamed(
    before: str, written: Written, lines: Lines = Lines.MANY, *, grammar: Grammar | None = None, automatic: bool = True
) -> tuple[Stream, Finished]:
    around = Surroundings.read(before, "\n", grammar, lines)
    stream = Stream(cuts_for(around.lines, max_lines=16), around.site)
    stream.read(written)
    return stream, finish(stream.text, around, stream.ending, automatic=automatic)


@pytest.mark.parametrize("lines", [Lines.ONE, Lines.MANY])
def test_a_loop_ends_the_completion(lines: Lines) -> None:
    written = Written("x = ", *["foo", "."] * 60)
    stream, _ = streamed("", written, lines)
    assert (stream.text, stream.ending) == ("x = ", Ending.LOOP)
    assert written.read == 17


@pytest.mark.parametrize("automatic", [False, True])
def test_a_loop_that_leaves_nothing_says_so(automatic: bool) -> None:
    for begin in ("", "x = ", ") + "):
        written = Written(begin, *["sqzs"] * 20)
        _, finished = streamed("y = 1\n", written, grammar=Grammar.PYTHON, automatic=automatic)
        assert finished == Finished("", Refusal.REPEATS_ABOVE)


def test_what_stands_before_a_loop_is_offered() -> None:
    loop = ["third", " or "] * 20
    _, finished = streamed("", Written("first = 1\n", "second = ", *loop))
    assert finished == Finished("first = 1")
    _, finished = streamed("return ", Written("first(", "value) or ", *loop), Lines.ONE, grammar=Grammar.PYTHON)
    assert finished == Finished("first(value)")


def test_what_the_user_typed_is_not_gone_on_with_for_ever() -> None:
    written = Written(*["sq", "zs"] * 60)
    stream, finished = streamed("sqzs" * 6, written)
    assert finished == Finished("", Refusal.REPEATS_ABOVE)
    assert written.read == 6
    assert stream.ending is Ending.LOOP


def test_a_table_is_written_to_its_end() -> None:
    rows = ["[", *["0, "] * 15, "0],\n"] * 3
    stream, _ = streamed("grid = [\n", Written(*rows, "]"))
    assert stream.text.count("0") >= 16
    assert stream.ending is not Ending.LOOP


@given(st.text("abx(). ", min_size=2, max_size=30).filter(lambda unit: unit.strip(" ().")), st.data())
def test_a_loop_is_read_only_a_little_way_however_it_is_cut_into_pieces(unit: str, data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 8), min_size=1, max_size=8))
    text, pieces = unit * 200, []
    while text:
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(text[:size])
        text = text[size:]
    written = Written(*pieces)
    stream, _ = streamed("", written, Lines.ONE)
    assert stream.ending is Ending.LOOP
    assert sum(map(len, pieces[: written.read])) <= 8 * 30 + 8
