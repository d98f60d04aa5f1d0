"""What the user prefers of the chat: `chat.toml` beside the settings file, read without what settings need."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from assistant.errors import UsageError

THEMES = {"dark": "textual-dark", "light": "textual-light"}


@dataclass(frozen=True, slots=True)
class Preferences:
    """How the chat looks, and its keys.

    Attributes:
        theme: a theme of Textual's.
        keys: keys by what they do, such as `{"retry": "f5"}`; several are separated by commas.
    """

    theme: str = THEMES["dark"]
    keys: Mapping[str, str] = field(default_factory=dict)


def preferences_file() -> Path:
    """Where preferences are looked for."""
    return Path(platformdirs.user_config_dir("sned")) / "chat.toml"


def load_preferences(theme: str | None = None) -> Preferences:
    """The preferences in force; `theme` goes before the file's.

    Raises:
        UsageError: the file does not parse, or has what is not known.
    """
    path = preferences_file()
    try:
        given: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        given = {}
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}; mend or remove it.") from error
    if unknown := sorted(set(given) - {"theme", "keys"}):
        raise UsageError(f"{path} has {unknown[0]!r}, which is not known; it may have theme and [keys].")
    keys = given.get("keys", {})
    if not isinstance(keys, dict) or not all(isinstance(key, str) for key in keys.values()):
        raise UsageError(f'{path}: [keys] has to hold lines such as retry = "f5".')
    chosen = theme or given.get("theme", "dark")
    return Preferences(THEMES.get(chosen, chosen), keys)
