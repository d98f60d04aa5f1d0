"""Text that breaks screens is shown as text: control sequences, markup, long lines, every script, broken Markdown."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual import events
from textual.app import App, ComposeResult

from assistant.chat.visible import visible
from tests.tui.fakes import FakeBackend
from tests.tui.running import running
from tui.widgets.answer import AnswerText

TEXTS = {
    "control sequences": "a \x1b[31mred\x1b[0m b \x1b]0;title\x07 c \x9b2J d\x08\x7f",
    "markup": "[bold]not bold[/bold] [@click=app.quit]quit[/] [/] [red",
    "markup in code": "```\n[bold]x[/bold] [/]\n```\n`[/]` and **[/bold]**",
    "html": "<b>bold</b> <script>x</script> #include <vector>\n\n<div>\nblock\n</div>",
    "a long line": "x" * 50_000,
    "right to left": "שלום עולם `code` مرحبا \u202eevil\u202c",
    "emoji": "👩‍👩‍👧‍👦 🏳️‍🌈 é 한글 日本語 \u200b|",
    "unfinished fence": "```python\ndef f(",
    "unfinished table": "| a | b |\n|---|",
    "odd links": "[x](javascript:alert(1)) ![y](file:///etc/passwd) <http://example.org/> [a]('b')",
    "odd fence": '```{.python title="a]b"}\nx\n```\n~~~no/such,language\ny\n~~~',
    "deep": ">" * 60 + " quoted\n" + "- " * 40 + "deep",
    "line ends": "a\rb\r\nc\u2028d\x0be\x0cf\x85g",
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("streamed", [False, True], ids=["at once", "streamed"])
async def test_it_is_shown_and_the_chat_goes_on(name: str, streamed: bool, backend: FakeBackend, project: Path) -> None:
    text = TEXTS[name]
    step = max(1, len(text) // 40)
    pieces = [text[begin : begin + step] for begin in range(0, len(text), step)]
    backend.engine.pause = 0.01 if streamed else 0.0
    backend.engine.answers += [pieces if streamed else text, "[/] and on"]
    async with running(backend, project) as screen:
        await screen.say(text[:2000])
        await screen.say("next")
        assert "[/] and on" in screen.text()
        assert not [each for each in screen.text() if not each.isprintable() and each not in "\n\u200b\u200d"]
        # What was asked is what the prompt showed; what was answered is kept as it was.
        assert visible(text[:2000]).strip("\n") in backend.engine.prompts[0]
        assert screen.messages[1] == text


@pytest.mark.asyncio
async def test_control_sequences_and_markup_are_seen(backend: FakeBackend, project: Path) -> None:
    backend.engine.answers.append("\x1b[31mred [bold]b[/bold] <i>i</i>")
    async with running(backend, project) as screen:
        await screen.say("[red]x[/red]")
        assert "␛[31mred [bold]b[/bold] <i>i</i>" in screen.text()
        assert "[red]x[/red]" in screen.text()


@pytest.mark.asyncio
async def test_what_is_pasted_cannot_steer_the_screen(backend: FakeBackend, project: Path) -> None:
    async with running(backend, project) as screen:
        screen.app.prompt.post_message(events.Paste("two\nlines \x1b[31m[bold]"))
        await screen.until(lambda: screen.app.prompt.text == "two\nlines ␛[31m[bold]")


@pytest.mark.asyncio
async def test_a_link_opens_nothing(backend: FakeBackend, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda *arguments, **options: opened.append(str(arguments)))
    backend.engine.answers.append("[click here](https://example.org/x)")
    async with running(backend, project) as screen:
        await screen.say("link?")
        row = next(number for number, line in enumerate(screen.text().splitlines()) if "click here" in line)
        await screen.pilot.click(offset=(6, row))
        await screen.pilot.pause(0.1)
        assert opened == []


class Answer(App[None]):
    """An answer alone on the screen."""

    def compose(self) -> ComposeResult:
        yield AnswerText()


MARKDOWN = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "```",
                "```py\n",
                "\n",
                "\n\n",
                "- ",
                "1. ",
                "> ",
                "|",
                "---",
                "# ",
                "**",
                "`",
                "[",
                "](",
                ")",
                "    ",
                "<b>",
            ]
        ),
        st.text(max_size=8),
    ),
    max_size=25,
)


@pytest.mark.asyncio
async def test_any_markdown_in_any_pieces_ends_as_it_would_at_once() -> None:
    async with Answer().run_test() as pilot:
        answer = pilot.app.query_one(AnswerText)
        cases: list[list[str]] = []

        @given(MARKDOWN)
        @settings(max_examples=60)
        def collect(pieces: list[str]) -> None:
            cases.append(pieces)

        collect()
        for pieces in cases:
            await answer.update("")
            answer.writing = True
            for piece in pieces:
                await answer.append(visible(piece))
            answer.writing = False
            await answer.update(visible("".join(pieces)))
            assert answer.source == visible("".join(pieces))
