"""Writing an editor's configuration: nothing that is there is overwritten, and what is added to is kept beside."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from assistant.editors.setups import Setup
from assistant.errors import UsageError


@dataclass(frozen=True, slots=True)
class Step:
    """One file to write.

    Attributes:
        path: the file.
        text: its whole new text.
        action: it is made (`create`), or added to (`add`).
    """

    path: Path
    text: str
    action: Literal["create", "add"]

    @property
    def backup(self) -> Path:
        """Where the file's old text is kept."""
        return self.path.with_name(self.path.name + ".before-sned")


def plan(setup: Setup) -> list[Step]:
    """What has to be written for an editor: nothing where it is set up already.

    Raises:
        UsageError: a file is there that the configuration cannot be added to, or it cannot be read.
    """
    steps = []
    for path, text in setup.files():
        old = _read(path)
        if old is None:
            steps.append(Step(path, text, "create"))
        elif text.strip() in old:
            continue
        elif setup.joining == "end":
            steps.append(Step(path, f"{old.rstrip()}\n\n{text}", "add"))
        elif setup.joining == "own":
            raise UsageError(f"{path} is there already and differs; remove it, and then write it anew.")
        else:
            raise UsageError(
                f"{path} is there already, and only you can tell where this belongs in it; "
                f"add by hand what sned setup {setup.name} prints."
            )
    return steps


def write(step: Step) -> None:
    """Writes a file, whole or not at all; its old text is kept in `step.backup`.

    Raises:
        UsageError: a backup is there from before.
    """
    step.path.parent.mkdir(parents=True, exist_ok=True)
    if step.action == "add":
        if step.backup.exists():
            raise UsageError(f"{step.backup} is there already; remove it if you do not need it, and try again.")
        step.backup.write_bytes(step.path.read_bytes())
    beside = step.path.with_name(step.path.name + ".new")
    beside.write_text(step.text, encoding="utf-8", newline="\n")
    # Through links, so that a configuration kept elsewhere stays there.
    beside.replace(step.path.resolve())


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise UsageError(f"{path} is not a text file ({error}); add the configuration by hand.") from error
