"""The definitions behind the names that the code at a cursor uses."""

import posixpath
from collections.abc import Iterator, Mapping

from assistant.context.index import DefinitionIndex
from assistant.context.layout import Candidate
from assistant.context.ranking import IMPORTED, definition_score
from assistant.context.scope import Scope
from assistant.context.types import Chunk
from assistant.languages import Language

# Bounds the files read for one prompt.
_MAX_NAMES = 64
# Overloads, and methods of one name in several classes of a file.
_MAX_OF_A_FILE = 2
# Files that stand for their folder when it is imported.
_FOLDER_FILES = frozenset({"__init__", "index"})


def used_definitions(scope: Scope, path: str, language: Language, index: DefinitionIndex) -> list[Candidate]:
    """What the code in `scope` of the file `path` uses or imports, as far as the project defines it."""
    found: dict[Chunk, float] = {}
    for chunk, score in _scored(scope, path, language, index):
        found[chunk] = max(score, found.get(chunk, 0.0))
    return [Candidate(chunk, score) for chunk, score in found.items() if score > 0]


def _scored(scope: Scope, path: str, language: Language, index: DefinitionIndex) -> Iterator[tuple[Chunk, float]]:
    imported_modules = {module: True for each in scope.imports for module in each.modules if module}
    for distance, name in enumerate(scope.names[:_MAX_NAMES]):
        files = index.defining(language, name)
        imported = [file for file in files if _is_imported(file, imported_modules)]
        for file in imported or files:
            score = definition_score(imported=bool(imported), own=file == path, files=len(files), distance=distance)
            if score > 0:
                yield from ((chunk, score) for chunk in _chunks(file, name, index))
    for each in scope.imports:
        modules = dict.fromkeys((module for module in each.modules if module), True)
        for name in each.names[:_MAX_NAMES]:
            for file in index.defining(language, name):
                if _is_imported(file, modules):
                    yield from ((chunk, IMPORTED) for chunk in _chunks(file, name, index))


def _chunks(file: str, name: str, index: DefinitionIndex) -> list[Chunk]:
    texts = [definition.text for definition in index.definitions(file) if definition.name == name]
    return [Chunk(file, f"{text}\n") for text in texts[:_MAX_OF_A_FILE]]


def _is_imported(file: str, modules: Mapping[str, bool]) -> bool:
    """Whether a path, without its ending and from any folder on, is one of `modules`."""
    stem = posixpath.splitext(file)[0]
    if posixpath.basename(stem) in _FOLDER_FILES:
        stem = posixpath.dirname(stem)
    parts = stem.split("/")
    return any("/".join(parts[start:]) in modules for start in range(len(parts)))
