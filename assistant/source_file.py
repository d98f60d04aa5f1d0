"""A source file's text, as an editor would hold it."""

from pathlib import Path

from assistant.errors import UsageError


def read_source(path: Path) -> str:
    """The text of the file at `path`, its line ends as they are, without a byte order mark.

    Raises:
        UsageError: there is no such file, or it is a folder, cannot be read, or is not UTF-8 text.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}; give the path of a source file.") from None
    except NotADirectoryError:
        raise UsageError(f"There is no file {path}, as a part of that path is no folder.") from None
    except IsADirectoryError:
        raise UsageError(f"{path} is a folder; give the path of a source file in it.") from None
    except PermissionError as error:
        # Windows says this of a folder.
        what = "is a folder" if path.is_dir() else "cannot be read: you have no permission"
        raise UsageError(f"{path} {what}; give the path of a source file.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    return decode_source(data, str(path))


def decode_source(data: bytes, place: str) -> str:
    """Text from the bytes of a source file; `place` names it in errors.

    Raises:
        UsageError: it is binary, or not UTF-8.
    """
    if b"\0" in data:
        raise UsageError(f"{place} is binary, not text; give a source file.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{place} is not UTF-8 text (byte {error.start} is {data[error.start]:#04x}); convert it to UTF-8 first."
        ) from None
