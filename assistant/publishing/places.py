"""Where sub-models are published: a repository of the Hugging Face hub, an address, or a folder."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from assistant.errors import UsageError
from assistant.manifest import MODEL_NAME
from assistant.publishing.index import INDEX_FILE

_HUB = "hf:"
_REPO = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")


@dataclass(frozen=True, slots=True)
class HubPlace:
    """A repository of the Hugging Face hub."""

    repo: str

    @property
    def description(self) -> str:
        """The place as users write it."""
        return f"{_HUB}{self.repo}"


@dataclass(frozen=True, slots=True)
class WebPlace:
    """A folder that a web server serves; `url` has no slash at its end."""

    url: str

    @property
    def description(self) -> str:
        """The place as users write it."""
        return self.url


@dataclass(frozen=True, slots=True)
class FolderPlace:
    """A folder of this machine, or one that is mounted here."""

    path: Path

    @property
    def description(self) -> str:
        """The place as users write it."""
        return str(self.path)


Place = HubPlace | WebPlace | FolderPlace


def looks_like_place(text: str) -> bool:
    """Whether `text` is written as a place, and not as a model's name."""
    return _SCHEME.match(text) is not None or "/" in text or "\\" in text or text.startswith((".", "~"))


def parse_place(text: str) -> tuple[Place, str | None]:
    """The place that `text` means, and the model that it names there, if any (`hf:REPO/NAME`).

    Raises:
        UsageError: it means none, or one that is not safe.
    """
    if text.startswith(_HUB):
        return _hub(text)
    scheme = _SCHEME.match(text)
    if scheme is None or (len(scheme[1]) == 1):  # a drive's letter is no scheme
        return FolderPlace(Path(text).expanduser().absolute()), None
    if scheme[1].lower() not in ("http", "https"):
        raise UsageError(f"{text!r} is no place of published models; give hf:REPO, an https address or a folder.")
    return _web(text), None


def _hub(text: str) -> tuple[HubPlace, str | None]:
    repo, name = text.removeprefix(_HUB), None
    if repo.count("/") == 2:
        repo, _, name = repo.rpartition("/")
    if not _REPO.fullmatch(repo) or (name is not None and not MODEL_NAME.fullmatch(name)):
        raise UsageError(f"{text!r} is no repository of the hub; write hf:OWNER/REPO or hf:OWNER/REPO/NAME.")
    return HubPlace(repo), name


def _web(text: str) -> WebPlace:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"{text!r} is no address ({error}).") from error
    if not host or parts.query or parts.fragment or not text.isprintable() or " " in text:
        raise UsageError(f"{text!r} is no address of a folder; give that of the folder which has {INDEX_FILE}.")
    if parts.username is not None or parts.password is not None:
        raise UsageError("A password in an address would be kept with the model; give the address without one.")
    if parts.scheme == "http" and not _is_loopback(host):
        raise UsageError(f"{text!r} would come unprotected; give an https address.")
    return WebPlace(text.rstrip("/").removesuffix(f"/{INDEX_FILE}").rstrip("/"))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
