"""Which language a project is written in, and why it is said so."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from assistant.errors import UsageError
from assistant.file_types import Manifest, language_of_name, language_of_script, language_title, manifest_of_name
from assistant.languages import Language
from assistant.project_files import ProjectFile, is_hand_written, project_files
from assistant.source_text import HEAD_BYTES

# What a manifest adds to its language's share, by its depth: enough to decide between neighbours, not to overturn.
_EVIDENCE_BY_DEPTH = (0.2, 0.05)
_EVIDENCE_DEEPER = 0.02

# Manifests of less weight stand in projects of any language, and say nothing where there is no code.
_TELLING_WEIGHT = 0.5

# From this share on, a second language makes a project mixed.
_MIXED_SHARE = 0.2

# Generated files are told by their first bytes. The largest files are most of the bytes, so in a huge project only
# these are read; the rest counts by its name.
_FILES_READ = 20_000


@dataclass(frozen=True, slots=True)
class Detection:
    """What a project is written in.

    Attributes:
        language: the language chosen, lower case (`python`, `java`, `cpp`, `javascript`, or another such as `go`); None
            when there is no code to tell it by.
        shares: each programming language's part of the code by bytes, largest first; they sum to 1 unless empty.
            Prose, data, markup and styles are not code.
        code_bytes: bytes of code in all.
        reason: one sentence that says why.
    """

    language: str | None
    shares: Mapping[str, float]
    code_bytes: int
    reason: str

    @property
    def submodel_language(self) -> Language | None:
        """The language chosen if sub-models are made for it, else None: the base model serves as it is."""
        return Language(self.language) if self.language in set(Language) else None


@dataclass(frozen=True, slots=True)
class _Evidence:
    """A manifest: what it adds to its language's share, its path, and whether it says something without any code."""

    weight: float
    name: str
    telling: bool

    @property
    def rank(self) -> tuple[float, int, str]:
        """Orders evidence by weight, then by name, so that the file system's order does not matter."""
        return (self.weight, -len(self.name), self.name)


@dataclass(slots=True)
class _Survey:
    """What a walk through a project found."""

    sizes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    # The manifest that says most for each language.
    evidence: dict[str, _Evidence] = field(default_factory=dict)
    other_files: int = 0
    machine_made: int = 0
    unreadable: int = 0


def detect(path: Path) -> Detection:
    """The language of the project in the folder `path`, or of the one file it names.

    Raises:
        UsageError: there is no such path, or it is a binary or special file.
        OSError: the path itself cannot be read.
    """
    if path.is_dir():
        return _conclude(_survey(path), path)
    if path.is_file():
        return _detect_file(path)
    if path.exists():
        raise UsageError(f"{path} is neither a folder nor a file; name a project's folder or a source file.")
    raise UsageError(f"There is no {path}; name a project's folder or a source file.")


def _detect_file(path: Path) -> Detection:
    with path.open("rb") as file:
        if b"\0" in file.read(HEAD_BYTES):
            raise UsageError(f"{path} is a binary file; name a source file or a project's folder.")
    language = language_of_name(path.name) or language_of_script(str(path))
    if language is None:
        reason = f"{path.name} is not a source file of a programming language; name one, or a project's folder."
        return Detection(None, {}, 0, reason)
    reason = f"{path.name} is a {language_title(language)} file{_without_submodel(language)}."
    return Detection(language, {language: 1.0}, path.stat().st_size, reason)


def _survey(root: Path) -> _Survey:
    survey = _Survey()

    def count_unreadable(_: OSError) -> None:
        survey.unreadable += 1

    sources = []
    for file in project_files(root, count_unreadable):
        if file.language is None:
            survey.other_files += 1
        else:
            sources.append(file)
        folder, _, name = file.name.rpartition("/")
        if (manifest := manifest_of_name(name)) is not None:
            _weigh(survey, manifest, file.name, folder.count("/") + 1 if folder else 0)
    read = heapq.nlargest(_FILES_READ, sources, key=lambda file: (file.size, file.name))
    machine_made = {file.name for file in read if not _seems_hand_written(file, count_unreadable)}
    survey.machine_made = len(machine_made)
    for file in sources:
        if file.language is not None and file.name not in machine_made:
            survey.sizes[file.language] += file.size
    return survey


def _seems_hand_written(file: ProjectFile, on_unreadable: Callable[[OSError], None]) -> bool:
    try:
        return is_hand_written(file)
    except OSError as error:
        on_unreadable(error)
        return False


def _weigh(survey: _Survey, manifest: Manifest, name: str, depth: int) -> None:
    """Notes what a manifest at `name` says, if it says more for its language than any before it."""
    by_depth = _EVIDENCE_BY_DEPTH[depth] if depth < len(_EVIDENCE_BY_DEPTH) else _EVIDENCE_DEEPER
    found = _Evidence(by_depth * manifest.weight, name, manifest.weight >= _TELLING_WEIGHT)
    known = survey.evidence.get(manifest.language)
    if known is None or found.rank > known.rank:
        survey.evidence[manifest.language] = found


def _conclude(survey: _Survey, path: Path) -> Detection:
    """The detection that follows from what a project holds."""
    code_bytes = sum(survey.sizes.values())
    if not code_bytes:
        return _without_code(survey, path)
    by_size = sorted(survey.sizes.items(), key=lambda item: (-item[1], item[0]))
    shares = {language: size / code_bytes for language, size in by_size if size}

    def score(language: str) -> float:
        return shares[language] + (survey.evidence[language].weight if language in survey.evidence else 0.0)

    chosen = max(shares, key=score)
    reason = _reason(chosen, shares, survey.evidence.get(chosen))
    return Detection(chosen, shares, code_bytes, f"{reason}{_without_submodel(chosen)}{_unread(survey)}.")


def _reason(chosen: str, shares: Mapping[str, float], evidence: _Evidence | None) -> str:
    first, second = (*shares, None)[:2]
    assert first is not None
    share = f"{language_title(chosen)} has {shares[chosen]:.1%} of the code"
    if chosen != first:
        assert evidence is not None  # nothing else puts a smaller share first
        largest = f"{language_title(first)} has {shares[first]:.1%} of the code"
        return (
            f"The project is mixed: {largest} and {language_title(chosen)} {shares[chosen]:.1%}, "
            f"and {evidence.name} decides"
        )
    agreement = ""
    if evidence is not None and evidence.telling and evidence.weight > _EVIDENCE_DEEPER:
        agreement = f", and {evidence.name} says the same"
    if second is not None and shares[second] >= _MIXED_SHARE:
        runner_up = f"{language_title(second)} with {shares[second]:.1%}"
        return f"The project is mixed: {share}, the most, before {runner_up}{agreement}"
    return f"{share}{agreement}"


def _without_code(survey: _Survey, path: Path) -> Detection:
    telling = {language: found for language, found in survey.evidence.items() if found.telling}
    if telling:
        language = max(sorted(telling), key=lambda name: telling[name].weight)
        reason = f"There are no source files, but {telling[language].name} says {language_title(language)}"
        return Detection(language, {}, 0, f"{reason}{_without_submodel(language)}{_unread(survey)}.")
    if survey.machine_made:
        found = "its source files are all generated, minified or binary"
    elif survey.other_files:
        found = "none of the files that git does not ignore is code"
    else:
        found = "it is empty, or everything in it is ignored by git or vendored"
    advice = "name the folder that holds the sources, or choose with `sned build --language`"
    return Detection(None, {}, 0, f"No source code was found in {path}: {found}{_unread(survey)}; {advice}.")


def _without_submodel(language: str) -> str:
    if language in set(Language):
        return ""
    return f"; no sub-models are made for {language_title(language)}, so the general base model is used"


def _unread(survey: _Survey) -> str:
    if not survey.unreadable:
        return ""
    return f" ({survey.unreadable} of its files or folders could not be read)"
