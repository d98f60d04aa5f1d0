"""All keys by the names with which `chat.toml` changes them."""

from collections.abc import Mapping

from textual.binding import Binding


def named_keys(changed: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Name, key and meaning of all that keys do, in the order of the screens; `changed` has the user's own."""
    from tui.app import ChatApp
    from tui.screens.help import Help
    from tui.screens.models import ModelPicker
    from tui.screens.progress import Progress
    from tui.screens.question import Question
    from tui.screens.review import Review
    from tui.screens.sessions import SessionList
    from tui.widgets.message import MessageView
    from tui.widgets.prompt import Prompt

    places = (Prompt, ChatApp, MessageView, Review, SessionList, ModelPicker, Question, Progress, Help)
    return [
        (binding.id, changed.get(binding.id, binding.key), binding.description)
        for place in places
        for binding in place.BINDINGS
        if isinstance(binding, Binding) and binding.id is not None
    ]
