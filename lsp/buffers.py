"""What the client's documents are to the engine: buffers, each with its folder and language."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lsprotocol.types import NotebookCellKind, NotebookDocument
from pygls.uris import to_fs_path, uri_scheme
from pygls.workspace import Workspace

from assistant.languages import Language
from assistant.selection import language_of_file
from assistant.suggestion.types import Buffer
from lsp.documents import Document

_LANGUAGES = {
    "python": Language.PYTHON,
    "java": Language.JAVA,
    "c": Language.CPP,
    "cpp": Language.CPP,
    "cuda": Language.CPP,
    "cuda-cpp": Language.CPP,
    "objective-c": Language.CPP,
    "objective-cpp": Language.CPP,
    "javascript": Language.JAVASCRIPT,
    "javascriptreact": Language.JAVASCRIPT,
    "typescript": Language.JAVASCRIPT,
    "typescriptreact": Language.JAVASCRIPT,
}

# Between the cells of a notebook, as its text is given to the model.
_BETWEEN_CELLS = "\n\n"


@dataclass(frozen=True, slots=True)
class View:
    """An open document, and how it is seen by the engine.

    Attributes:
        document: as the client holds it.
        buffer: the text the model sees: the document's, or that of all cells of its notebook and language.
        begin: where the document begins in that text.
    """

    document: Document
    buffer: Buffer
    begin: int


def view_of(workspace: Workspace, uri: str) -> View | None:
    """The document called `uri` at this moment; None if it is not open."""
    document = workspace.text_documents.get(uri)
    if not isinstance(document, Document):
        return None
    notebook = workspace.get_notebook_document(cell_uri=uri)
    if notebook is not None:
        return _view_of_cell(workspace, notebook, document)
    buffer = Buffer(
        uri=uri,
        path=path_of(uri),
        language_id=document.language_id or "",
        version=document.version or 0,
        text=document.source,
    )
    return View(document, buffer, 0)


def _view_of_cell(workspace: Workspace, notebook: NotebookDocument, document: Document) -> View:
    texts, begin, length = [], 0, 0
    for cell in notebook.cells:
        each = workspace.text_documents.get(cell.document)
        if cell.kind is not NotebookCellKind.Code or each is None or each.language_id != document.language_id:
            continue
        if each is document:
            begin = length
        texts.append(each.source)
        length += len(each.source) + len(_BETWEEN_CELLS)
    buffer = Buffer(
        uri=notebook.uri,
        path=path_of(notebook.uri),
        language_id=document.language_id or "",
        version=notebook.version,
        text=_BETWEEN_CELLS.join(texts),
    )
    return View(document, buffer, begin)


@lru_cache(maxsize=256)  # the documents' and folders' own are asked for at each key
def path_of(uri: str) -> Path | None:
    """The file a URI names; None where it names something else, such as an unsaved document."""
    if uri_scheme(uri) != "file":
        return None
    path = to_fs_path(uri)
    return Path(path) if path else None


def language_of(buffer: Buffer) -> Language | None:
    """The language whose sub-model serves a buffer, by what the editor says it is, or by its file's name."""
    known = _LANGUAGES.get(buffer.language_id)
    if known is not None:
        return known
    # A language the editor knows and we do not is not to be taken for another by its name, such as a template's.
    unnamed = buffer.language_id in ("", "plaintext", "text")
    return language_of_file(buffer.path) if unnamed and buffer.path is not None else None


def folder_of(workspace: Workspace, buffer: Buffer) -> Path | None:
    """The innermost workspace folder that holds a buffer's file, or None."""
    if buffer.path is None:
        return None
    roots = [path_of(folder.uri) for folder in workspace.folders.values()]
    if not roots and workspace.root_uri:
        roots = [path_of(workspace.root_uri)]
    holding = [root for root in roots if root is not None and buffer.path.is_relative_to(root)]
    return max(holding, key=lambda root: len(root.parts), default=None)
