"""A small file, read whole: an index, or its signature."""

import stat
import time
from collections.abc import Mapping

import httpx2
from huggingface_hub import constants, hf_hub_url
from huggingface_hub.utils._headers import build_hf_headers

from assistant.fetch.connection import BrokenOffError, insist, is_safe, opened, refuse
from assistant.fetch.transfer import SourceError
from assistant.publishing.places import FolderPlace, HubPlace, Place, WebPlace

# From the first byte to the last: a server that sends one now and then is not waited for.
_SECONDS = 60.0


def read_document(place: Place, name: str, limit: int) -> bytes | None:
    """The bytes of the file `name` in a place; None where it is not there.

    Raises:
        SourceError: it cannot be had, or has more than `limit` bytes.
    """
    match place:
        case FolderPlace():
            return _from_folder(place, name, limit)
        case WebPlace():
            return _from_web(f"{place.url}/{name}", {}, limit)
        case HubPlace():
            if constants.HF_HUB_OFFLINE:
                raise SourceError("HF_HUB_OFFLINE is set", unreachable=True)
            return _from_web(hf_hub_url(place.repo, name), build_hf_headers(), limit)


def _from_folder(place: FolderPlace, name: str, limit: int) -> bytes | None:
    path = place.path / name
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise SourceError(f"{name} is not a file")
        if facts.st_size > limit:
            raise _too_large(name, limit)
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SourceError(f"{name} cannot be read ({error.strerror})") from error


def _from_web(url: str, headers: Mapping[str, str], limit: int) -> bytes | None:
    data = bytearray()
    missing: list[bool] = []
    end = time.monotonic() + _SECONDS
    with opened(url, headers) as remote:
        if not is_safe(remote.url):
            raise SourceError(f"{url} would come unprotected; only https is asked")

        def attempt() -> None:
            data.clear()
            with remote.answer({}) as response:
                if response.status_code in (httpx2.codes.NOT_FOUND, httpx2.codes.GONE):
                    missing.append(True)
                    return
                if response.status_code != httpx2.codes.OK:
                    refuse(response)
                length = response.headers.get("Content-Length", "")
                promised = int(length) if length.isdecimal() and len(length) < 16 else None
                if promised is not None and promised > limit:
                    raise _too_large(url, limit)
                for chunk in response.iter_raw():
                    data.extend(chunk)
                    if len(data) > limit:
                        raise _too_large(url, limit)
                    if time.monotonic() > end:
                        raise SourceError(f"{url} takes more than {_SECONDS:.0f} seconds")
                if promised is not None and len(data) != promised:
                    raise BrokenOffError(f"{len(data)} of {promised} bytes came")

        insist(attempt, lambda: 0)
    return None if missing else bytes(data)


def _too_large(name: str, limit: int) -> SourceError:
    return SourceError(f"{name} has more than {limit:,} bytes")
