"""One file from one source of any kind."""

import hashlib
from pathlib import Path

from assistant.catalog import FileSource, HttpSource, HuggingFaceSource, Source, WheelPartsSource
from assistant.fetch import http, huggingface, local_file, wheel_parts
from assistant.fetch.transfer import Delivered, Expected, Listener


def download(source: Source, installation: Path, expected: Expected, listener: Listener) -> Delivered:
    """The file, going on from what an earlier run left in the folder `installation`.

    Raises:
        SourceError: it cannot be had, or is not the expected one.
        FetchError: no space for it.
    """
    # A folder for each source: a part from one is never gone on with from another.
    work = installation / f"{source.kind}-{hashlib.sha256(source.model_dump_json().encode()).hexdigest()[:8]}"
    work.mkdir(exist_ok=True)
    match source:
        case HuggingFaceSource():
            return huggingface.download(source, work, expected, listener)
        case HttpSource():
            return http.download(source, work, expected, listener)
        case FileSource():
            return local_file.download(source, work, expected, listener)
        case WheelPartsSource():
            return wheel_parts.download(source, work, expected, listener)
