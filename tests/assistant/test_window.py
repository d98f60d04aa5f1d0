"""Windows around the cursor."""

from hypothesis import example, given
from hypothesis import strategies as st

from assistant.window import WindowSize, window_after, window_before

CODE = "".join(f"value_{number} = {number} + offset\n" for number in range(2000))


def words(text: str) -> int:
    """A token count for tests: words, and line ends."""
    return len(text.split()) + text.count("\n")


lines = st.lists(st.text(alphabet="ab \t\u00e9", max_size=60), max_size=120).map("\n".join)
sizes = st.builds(WindowSize, st.integers(1, 200), st.integers(1, 200), st.sampled_from([1, 4, 16]))


@given(lines, sizes)
@example("a a a aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", WindowSize(1, 1))  # tokens that lie closer in one part of a line
def test_windows_touch_the_cursor_and_fit(text: str, size: WindowSize) -> None:
    before, after = window_before(text, size, words), window_after(text, size, words)
    assert text.endswith(before)
    assert text.startswith(after)
    assert words(before) <= size.before
    assert words(after) <= size.after


@given(lines, sizes)
def test_whole_texts_are_kept_where_they_fit(text: str, size: WindowSize) -> None:
    if len(text) <= size.before and words(text) <= size.before:
        assert window_before(text, size, words) == text


def test_windows_are_whole_lines() -> None:
    size = WindowSize(100, 100)
    assert window_before(CODE, size, words).startswith("value_")
    assert window_after(CODE, size, words).endswith("offset\n")


def test_most_of_the_budget_is_used() -> None:
    size = WindowSize(512, 128)
    assert words(window_before(CODE, size, words)) > 512 - 18 * 6
    assert words(window_after(CODE, size, words)) > 128 - 6


def test_the_start_moves_only_once_in_several_lines() -> None:
    starts = set()
    text = CODE
    for number in range(16):
        text += f"more_{number} = {number} + offset\n"
        starts.add(len(text) - len(window_before(text, WindowSize(512), words)))
    assert len(starts) <= 2


def test_typing_on_a_line_leaves_the_start_alone() -> None:
    text, starts = CODE, set()
    for character in "another = value_3":
        text += character
        starts.add(len(text) - len(window_before(text, WindowSize(512), words)))
    assert len(starts) <= 2


def test_a_line_too_long_is_cut_at_a_coarse_step() -> None:
    line = "a " * 400_000
    starts = set()
    for typed in range(100):
        text = line + "b " * typed
        window = window_before(text, WindowSize(512), words)
        assert 256 < words(window) <= 512
        starts.add(len(text) - len(window))
    assert len(starts) <= 2
    assert 0 < words(window_after(line, WindowSize(512, 128), words)) <= 128


def test_a_large_file_is_not_counted_whole() -> None:
    counted = 0

    def count(text: str) -> int:
        nonlocal counted
        counted += len(text)
        return words(text)

    window_before(CODE * 100, WindowSize(512), count)
    window_after(CODE * 100, WindowSize(512), count)
    assert counted < 30_000


def test_sizes_shrink_in_proportion() -> None:
    assert WindowSize(512, 128).within(1000) == WindowSize(512, 128)
    assert WindowSize(512, 128).within(320) == WindowSize(256, 64)
    assert WindowSize(512, 128).within(-5) == WindowSize(0, 0)
    assert window_before(CODE, WindowSize(0, 0), words) == ""
    assert window_after(CODE, WindowSize(0, 0), words) == ""
