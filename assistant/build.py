"""Building a sub-model: calibration set, pruning, quantisation, and the entry in the store."""

import importlib.util
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import psutil

from assistant.calibration import CalibrationSet, CalibrationText, collect, no_calibration
from assistant.catalog import FimTokens
from assistant.corpus import (
    Document,
    calibration_documents,
    corpus_advice,
    corpus_documents,
    other_documents,
    project_documents,
)
from assistant.digest import sha256_of
from assistant.errors import BuildError
from assistant.languages import Language
from assistant.manifest import BaseReference, SubModelManifest, VocabularyRecord, submodel_identity
from assistant.recipe import RECIPE_VERSION, Recipe
from assistant.store import BaseEntry, Store, SubModelEntry
from assistant.submodel_file import Cut, Progress, prune_options, pruned_tensors, requantised_types, write_submodel
from assistant.token_counts import count_tokens
from export.sparse.records import is_sparse
from export.sparsity import measured_sparsity
from export.vocabulary import ByteLevelBPE, KeptVocabulary, choose, trimmable_tokenizer
from prune.gguf_file import GGUFFile
from prune.options import refuse_indivisible

# What Python, torch and transformers take before a weight is read.
_PROGRAM_BYTES = 700 * 1024**2

# Fewer, and tokens that the language uses now and then are missing: by 5 million held-out Python took 0.3% more tokens.
_COUNTED_TOKENS = 5_000_000


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What to build.

    Attributes:
        base: the base model to cut from.
        language: the language to cut for.
        recipe: how.
        project: a folder whose files of the language come first into the calibration set, if any.
        calibration: folders or archives that take the place of the corpus found on this machine.
        fim: the FIM tokens that the catalog gives for the base, and their order; those in its file otherwise.
    """

    base: BaseEntry
    language: Language
    recipe: Recipe
    project: Path | None
    calibration: tuple[Path, ...] = ()
    fim: FimTokens | None = None


@dataclass(frozen=True, slots=True)
class _Trimming:
    """What is kept of the base's vocabulary, and what the manifest says of it."""

    kept: KeptVocabulary
    record: VocabularyRecord


@dataclass(frozen=True, slots=True)
class Built:
    """A sub-model, and whether it had to be made (`new`) or was there."""

    entry: SubModelEntry
    new: bool


def build(
    request: BuildRequest,
    store: Store,
    progress: Progress = lambda doing, fraction: None,
    waiting: Callable[[], None] | None = None,
) -> Built:
    """The sub-model that was asked for, built if the store does not have it.

    Raises:
        BuildError: the extra `build` is not installed, there is too little calibration text, or too little memory.
        CheckpointError: the base model cannot be used.
        StoreError: the store cannot be written.
    """
    if request.recipe.prunes:
        _require_torch()
    with GGUFFile(request.base.path) as base:
        _refuse_sparse(base, request.base.name)
        requantised_types(base, request.recipe)  # refuses those that cannot be
        tokenizer = trimmable_tokenizer(base) if request.recipe.vocabulary == "trimmed" else None
        if request.recipe.prunes:
            _require_fit(base, request)
        calibration = _calibration_set(request, progress)
        trimming = _trimming(request, tokenizer, progress) if tokenizer is not None else None
        identity = submodel_identity(
            request.base.manifest.sha256,
            request.language,
            request.recipe,
            calibration.record.digest,
            trimming.kept.digest if trimming is not None else None,
        )
        name = f"{request.base.manifest.name}-{request.language.value}-{identity[:10]}"
        with store.installing("submodels", name, resumable=True, waiting=waiting) as installation:
            if isinstance(installation.existing, SubModelEntry):
                return Built(installation.existing, new=False)
            path = installation.directory / "model.gguf"
            kept = trimming.kept if trimming is not None else None
            cut = Cut(request.language, request.recipe, request.base.manifest.sha256, calibration, kept)
            errors = write_submodel(base, path, cut, progress)
            progress("Measuring the written file", 0.0)
            sparsity = measured_sparsity(path, pruned_tensors(base, request.recipe))
            manifest = SubModelManifest(
                identity=identity,
                name=name,
                language=request.language,
                base=BaseReference(name=request.base.manifest.name, sha256=request.base.manifest.sha256),
                recipe=request.recipe.as_dict(),
                recipe_version=RECIPE_VERSION,
                calibration=calibration.record,
                sha256=sha256_of(path),
                size=path.stat().st_size,
                licence=request.base.manifest.licence,
                sparsity=sparsity,
                errors=errors,
                vocabulary=trimming.record if trimming is not None else None,
            )
            entry = installation.commit(manifest)
            assert isinstance(entry, SubModelEntry)
            return Built(entry, new=True)


def _require_torch() -> None:
    missing = [name for name in ("torch", "transformers") if importlib.util.find_spec(name) is None]
    if missing:
        raise BuildError(
            f"Building a sub-model needs {' and '.join(missing)}, which this installation lacks; "
            "install them with: pip install 'sned[build]'."
        )


def _refuse_sparse(base: GGUFFile, name: str) -> None:
    if is_sparse(base):
        raise BuildError(
            f"{name} is a sparse GGUF, which is pruned already; build from a base model, or from the plain file that "
            f"sned export {name} FILE.gguf writes."
        )


def _require_fit(base: GGUFFile, request: BuildRequest) -> None:
    from prune.driver import memory_needed, prunable_tensors

    recipe = request.recipe
    options = prune_options(recipe)
    refuse_indivisible(base, prunable_tensors(base), options.pattern)
    needed = memory_needed(base, recipe.sequences, recipe.sequence_length, options) + _PROGRAM_BYTES
    available = psutil.virtual_memory().available
    if needed > available:
        # Training needs the whole model in memory, where the rest needs one block.
        lighter = "train nothing with --recipe fast or " if options.distillation is not None else "or "
        raise BuildError(
            f"Building from {request.base.manifest.name} with {recipe.tokens:,} calibration tokens takes about "
            f"{needed / 1024**3:.1f} GB of memory, and {available / 1024**3:.1f} GB are free; "
            f"close other programs, lower --tokens, {lighter}choose a smaller --base."
        )


def _calibration_set(request: BuildRequest, progress: Progress) -> CalibrationSet:
    from assistant.engine.tokenizer import open_tokenizer

    if not request.recipe.prunes:
        return no_calibration(request.recipe)
    progress("Reading calibration text", 0.0)
    project, corpus, advice = _code(request)
    # Where the user names the text, nothing of the machine's comes beside it.
    other = () if request.calibration else other_documents(request.language, request.recipe.seed)
    text = CalibrationText(request.language, project, corpus, advice, other)
    with open_tokenizer(request.base.path, request.base.name) as tokenizer:
        return collect(text, request.recipe, tokenizer, request.fim)


def _code(request: BuildRequest) -> tuple[Iterable[Document], Iterable[Document], str]:
    """The project's code and the corpus that tops it up, and what to do where that is too little."""
    recipe, language = request.recipe, request.language
    project: Iterable[Document] = ()
    if request.project is not None:
        project = project_documents(request.project, language, recipe.seed)
    if request.calibration:
        named = (calibration_documents(source, language, recipe.seed) for source in request.calibration)
        return project, chain.from_iterable(named), "name more code with further --calibration options"
    advice = f"{corpus_advice(language)}, or name a folder or an archive of such code with --calibration"
    return project, corpus_documents(language, recipe.seed, request.project), advice


def _trimming(request: BuildRequest, tokenizer: ByteLevelBPE, progress: Progress) -> _Trimming:
    """What to keep of the base's vocabulary: what the project's code and the corpus use."""
    from assistant.engine.tokenizer import open_tokenizer

    progress("Counting tokens", 0.0)
    project, corpus, _ = _code(request)
    with open_tokenizer(request.base.path) as encoder:
        counts = count_tokens(chain(project, corpus), encoder, _COUNTED_TOKENS)
    kept = choose(tokenizer, counts)
    record = VocabularyRecord(
        tokens=len(kept.ids),
        base_tokens=kept.base_size,
        digest=kept.digest,
        counted=int(counts.sum()),
        coverage=kept.coverage,
    )
    return _Trimming(kept, record)
