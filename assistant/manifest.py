"""What the store knows about a model: a manifest beside each file."""

import hashlib
import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from assistant.languages import Language
from assistant.recipe import RECIPE_VERSION, Recipe

# Names become folder names on every platform, and come from catalogs that others wrote.
MODEL_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,126}[a-z0-9])?")


# In a sub-model's `quality`: its perplexity on code that it was not calibrated on, over its base model's.
PERPLEXITY_RATIO = "perplexity_ratio"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BaseManifest(_Record):
    """A base model in the store."""

    kind: Literal["base"] = "base"
    name: str
    sha256: str
    size: int = Field(ge=0, description="bytes of the model file")
    licence: str
    source: str = Field(description="where the bytes came from, as text")


class BaseReference(_Record):
    """The base model a sub-model was cut from."""

    name: str
    sha256: str


class CalibrationRecord(_Record):
    """The calibration set a sub-model was pruned with.

    `digest` is the SHA-256 of its token ids; `sources` gives the tokens taken from each place, and `forms` those in
    each form: plain, the FIM format, chat. `refused` names files that were left out, as they hold evaluation problems.
    """

    digest: str
    tokens: int
    sequence_length: int
    sources: dict[str, int]
    forms: dict[str, int] = Field(default_factory=dict)
    refused: list[str] = Field(default_factory=list)


class VocabularyRecord(_Record):
    """A trimmed vocabulary: its tokens, how many the base has, and the digest of which were kept.

    `counted` is the number of tokens of code it was chosen by, and `coverage` the share of those that it has.
    """

    tokens: int
    base_tokens: int
    digest: str
    counted: int
    coverage: float


class Provenance(_Record):
    """Where a sub-model was fetched from, the SHA-256 of the index that named it, and the key that signed that one."""

    source: str
    index_sha256: str
    key: str | None = None


class SubModelManifest(_Record):
    """A sub-model in the store; `sparsity` was measured in the written file, tensor by tensor.

    `errors` gives the relative squared error of each matrix's output on a sample of the calibration set, before its
    weights are rounded for the file; it is empty in those built before that was measured.
    `quality` holds what was measured of it by name (`PERPLEXITY_RATIO`); it is empty where nothing was. `provenance` is
    None for one that was built here.
    """

    kind: Literal["sub-model"] = "sub-model"
    identity: str
    name: str
    language: Language
    base: BaseReference
    recipe: dict[str, Any]
    recipe_version: int
    calibration: CalibrationRecord
    sha256: str
    size: int = Field(ge=0, description="bytes of the model file")
    licence: str
    sparsity: dict[str, float]
    errors: dict[str, float] = Field(default_factory=dict)
    vocabulary: VocabularyRecord | None = None
    quality: dict[str, float] = Field(default_factory=dict)
    provenance: Provenance | None = None


Manifest = Annotated[BaseManifest | SubModelManifest, Field(discriminator="kind")]


def submodel_identity(
    base_sha256: str, language: Language, recipe: Recipe, calibration_digest: str, vocabulary_digest: str | None = None
) -> str:
    """SHA-256, in hexadecimal, of everything that decides a sub-model's bytes (DESIGN, decision 1).

    `vocabulary_digest` is that of the tokens kept; None where all are.
    """
    parts = {
        "base": base_sha256,
        "language": language.value,
        "recipe": recipe.as_dict(),
        "recipe_version": RECIPE_VERSION,
        "calibration": calibration_digest,
        "vocabulary": vocabulary_digest,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
