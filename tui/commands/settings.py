"""Commands on the session's model, system prompt and parameters."""

from dataclasses import replace
from typing import TYPE_CHECKING

from assistant.chat.attaching import CHATTING
from assistant.chat.types import ChatOptions
from assistant.errors import UsageError
from tui.commands.command import Command
from tui.talk import options_of

if TYPE_CHECKING:
    from tui.app import ChatApp

# Name, and the least and most it may be.
_PARAMETERS: dict[str, tuple[type[int] | type[float], float, float]] = {
    "max_tokens": (int, 1, 1_000_000),
    "temperature": (float, 0, 5),
    "seed": (int, 0, 2**32 - 1),
    "top_k": (int, 1, 1_000_000),
    "top_p": (float, 0, 1),
    "min_p": (float, 0, 1),
}
_DEFAULT = "default"


async def model(app: "ChatApp", arguments: str) -> None:
    """Chooses the session's model: by name, from a list, or by the project's language again."""
    name = arguments.strip()
    if not name:
        app.dialogs.models()
        return
    app.dialogs.use_model(None if name == _DEFAULT else name)


async def system(app: "ChatApp", arguments: str) -> None:
    """Sets the session's system prompt; without one it is put into the prompt to be changed."""
    if not arguments.strip():
        app.prompt.write(f"/system {app.talk.settings.system or CHATTING}")
        return
    text = None if arguments.strip() == _DEFAULT else arguments.strip()
    app.talk.configure(replace(app.talk.settings, system=text))
    app.tell("The system prompt holds from the next answer on." if text else "The program's own system prompt holds.")


async def params(app: "ChatApp", arguments: str) -> None:
    """Sets sampling parameters of the session, or tells them."""
    given = arguments.split()
    if given == [_DEFAULT]:
        app.talk.configure(replace(app.talk.settings, parameters={}))
    elif given:
        changed = dict(app.talk.settings.parameters) | dict(map(_parameter, given))
        app.talk.configure(replace(app.talk.settings, parameters=changed))
    options = options_of(app.talk.settings)
    app.tell(", ".join(f"{name}={getattr(options, name)}" for name in _PARAMETERS))


async def context(app: "ChatApp", arguments: str) -> None:
    """Tells what takes how much of the model's context."""
    from assistant.chat.types import Role

    model_open = app.models.open
    if model_open is None:
        raise UsageError("No model is loaded yet, so nothing can be counted.")
    count, size = app.attaching.count, model_open.engine.info.context
    said = {
        "system prompt": count(app.talk.settings.system or CHATTING),
        "messages": sum(count(each.text) for each in app.talk.branch),
        "attachments": sum(count(read.text) for each in app.talk.branch for read in each.attachments),
    }
    questions = sum(each.role is Role.USER for each in app.talk.branch)
    parts = ", ".join(f"{name} {tokens:,}" for name, tokens in said.items())
    kept = size - min(options_of(app.talk.settings).max_tokens, size // 2)
    app.tell(
        f"Of {size:,} tokens of context, {kept:,} are for the prompt: {parts} ({questions} questions). "
        "What does not fit is left out from the earliest on, with a notice; SNED_CONTEXT makes it larger."
    )


async def fetch(app: "ChatApp", arguments: str) -> None:
    """Fetches a model, with its progress here."""
    app.dialogs.get_model(("fetch", *arguments.split()))


async def build(app: "ChatApp", arguments: str) -> None:
    """Builds the sub-model of the project's language, with its progress here."""
    app.dialogs.get_model(("build", str(app.project), *arguments.split()))


def _parameter(given: str) -> tuple[str, float]:
    """A parameter and its value, checked.

    Raises:
        UsageError: there is none of that name, or its value cannot be.
    """
    name, _, text = given.partition("=")
    if name not in _PARAMETERS:
        raise UsageError(f"There is no parameter {name!r}; there are {', '.join(_PARAMETERS)}, each as NAME=VALUE.")
    kind, least, most = _PARAMETERS[name]
    try:
        value = kind(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        default = getattr(ChatOptions(), name)
        raise UsageError(f"{name} cannot be {text!r}; give a number from {least:g} to {most:g}, such as {default}.")
    return name, value


COMMANDS = (
    Command(
        "model",
        "[NAME]",
        "choose the session's model",
        model,
        choices=lambda app: [*(row.name for row in app.models.rows), _DEFAULT],
    ),
    Command("system", "[TEXT]", "set how the model is to answer; default takes it back", system),
    Command(
        "params",
        "[NAME=VALUE …]",
        "temperature, max_tokens, top_p, top_k, min_p, seed",
        params,
        choices=lambda app: [*(f"{name}=" for name in _PARAMETERS), _DEFAULT],
    ),
    Command("context", "", "what takes how much of the model's context", context),
    Command("fetch", "[NAME]", "fetch a base model", fetch),
    Command("build", "", "build the sub-model of the project's language", build),
)
