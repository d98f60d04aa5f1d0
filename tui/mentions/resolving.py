"""From what is named to what the model reads."""

from pathlib import Path

from assistant.chat.attaching import of_changes, of_definition, of_file, of_folder, of_output
from assistant.chat.changes import git_diff
from assistant.chat.types import Attachment
from assistant.errors import UsageError
from assistant.source_file import read_source
from tui.code.definitions import places
from tui.mentions.parsing import Mention

_LISTED = 200


def resolve(mention: Mention, root: Path, output: tuple[str, str] | None = None) -> Attachment:
    """What is read for a mention; `output` is the last command with what it wrote.

    Raises:
        UsageError: there is no such thing in the project, or it cannot be read.
    """
    path = root / mention.path
    if mention.path == "diff" and not path.exists():
        return of_changes(git_diff(root))
    if mention.path == "output" and not path.exists():
        if output is None:
            raise UsageError("No command has been run yet, so there is no output; /run COMMAND runs one.")
        return of_output(*output)
    if path.is_dir():
        return of_folder(mention.path, _files_in(root, mention.path))
    if not path.exists():
        raise UsageError(f"There is no {mention.path} in {root}; after @ the names of files are completed.")
    text = read_source(path)
    if not mention.symbol:
        return of_file(mention.path, text)
    return of_definition(mention.symbol, mention.path, definition(mention, text))


def definition(mention: Mention, text: str) -> str:
    """The lines of a file that define the mention's symbol.

    Raises:
        UsageError: the file does not define it.
    """
    from assistant.grammars import grammar_of

    grammar = grammar_of(path=Path(mention.path))
    found = [place for place in places(text, grammar) if place.name == mention.symbol] if grammar is not None else []
    if not found:
        raise UsageError(f"{mention.path} defines no {mention.symbol}; after @{mention.path}# its names are completed.")
    lines = text.splitlines()
    return "\n\n".join("\n".join(lines[place.begin : place.end]) for place in found)


def _files_in(root: Path, folder: str) -> list[str]:
    from assistant.project_files import project_files

    prefix = "" if folder.strip("./") == "" else folder.rstrip("/") + "/"
    names = sorted(file.name for file in project_files(root, lambda error: None) if file.name.startswith(prefix))
    more = [f"… and {len(names) - _LISTED} more"] if len(names) > _LISTED else []
    return [*names[:_LISTED], *more]
