"""Draws docs/chat.svg: the chat about this repository, with what the default model really answers.

python scripts/chat_picture.py        # after `sned fetch`
"""

import asyncio
import re
from pathlib import Path

from tui.app import ChatApp
from tui.opening import Opening

ROOT = Path(__file__).resolve().parent.parent
QUESTION = "Write a pytest test of @assistant/durable.py#write_text that uses tmp_path. Show the code first."


class Unkept(Opening):
    """Begins without the user's own sessions."""

    async def begin(self, app: ChatApp) -> None:
        """Keeps nothing."""
        from tui.history.store import History

        app.talk.history.close()
        app.talk.history = History(None)


async def main() -> None:
    app = ChatApp(ROOT, opening=Unkept())
    async with app.run_test(size=(100, 32)) as pilot:
        while app.models.open is None:
            await pilot.pause(0.1)
        app.prompt.cursor_blink = False
        app.prompt.write(QUESTION)
        await pilot.press("enter")
        while len(app.talk.branch) < 2 or app.answering.busy:
            await pilot.pause(0.1)
        for toast in app.query("Toast"):
            toast.remove()
        await pilot.pause(0.5)
        picture = app.export_screenshot(title="sned chat")
    picture = re.sub(r"\s*@font-face \{.*?\}", "", re.sub(r"terminal-\d+", "terminal", picture), flags=re.DOTALL)
    (ROOT / "docs" / "chat.svg").write_text(picture.replace(ROOT.name, "sned"), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
