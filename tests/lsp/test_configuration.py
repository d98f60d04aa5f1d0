"""Settings in three ways, and bad ones."""

import asyncio
from typing import Any

import pytest
from lsprotocol import types

from tests.lsp.editor import Editor, capabilities

pytestmark = pytest.mark.asyncio(loop_scope="module")

ADD = "def add(a, b):\n    return "
OFF = "switched off"


@pytest.mark.model
async def test_at_initialisation(model_settings: dict[str, Any]) -> None:
    async with Editor([], model_settings | {"enabled": False}) as editor:
        uri = editor.open("file:///a.py", ADD)
        assert await editor.ask(uri, 1, 11) is None
        assert OFF in (await editor.status("disabled")).message


@pytest.mark.model
async def test_pushed(model_settings: dict[str, Any]) -> None:
    async with Editor([], model_settings) as editor:
        uri = editor.open("file:///a.py", ADD)
        assert await editor.ask(uri, 1, 11)
        editor.client.workspace_did_change_configuration(
            types.DidChangeConfigurationParams({"sned": {"disabledLanguages": ["python"]}})
        )
        assert await editor.ask(uri, 1, 11) is None
        editor.client.workspace_did_change_configuration(
            types.DidChangeConfigurationParams({"disabledLanguages": [], "alternatives": False})
        )
        assert await editor.ask(uri, 1, 11) == ["a + b"]


@pytest.mark.model
async def test_asked_for_at_the_start_and_when_the_client_says_they_changed(model_settings: dict[str, Any]) -> None:
    off = {"automatic": False}
    async with Editor([], model_settings, capabilities(configuration=True), configuration=off) as editor:
        uri = editor.open("file:///a.py", ADD)
        async with asyncio.timeout(30):
            while await editor.ask(uri, 1, 11, by_key=False) is not None:
                await asyncio.sleep(0.05)
        assert await editor.ask(uri, 1, 11, by_key=True)
        editor.client.set_configuration({"sned": {"automatic": True}})
        editor.client.workspace_did_change_configuration(types.DidChangeConfigurationParams(None))
        async with asyncio.timeout(30):
            while not await editor.ask(uri, 1, 11, by_key=False):
                await asyncio.sleep(0.05)


async def test_a_bad_field_is_named_and_the_others_hold() -> None:
    async with Editor([], {"maxTokens": "many", "enabled": False, "colour": "red"}) as editor:
        assert "sned.maxTokens is not usable" in await editor.message("maxTokens")
        assert "(got 'many'); it stays 128." in await editor.message("maxTokens")
        assert "There is no setting sned.colour" in await editor.message("colour")
        uri = editor.open("file:///a.py", ADD)
        assert await editor.ask(uri, 1, 11) is None
        assert OFF in (await editor.status("disabled")).message


async def test_an_unknown_model_is_named() -> None:
    async with Editor([], {"model": "gpt-17", "enabled": False}) as editor:
        assert "'gpt-17'" in await editor.message("sned.model")


async def test_settings_that_are_no_object_change_nothing() -> None:
    async with Editor([], {"enabled": False}) as editor:
        editor.client.workspace_did_change_configuration(types.DidChangeConfigurationParams([1, 2]))
        assert "have to be an object" in await editor.message("object")
