"""`sned build`: makes the sub-model of a project's language."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli.options import ProgressForm, ProgressOption
from assistant.cli.output import print_json
from assistant.recipe import DEFAULT_RECIPE

if TYPE_CHECKING:
    from assistant.build import BuildRequest
    from assistant.manifest import SubModelManifest
    from assistant.settings import Settings
    from assistant.store import Store, SubModelEntry


class Score(StrEnum):
    """The values of a recipe's `score`."""

    MAGNITUDE = "magnitude"
    WANDA = "wanda"
    RIA = "ria"


class Allocation(StrEnum):
    """The values of a recipe's `allocation`."""

    UNIFORM = "uniform"
    OWL = "owl"


class Reconstruction(StrEnum):
    """The values of a recipe's `reconstruction`."""

    NONE = "none"
    LEAST_SQUARES = "least-squares"
    DISTILLATION = "distillation"
    LEAST_SQUARES_AND_DISTILLATION = "least-squares+distillation"


class Embeddings(StrEnum):
    """The values of a recipe's `embeddings`."""

    BASE = "base"
    Q8_0 = "q8_0"
    Q6_K = "q6_k"
    Q5_K = "q5_k"
    Q5_0 = "q5_0"
    Q4_K = "q4_k"
    Q4_0 = "q4_0"


class Vocabulary(StrEnum):
    """The values of a recipe's `vocabulary`."""

    WHOLE = "whole"
    TRIMMED = "trimmed"


def build(
    path: Annotated[Path, typer.Argument(help="The project to build for.", show_default="the current folder")] = Path(),
    language: Annotated[
        str | None, typer.Option(help="python, java, cpp or javascript; the project's own by default.")
    ] = None,
    base: Annotated[str | None, typer.Option(help="Base model to cut from; see sned models.")] = None,
    recipe: Annotated[
        str,
        typer.Option(
            help="fast, balanced, best, trimmed, or a TOML file; the options below change single fields of it."
        ),
    ] = DEFAULT_RECIPE,
    score: Annotated[Score | None, typer.Option(help="What a weight is judged by.")] = None,
    pattern: Annotated[
        str | None, typer.Option(help="unstructured, or N:M for N weights kept of every M inputs, such as 4:8.")
    ] = None,
    sparsity: Annotated[
        float | None, typer.Option(help="Fraction of zeros in every pruned matrix; 0 prunes nothing.")
    ] = None,
    allocation: Annotated[
        Allocation | None, typer.Option(help="owl: a sparsity of each block's own, whose mean is the one asked for.")
    ] = None,
    reconstruction: Annotated[
        Reconstruction | None, typer.Option(help="What becomes of the weights that survive.")
    ] = None,
    training_tokens: Annotated[
        int | None, typer.Option(help="Calibration tokens that distillation learns from, in all its steps.")
    ] = None,
    tokens: Annotated[int | None, typer.Option(help="Calibration tokens in all.")] = None,
    sequence_length: Annotated[int | None, typer.Option(help="Tokens of a calibration sequence.")] = None,
    project_share: Annotated[
        float | None, typer.Option(help="Most of the calibration tokens that may come from the project, 0 to 1.")
    ] = None,
    other_share: Annotated[
        float | None, typer.Option(help="Of the calibration tokens, those in other languages.")
    ] = None,
    chat_share: Annotated[
        float | None, typer.Option(help="Of the calibration tokens, those in the model's chat format.")
    ] = None,
    fim_share: Annotated[
        float | None, typer.Option(help="Of the code among the calibration tokens, what is in the model's FIM format.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Chooses which calibration text is taken.")] = None,
    values: Annotated[
        str | None,
        typer.Option(
            help="How weights that survive are stored: int8 or int4 in a sparse GGUF, or q8_0 in a plain one, which is "
            "larger and what every llama.cpp loads. Where nothing is pruned: base."
        ),
    ] = None,
    block: Annotated[
        int | None,
        typer.Option(help="Weights that share a scale, 32, 64, 128 or 256: with int8 128 by default, with int4 32."),
    ] = None,
    embeddings: Annotated[
        Embeddings | None,
        typer.Option(help="What embedding and output matrix are rounded to; base leaves them as the base has them."),
    ] = None,
    vocabulary: Annotated[
        Vocabulary | None,
        typer.Option(help="whole, or trimmed to the tokens that the language's code uses: smaller, faster."),
    ] = None,
    calibration: Annotated[
        list[Path] | None,
        typer.Option(help="A folder or archive of code to calibrate on, instead of what is found on this machine."),
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Build even where a published sub-model that fits has been fetched.")
    ] = False,
    progress: ProgressOption = ProgressForm.TEXT,
    as_json: Annotated[bool, typer.Option("--json", help="Answer as JSON.")] = False,
) -> None:
    """Build the sub-model of a project's language from its base model."""
    from assistant.build import BuildRequest
    from assistant.build import build as build_submodel
    from assistant.build_choices import base_to_build_from, fim_tokens_of, language_to_build_for
    from assistant.cli.build_display import BuildDisplay
    from assistant.cli.progress_lines import BuildLines
    from assistant.recipe_files import recipe_called
    from assistant.settings import load_settings
    from assistant.store import Store

    changes = {
        "score": score,
        "pattern": pattern,
        "sparsity": sparsity,
        "allocation": allocation,
        "reconstruction": reconstruction,
        "training_tokens": training_tokens,
        "tokens": tokens,
        "sequence_length": sequence_length,
        "project_share": project_share,
        "other_share": other_share,
        "chat_share": chat_share,
        "fim_share": fim_share,
        "seed": seed,
        "values": values,
        "block": block,
        "embeddings": embeddings,
        "vocabulary": vocabulary,
    }
    chosen = recipe_called(
        recipe, {name: value.value if isinstance(value, StrEnum) else value for name, value in changes.items()}
    )
    settings = load_settings()
    store = Store(settings.home)
    source = base_to_build_from(store, settings, base)
    request = BuildRequest(
        base=source,
        language=language_to_build_for(path, language),
        recipe=chosen,
        project=path,
        calibration=tuple(calibration or ()),
        fim=fim_tokens_of(source, settings),
    )
    if not anew and (fetched := _fetched_instead(request, store, settings)) is not None:
        if as_json:
            print_json({"new": False, "path": str(fetched.path), **fetched.manifest.model_dump(mode="json")})
        else:
            print(f"{fetched.name} fits and was fetched; --anew builds one for this project all the same.")
        return
    with BuildLines() if progress is ProgressForm.JSON else BuildDisplay() as display:
        built = build_submodel(request, store, display.advanced, display.waiting)
    manifest = built.entry.manifest
    if as_json:
        print_json({"new": built.new, "path": str(built.entry.path), **manifest.model_dump(mode="json")})
        return
    verb = "Built" if built.new else "Already built:"
    print(f"{verb} {manifest.name} ({manifest.size / 1e6:.0f} MB, {_what_became(manifest)}).")


def _what_became(manifest: "SubModelManifest") -> str:
    """What is not the base's any more."""
    facts = []
    if zeros := manifest.sparsity.values():
        facts.append(f"{sum(zeros) / len(zeros):.1%} zeros in {len(zeros)} matrices")
    if (vocabulary := manifest.vocabulary) is not None:
        facts.append(f"{vocabulary.tokens:,} of {vocabulary.base_tokens:,} tokens")
    return ", ".join(facts) or "nothing pruned"


def _fetched_instead(request: "BuildRequest", store: "Store", settings: "Settings") -> "SubModelEntry | None":
    """A published sub-model that was fetched and fits; where there is none, it is said how one is looked for."""
    from assistant.publishing.choice import fetched_instead

    if not settings.published:
        return None
    found = fetched_instead(store, request.base.manifest.sha256, request.language, request.recipe)
    if found is None:
        places = ", ".join(settings.published)
        print(f"sned: nothing that fits was fetched; sned fetch looks for it at {places}. Building.", file=sys.stderr)
    return found
