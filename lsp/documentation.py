"""The page `docs/editors.md`, made of the set-ups and the settings: `python -m lsp.documentation > docs/editors.md`."""

import json
import sys
from collections.abc import Iterator

from assistant.editors.setups import SETUPS, Setup
from lsp.settings import EditorSettings

_INTRODUCTION = """\
# Editors

`sned lsp` is a language server. It speaks LSP 3.18 on standard input and output: inline completion (ghost text) where
the client has it, entries of the completion menu elsewhere. It runs beside your other language servers.

`sned setup EDITOR` prints what follows for one editor, and `sned setup EDITOR --write` writes it where the editor looks
for it, after asking. A file that is there is not overwritten.

`sned` has to be on the editor's PATH; editors started from a desktop often lack yours. Write its whole path (what
`command -v sned` says) in place of `sned` then.
"""

_SETTINGS = """\
## Settings

In the section `sned` of the editor's settings for language servers: sent as `initializationOptions`, pushed with
`workspace/didChangeConfiguration`, or asked for with `workspace/configuration`. A field that is not usable is named in
a message, and stays what it was.

| field | default | what it does |
| --- | --- | --- |
"""

_COMMANDS = """\

## Commands

By `workspace/executeCommand`:

| command | arguments | what it does |
| --- | --- | --- |
| `sned.accept` | document, text | hears that a suggestion was inserted; each suggestion has it as its own command |
| `sned.next` | document, position | gives another suggestion there than those shown |
| `sned.explain` | document, range | explains what is selected, in Markdown |
| `sned.chat` | document, range, question, earlier messages | answers a question about what is selected, in Markdown |
| `sned.edit` | document, range, instruction | rewrites what is selected; gives whether it was applied |
| `sned.restart` | | closes the models; the next request opens them again |
| `sned.switchModel` | name or null | takes another model for all suggestions; null is the one chosen by language |
| `sned.status` | | gives what the server is doing, the models that are open, and the tokens each has evaluated |
| `sned.fetch` | | fetches the base model, with progress that can be cancelled |
| `sned.build` | document | builds the sub-model for a document's folder and language, likewise |

What `sned.next` gives is an `InlineCompletionList`, and what completion requests get at that place from then on: a
client may ask anew instead of showing it by itself. It is null where the model has nothing else, which the status says.

Answers come as they are written, in the notification `sned/answer`: `token`, `command`, `document` and `text`, what the
answer goes on with. The token is that of the work-done progress, which cancels the answer: the `workDoneToken` that the
command came with, or one made by the server. The command's result is the whole answer: `text`, `finished` (false where
it was cut at its length), `model`, and `notice` (what of the code the model was not shown, or null); null where there
is none, which a message explains. The earlier messages of `sned.chat`, which may be left out, are a list of `role`
(`user` and `assistant` in turn) and `text`.

An edit is of one version of the document, and has to be confirmed: by the editor's own preview where it has change
annotations, else in a message that shows the difference. An answer without code, an unfinished one, or one to a
document that has changed since changes nothing.

The model that completes also answers; suggestions come between two words of an answer. A sub-model of 0.5B completes
well and follows instructions poorly; with `chatModel` another one answers, such as the base model it was cut from or a
larger one.

## Status

The notification `sned/status` has what the server is doing, and why no suggestion came: `state` (`opening`, `ready`,
`working`, `fetching`, `building`, `disabled`, `failed`), `message` (a sentence), `model` and `document`. The same
sentences go to the client's log. A suggestion that is there within a tenth of a second is not announced by `working`.
"""

_FENCES = {"lua": "lua", "toml": "toml", "el": "elisp", "vim": "vim", "json": "json", "js": "js"}


def page() -> str:
    """The whole page."""
    editors = "".join(map(_editor, SETUPS))
    return f"{_INTRODUCTION}{editors}\n{_SETTINGS}{''.join(_settings())}{_COMMANDS}"


def _editor(setup: Setup) -> str:
    parts = [f"\n## {setup.title}\n\n{setup.notes}\n"]
    for template, name in setup.templates.items():
        text = setup.text(template)
        place = f"{setup.folders['linux'].replace('$XDG_CONFIG_HOME', '~/.config')}/{name}"
        if template.endswith(".js"):
            parts.append(f"\n`{place}`: {len(text.splitlines())} lines; see `assistant/editors/{template}`.\n")
        else:
            parts.append(f"\n`{place}`:\n\n```{_FENCES[template.rpartition('.')[2]]}\n{text}```\n")
    return "".join(parts)


def _settings() -> Iterator[str]:
    for field in EditorSettings.model_fields.values():
        default = json.dumps(field.get_default()) if field.default != () else "[]"
        yield f"| `{field.alias}` | `{default}` | {field.description} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
