"""What a server calls the version of a file that a partial file is of (RFC 9110, section 13.1.5)."""

import json
from pathlib import Path

import httpx2


class Validator:
    """The version, kept beside the partial file."""

    def __init__(self, path: Path) -> None:
        """Kept at `path`."""
        self._path = path

    @property
    def version(self) -> str | None:
        """What was remembered; None if nothing was, or a kill cut it short."""
        try:
            return str(json.loads(self._path.read_text(encoding="utf-8"))["version"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def condition(self) -> dict[str, str]:
        """The header that has the server send the whole file if it is another one by now."""
        version = self.version
        return {} if version is None else {"If-Range": version}

    def remember(self, headers: httpx2.Headers) -> None:
        """Keeps what the server calls the version it is about to send."""
        version = version_of(headers)
        if version is None:
            self._path.unlink(missing_ok=True)
        else:
            self._path.write_text(json.dumps({"version": version}), encoding="utf-8")


def version_of(headers: httpx2.Headers) -> str | None:
    """What a server calls the version it sends, if that can be asked for again: a strong ETag, or a date."""
    etag = headers.get("ETag", "")
    version = etag if etag.startswith('"') else headers.get("Last-Modified")
    return None if version is None else str(version)
