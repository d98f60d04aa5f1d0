"""The editors that can be set up, with what is written where."""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Literal

from assistant.errors import UsageError

_TEMPLATES = files("assistant.editors")


@dataclass(frozen=True, slots=True)
class Setup:
    """How one editor is set up.

    Attributes:
        name: as `sned setup` takes it.
        title: as its users write it.
        templates: the files of the configuration: the template's name, and where it goes in the folder.
        folders: the folder they go to, on `linux`, `darwin` and `win32`; `~` and variables in it are replaced.
        joining: what becomes of a file that is there: `own` is nobody else's, so it is left alone; to `end` the
            configuration can be added; `merge` needs a hand.
        notes: what the user has to know besides.
    """

    name: str
    title: str
    templates: Mapping[str, str]
    folders: Mapping[str, str]
    joining: Literal["own", "end", "merge"]
    notes: str

    def files(self) -> Iterator[tuple[Path, str]]:
        """Where each file of the configuration goes on this machine, and its text."""
        for template, name in self.templates.items():
            yield self.folder() / name, self.text(template)

    def folder(self) -> Path:
        """The folder of the configuration on this machine."""
        folder = self.folders.get(sys.platform, self.folders["linux"])
        if folder.startswith("$XDG_CONFIG_HOME") and "XDG_CONFIG_HOME" not in os.environ:
            folder = folder.replace("$XDG_CONFIG_HOME", "~/.config")
        return Path(os.path.expandvars(folder)).expanduser()

    def text(self, template: str) -> str:
        """The text of one file."""
        return _TEMPLATES.joinpath(template).read_text(encoding="utf-8")


SETUPS: tuple[Setup, ...] = (
    Setup(
        "neovim",
        "Neovim",
        {"neovim.lua": "plugin/sned.lua"},
        {"linux": "$XDG_CONFIG_HOME/nvim", "darwin": "$XDG_CONFIG_HOME/nvim", "win32": "%LOCALAPPDATA%/nvim"},
        "own",
        "Neovim 0.12 shows suggestions as ghost text, 0.11 in the completion menu; `<M-n>` shows another one. "
        "`:SnedExplain`, `:SnedChat QUESTION` and `:SnedEdit INSTRUCTION` are about the cursor's line, or a range.",
    ),
    Setup(
        "vscode",
        "VS Code",
        {"vscode/package.json": "package.json", "vscode/extension.js": "extension.js"},
        {"linux": "~/.vscode/extensions/sned.sned-0.1.0"},
        "own",
        "The folder is an extension without dependencies; restart VS Code after writing it. "
        "The context menu of a selection has it explained, asked about and edited. "
        "`sned.command` in its settings is the program's place where it is not on the PATH.",
    ),
    Setup(
        "helix",
        "Helix",
        {"helix.toml": "languages.toml"},
        {"linux": "$XDG_CONFIG_HOME/helix", "darwin": "$XDG_CONFIG_HOME/helix", "win32": "%APPDATA%/helix"},
        "merge",
        "Helix has no ghost text: suggestions are entries of the completion menu.",
    ),
    Setup(
        "emacs",
        "Emacs",
        {"emacs.el": "init.el"},
        {"linux": "~/.emacs.d", "win32": "%APPDATA%/.emacs.d"},
        "end",
        "If your configuration is `~/.emacs` or `~/.config/emacs/init.el`, add it there by hand.",
    ),
    Setup(
        "vim",
        "Vim",
        {"vim.vim": "plugin/sned.vim"},
        {"linux": "~/.vim", "win32": "~/vimfiles"},
        "own",
        "Vim needs the plugin coc.nvim or vim-lsp.",
    ),
    Setup(
        "sublime",
        "Sublime Text",
        {"sublime.json": "LSP.sublime-settings"},
        {
            "linux": "$XDG_CONFIG_HOME/sublime-text/Packages/User",
            "darwin": "~/Library/Application Support/Sublime Text/Packages/User",
            "win32": "%APPDATA%/Sublime Text/Packages/User",
        },
        "merge",
        "Sublime Text needs the package LSP, and shows suggestions in the completion menu.",
    ),
    Setup(
        "kate",
        "Kate",
        {"kate.json": "lspclient/settings.json"},
        {
            "linux": "$XDG_CONFIG_HOME/kate",
            "darwin": "~/Library/Preferences/kate",
            "win32": "%LOCALAPPDATA%/kate",
        },
        "merge",
        "Kate has one language server for a language: this takes the place of the one you have. "
        "Suggestions are entries of the completion menu.",
    ),
)


def find_setup(name: str) -> Setup:
    """The setup of the editor called `name`.

    Raises:
        UsageError: there is none.
    """
    for setup in SETUPS:
        if setup.name == name.lower():
            return setup
    known = ", ".join(setup.name for setup in SETUPS)
    raise UsageError(
        f"sned knows no set-up for {name!r}; choose one of {known}, or start `sned lsp` from its settings."
    )
