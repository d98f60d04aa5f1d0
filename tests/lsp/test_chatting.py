"""`sned.explain` and `sned.chat`: answers that stream, that the user can stop, and what is refused."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from tests.lsp.editor import Editor

pytestmark = [pytest.mark.model, pytest.mark.asyncio(loop_scope="module")]

CODE = "def average(values):\n    return sum(values) / len(values)\n\n\nprint(average([1, 2]))\n"
SLOW = [sys.executable, "-m", "tests.lsp.slow_server", "0.05"]


def lines(first: int, last: int) -> types.Range:
    return types.Range(types.Position(first, 0), types.Position(last, 0))


FUNCTION = lines(0, 2)


def kinds(editor: Editor, token: Any) -> list[str]:
    return [report.kind for report in editor.client.progress_reports[token]]


async def test_an_explanation_streams_and_is_given_whole(editor: Editor) -> None:
    uri = editor.open("file:///explain.py", CODE)
    editor.answers.clear()
    answer = await editor.answer_to("sned.explain", uri, FUNCTION, token="mine")
    assert answer["text"].strip()  # what it says depends on rounding, and so on how its prompt was cut
    assert (answer["finished"], answer["notice"]) == (True, None)
    assert answer["model"]
    assert len(editor.answers) > 10
    assert "".join(part.text for part in editor.answers) == answer["text"]
    assert {(part.token, part.command, part.document) for part in editor.answers} == {("mine", "sned.explain", uri)}
    assert kinds(editor, "mine")[0] == "begin"
    assert "report" in kinds(editor, "mine")
    assert kinds(editor, "mine")[-1] == "end"


async def test_without_a_token_of_its_own_the_client_is_asked_to_show_progress(editor: Editor) -> None:
    uri = editor.open("file:///own.py", CODE)
    editor.answers.clear()
    assert await editor.command_result("sned.chat", uri, FUNCTION, "Answer yes or no: is this Python?")
    (token,) = {part.token for part in editor.answers}
    assert kinds(editor, token)[-1] == "end"


async def test_a_question_is_answered_after_earlier_ones(editor: Editor) -> None:
    uri = editor.open("file:///chat.py", CODE)
    earlier = [
        {"role": "user", "text": "From now on, call the function `zebra` in your answers."},
        {"role": "assistant", "text": "I will call it `zebra`."},
    ]
    question = "What did I tell you to call the function? Answer with the name alone."
    answer = await editor.command_result("sned.chat", uri, FUNCTION, question, earlier)
    assert "zebra" in answer["text"]
    assert "zebra" not in (await editor.command_result("sned.chat", uri, FUNCTION, question))["text"]


@pytest.mark.parametrize(
    ("earlier", "named"),
    [
        ([{"role": "robot", "text": "x"}], "robot"),
        ([{"role": "user"}], "text"),
        ([{"role": "user", "text": "x"}], "in turn, and are user"),
        ("yes", "yes"),
    ],
)
async def test_earlier_messages_that_are_none_are_an_error_that_names_them(
    editor: Editor, earlier: Any, named: str
) -> None:
    uri = editor.open("file:///bad.py", CODE)
    with pytest.raises(JsonRpcException, match=named):
        await editor.command_result("sned.chat", uri, FUNCTION, "Why?", earlier)


async def test_nothing_selected_and_nothing_open_are_told(editor: Editor) -> None:
    uri = editor.open("file:///nothing.py", CODE)
    assert await editor.command_result("sned.explain", uri, lines(2, 4)) is None
    assert await editor.message("No code is selected")
    assert await editor.command_result("sned.explain", "file:///closed.py", FUNCTION) is None
    assert await editor.message("file:///closed.py is not open")
    assert await editor.command_result("sned.chat", uri, FUNCTION, " ") is None
    assert await editor.message("The question is empty")


async def test_a_selection_longer_than_the_context_is_refused_with_the_next_step(editor: Editor) -> None:
    uri = editor.open("file:///long.py", "total = first + second * third\n" * 2000)
    assert await editor.command_result("sned.explain", uri, lines(0, 2000)) is None
    assert "choose less of it" in await editor.message("the model has room for")


async def test_the_chat_model_answers_where_one_is_set(
    model_settings: dict[str, Any], base_model: Path, tmp_path: Path
) -> None:
    other = tmp_path / "talker.gguf"
    other.symlink_to(base_model)
    async with Editor([tmp_path], model_settings | {"chatModel": str(other)}) as editor:
        uri = editor.open("file:///model.py", CODE)
        answer = await editor.command_result("sned.chat", uri, FUNCTION, "Answer yes or no: is this Python?")
        assert answer["model"] == "talker"
        assert await editor.ask(editor.open("file:///ask.py", "def add(a, b):\n    return "), 1, 11)
        models = {session["model"] for session in (await editor.command_result("sned.status"))["sessions"]}
        assert "talker" not in models


async def test_a_chat_model_that_is_not_there_is_named(model_settings: dict[str, Any]) -> None:
    async with Editor(settings=model_settings | {"chatModel": "gpt-17"}) as editor:
        assert "'gpt-17'" in await editor.message("sned.chatModel")


async def test_suggestions_come_while_an_answer_is_written() -> None:
    async with Editor(command=SLOW) as editor:
        uri = editor.open("file:///between.py", CODE)
        editor.answers.clear()
        explaining = asyncio.ensure_future(editor.command_result("sned.explain", uri, FUNCTION))
        while len(editor.answers) < 3:
            await asyncio.sleep(0.01)
        # As many pieces as the explanation has: one after the other, the explanation would have ended first.
        assert await editor.ask(editor.open("file:///typed.py", "value = "), 0, 8)
        assert not explaining.done()
        answer = await explaining
        assert answer["finished"]
        assert "".join(part.text for part in editor.answers) == answer["text"]


async def test_an_answer_is_stopped_by_its_progress() -> None:
    async with Editor(command=SLOW) as editor:
        uri = editor.open("file:///stop.py", CODE)
        asked = asyncio.ensure_future(editor.answer_to("sned.explain", uri, FUNCTION, token="stop"))
        await heard(editor)
        editor.client.window_work_done_progress_cancel(types.WorkDoneProgressCancelParams("stop"))
        assert await asked is None
        count = len(editor.answers)
        assert (await editor.status("was cancelled")).document == uri
        assert kinds(editor, "stop")[-1] == "end"
        assert await editor.ask(uri, 1, 11)  # the engine is free
        assert len(editor.answers) == count < 40


async def test_an_answer_is_stopped_with_its_request() -> None:
    async with Editor(command=SLOW) as editor:
        uri = editor.open("file:///stop.py", CODE)
        params = types.ExecuteCommandParams("sned.explain", [uri, FUNCTION], "stop")
        editor.client.progress_reports["stop"] = []
        asked = editor.client.protocol.send_request("workspace/executeCommand", params, msg_id="one")
        await heard(editor)
        editor.client.cancel_request(types.CancelParams(id="one"))
        with pytest.raises(JsonRpcException, match="cancel"):
            await asyncio.wrap_future(asked)
        assert await editor.ask(uri, 1, 11)
        assert len(editor.answers) < 40


async def test_neither_typing_nor_another_question_stops_an_answer() -> None:
    async with Editor(command=SLOW) as editor:
        uri = editor.open("file:///busy.py", CODE)
        asked = asyncio.ensure_future(editor.answer_to("sned.explain", uri, FUNCTION, token="first"))
        await heard(editor)
        editor.insert(uri, 1, 0, " ")
        suggestion = asyncio.ensure_future(editor.ask(uri, 1, 12))
        second = asyncio.ensure_future(editor.answer_to("sned.chat", uri, FUNCTION, "Why?", token="second"))
        answers = await asyncio.gather(asked, second)
        assert all(answer["finished"] for answer in answers)
        assert await suggestion
        assert {part.token for part in editor.answers} == {"first", "second"}


async def test_a_model_closed_meanwhile_ends_the_answer_with_the_reason() -> None:
    async with Editor(command=SLOW) as editor:
        uri = editor.open("file:///closed.py", CODE)
        await editor.status("is open")
        asked = asyncio.ensure_future(editor.answer_to("sned.explain", uri, FUNCTION))
        await heard(editor)
        await editor.command_result("sned.restart")
        assert await asked is None
        assert await editor.status("its model was closed")


async def test_an_engine_that_fails_is_told() -> None:
    async with Editor(command=[*SLOW, "always"]) as editor:
        uri = editor.open("file:///fails.py", CODE)
        assert await editor.command_result("sned.explain", uri, FUNCTION) is None
        assert "sned.restart" in await editor.message("the engine's thread was killed")


async def heard(editor: Editor) -> None:
    """Waits for a first piece of an answer."""
    async with asyncio.timeout(60):
        while not editor.answers:
            await asyncio.sleep(0.01)
