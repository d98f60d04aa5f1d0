"""The suggestion cache: what it answers is what the model said, less what has been typed."""

from hypothesis import given
from hypothesis import strategies as st

from assistant.suggestion.cache import SuggestionCache
from assistant.suggestion.closing import closers_of

texts = st.text(alphabet="ab(\n é", max_size=60)
suggestions = st.text(alphabet="ab(\n é", min_size=1, max_size=40)


@given(texts, texts, suggestions, st.data())
def test_typing_through_a_suggestion_leaves_its_rest(before: str, after: str, text: str, data: st.DataObject) -> None:
    cache = SuggestionCache()
    cache.put("a", before + after, len(before), text)
    typed = data.draw(st.integers(0, len(text) - 1))
    now = before + text[:typed] + after
    found = cache.find("a", now, len(before) + typed)
    assert found is not None
    # A suggestion that repeats itself may be found at a nearer place: it is the same text then.
    assert (text[:typed] + found).endswith(text[typed:]) or text.startswith(found)
    assert cache.find("a", before + after, len(before)) == text  # all deleted again


@given(texts, texts, suggestions, texts)
def test_nothing_is_offered_that_does_not_fit_what_was_typed(before: str, after: str, text: str, typed: str) -> None:
    cache = SuggestionCache()
    cache.put("a", before + after, len(before), text)
    now = before + typed
    found = cache.find("a", now + after, len(now))
    if found is not None:
        # Some place in the text is the suggestion's own, and from there on it is the suggestion that was typed.
        assert any(now[at:] + found == text for at in range(len(now) + 1))


def test_a_mismatch_answers_nothing_and_forgets_nothing() -> None:
    cache = SuggestionCache()
    cache.put("a", "x = \n", 4, "compute(1)")
    assert cache.find("a", "x = d\n", 5) is None
    assert cache.find("a", "x = c\n", 5) == "ompute(1)"
    assert cache.find("a", "x = compute(1)\n", 14) is None  # all of it was taken
    assert cache.find("b", "x = \n", 4) is None
    assert cache.find("a", "x = \ny\n", 4) is None
    assert cache.find("a", "y = \n", 4) is None


def test_a_long_beginning_accepted_at_once_is_found() -> None:
    cache = SuggestionCache()
    line = "value = " + "argument, " * 60
    cache.put("a", "", 0, f"{line}\nnext")
    assert cache.find("a", line, len(line)) == "\nnext"


def test_the_newest_suggestion_for_a_place_is_given() -> None:
    cache = SuggestionCache()
    cache.put("a", "x = ", 4, "old")
    cache.put("a", "x = ", 4, "new")
    assert cache.find("a", "x = ", 4) == "new"
    assert cache.find("a", "x = o", 5) == "ld"


def test_a_change_far_away_does_not_matter_and_a_near_one_does() -> None:
    cache = SuggestionCache()
    far, near = "a = 1\n" * 1000, "b = 2\n" * 100
    cache.put("a", far + near + "x = ", len(far + near) + 4, "1")
    assert cache.find("a", "c = 3\n" + far + near + "x = ", len(far + near) + 10) == "1"
    changed = far + "b = 3\n" * 100 + "x = "
    assert cache.find("a", changed, len(changed)) is None


def test_entries_and_bytes_are_bounded() -> None:
    cache = SuggestionCache(max_entries=3)
    for number in range(5):
        cache.put("a", f"x{number} = ", 5, "one")
    assert len(cache) == 3
    assert cache.find("a", "x1 = ", 5) is None
    assert cache.find("a", "x2 = ", 5) == "one"
    cache.put("a", "x5 = ", 5, "one")  # x3 was not used for longest
    assert cache.find("a", "x3 = ", 5) is None
    assert cache.find("a", "x2 = ", 5) == "one"

    small = SuggestionCache(max_bytes=10_000)
    small.put("a", "", 0, "x" * 10_000)
    assert len(small) == 0
    for number in range(20):
        small.put("a", f"x{number} = ", 5, "y" * 400)
    assert 0 < len(small) < 6


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.sampled_from(["a", "ab", "b"])), max_size=30))
def test_what_is_dropped_is_dropped_everywhere(puts: list[tuple[int, int, str]]) -> None:
    cache = SuggestionCache(max_entries=2)
    for document, offset, text in puts:
        cache.put(str(document), "abab", offset, text)
    assert len(cache) <= 2
    found = [cache.find(str(document), "abab", offset) for document in range(4) for offset in range(5)]
    assert bool(puts) == any(found)


@given(st.text(alphabet="ab([{", min_size=1, max_size=12), st.text(alphabet="ab.", max_size=6), texts, texts)
def test_what_an_editor_closes_by_itself_is_left_out(opened: str, inside: str, before: str, after: str) -> None:
    closers = closers_of(opened)
    cache = SuggestionCache()
    cache.put("a", before + after, len(before), opened + inside + closers + ".end()")
    now = before + opened + closers + after
    found = cache.find("a", now, len(before + opened))
    if closers and inside:
        assert found == inside  # up to the first bracket that is there
    elif closers:
        assert found is None


def test_typing_goes_on_between_and_behind_brackets_that_an_editor_closed() -> None:
    cache = SuggestionCache()
    cache.put("a", "x = \n", 4, 'f(a, "b")[0]')
    assert cache.find("a", "x = f()\n", 6) == 'a, "b"'
    assert cache.find("a", "x = f(a, )\n", 9) == '"b"'
    assert cache.find("a", 'x = f(a, "")\n', 10) == "b"
    assert cache.find("a", 'x = f(a, "b")\n', 13) == "[0]"
    assert cache.find("a", "x = f(c)\n", 7) is None
    assert cache.find("a", "x = f(]\n", 6) is None
