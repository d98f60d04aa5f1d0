"""The order of chunks: append-only between rebuilds, never over the budget."""

from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.context.layout import Candidate, Layout
from assistant.context.similarity import contained, line_set
from assistant.context.types import Chunk

NOWHERE = line_set("")

words = st.sampled_from([f"word{number}" for number in range(30)])
chunks = st.builds(
    lambda path, lines: Chunk(f"{path}.py", "".join(f"{line}\n" for line in lines)),
    st.sampled_from("abc"),
    st.lists(words, min_size=1, max_size=8, unique=True),
)
candidates = st.lists(
    st.builds(Candidate, chunks, st.floats(0.01, 10)), max_size=8, unique_by=lambda candidate: candidate.chunk
).map(lambda found: sorted(found, key=lambda candidate: -candidate.score))
steps = st.lists(
    st.tuples(
        candidates, st.lists(words, max_size=4).map(lambda lines: line_set("\n".join(lines))), st.integers(0, 30)
    ),
    max_size=12,
)


def cost(chunk: Chunk) -> int:
    return chunk.text.count("\n")


def candidate(name: str, score: float, lines: int = 4) -> Candidate:
    return Candidate(Chunk(f"{name}.py", "".join(f"{name}_{number}\n" for number in range(lines))), score)


def names(layout: Layout) -> str:
    return "".join(chunk.path.removesuffix(".py") for chunk in layout.chunks)


@settings(max_examples=300)
@given(steps)
def test_prompts_extend_each_other_between_rebuilds_within_the_budget(
    updates: list[tuple[list[Candidate], frozenset[str], int]],
) -> None:
    layout, again = Layout(cost), Layout(cost)
    for found, surroundings, budget in updates:
        before, rebuilds = layout.chunks, layout.rebuilds
        layout.update(found, surroundings, budget)
        again.update(found, surroundings, budget)
        after = layout.chunks
        assert after == again.chunks
        assert layout.tokens == sum(map(cost, after)) <= budget
        assert (layout.rebuilds > rebuilds) == (after[: len(before)] != before)
        assert len(set(after)) == len(after)
        assert all(contained(line_set(chunk.text), surroundings) < 0.5 for chunk in after)
        # What stays keeps its order, so that the common beginning is as long as can be.
        stayed = [chunk for chunk in before if chunk in after]
        assert [chunk for chunk in after if chunk in before] == stayed


def test_new_chunks_go_to_the_end_even_if_they_are_better() -> None:
    layout = Layout(cost)
    layout.update([candidate("a", 1)], NOWHERE, 40)
    layout.update([candidate("b", 9), candidate("a", 1)], NOWHERE, 40)
    assert names(layout) == "ab"
    assert layout.rebuilds == 0


def scored(**scores: float) -> list[Candidate]:
    return sorted((candidate(name, score) for name, score in scores.items()), key=lambda each: -each.score)


def test_room_is_kept_for_what_is_no_less_useful_later() -> None:
    layout = Layout(cost)
    layout.update(scored(a=5, b=4, c=3, d=2), NOWHERE, 20)
    assert names(layout) == "abc"
    layout.update(scored(a=5, b=4, c=3, d=2, e=4.5, f=4.2), NOWHERE, 20)
    assert names(layout) == "abcef"
    assert layout.tokens == 20


def test_a_full_prompt_is_rebuilt_for_something_much_better_and_leaves_room_again() -> None:
    layout = Layout(cost)
    layout.update(scored(a=5, b=4, c=3), NOWHERE, 20)
    layout.update(scored(a=5, b=4, c=3, e=4.5, f=4.2), NOWHERE, 20)
    layout.update(scored(a=5, b=4, c=3, e=4.5, f=4.2, g=7), NOWHERE, 20)
    assert names(layout) == "aeg"
    assert layout.tokens == 12
    assert layout.rebuilds == 1


def test_a_full_prompt_stays_when_what_is_new_is_little_better() -> None:
    layout = Layout(cost)
    layout.update(scored(a=5, b=4, c=3), NOWHERE, 12)
    layout.update(scored(a=5, b=4, c=3, d=5), NOWHERE, 12)
    assert names(layout) == "abd"
    layout.update(scored(a=5, b=4, c=3, d=5, e=6), NOWHERE, 12)
    assert names(layout) == "abd"
    assert layout.rebuilds == 0


def test_what_nothing_speaks_for_any_more_gives_way_in_time() -> None:
    layout = Layout(cost)
    layout.update(scored(a=3, b=3), NOWHERE, 12)
    layout.update(scored(a=3, b=3, c=3), NOWHERE, 12)
    layout.update(scored(a=3, b=3, c=3, d=4), NOWHERE, 12)
    assert names(layout) == "abc"
    layout.update(scored(b=3, c=3, d=4), NOWHERE, 12)
    assert names(layout) == "bd"


def test_chunks_that_say_the_same_are_taken_once() -> None:
    layout = Layout(cost)
    layout.update([candidate("a", 2), Candidate(Chunk("copy.py", "a_1\na_2\n"), 1)], NOWHERE, 40)
    assert names(layout) == "a"


def test_what_the_cursors_surroundings_say_is_dropped() -> None:
    layout = Layout(cost)
    layout.update([candidate("a", 2), candidate("b", 1)], NOWHERE, 40)
    layout.update([candidate("a", 2), candidate("b", 1)], line_set("a_0\na_1"), 40)
    assert names(layout) == "b"
    assert layout.rebuilds == 1


def test_one_chunk_does_not_take_all() -> None:
    layout = Layout(cost)
    layout.update([candidate("a", 2, lines=30), candidate("b", 1)], NOWHERE, 40)
    assert names(layout) == "b"


def test_a_new_documents_prompt_begins_as_the_last_ones() -> None:
    last = Layout(cost)
    last.update([candidate("a", 2)], NOWHERE, 40)
    layout = Layout(cost, last.candidates)
    layout.update([candidate("b", 5)], NOWHERE, 40)
    assert names(layout) == "ab"
    assert names(last) == "a"
