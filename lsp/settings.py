"""Settings that an editor sends, however it sends them: checked field by field, a bad one named and left as it was."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from assistant.filters import Lines
from assistant.validation import readable


class EditorSettings(BaseModel):
    """What an editor's user may set; in the editor's file the names are written `maxTokens`, not `max_tokens`."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=False)

    enabled: bool = Field(default=True, description="whether there are suggestions at all")
    automatic: bool = Field(default=True, description="suggest while typing, not only when asked by a key")
    disabled_languages: tuple[str, ...] = Field(
        default=(), description="language ids without suggestions, such as `markdown`"
    )
    model: str | None = Field(
        default=None, description="a model of the store or a `.gguf` file, instead of the one chosen by language"
    )
    chat_model: str | None = Field(
        default=None, description="a model that explains, edits and answers, instead of the one that completes"
    )
    lines: Lines = Field(default=Lines.AUTO, description="`one`, `many`, or `auto`: what the syntax calls for")
    max_tokens: int = Field(default=128, ge=1, le=2048, description="tokens of a suggestion, at most")
    debounce: int = Field(default=0, ge=0, le=2000, description="milliseconds without typing before the model is asked")
    alternatives: bool = Field(default=True, description="offer the first line and the first word as well")
    memory: float | None = Field(
        default=None, gt=0, description="GB that loaded models may take together; half of the machine's otherwise"
    )
    offer_models: Literal["ask", "never"] = Field(
        default="never", description="whether to ask, once a window, if a missing model is to be fetched or built"
    )


def merged(current: EditorSettings, sent: Mapping[str, Any]) -> tuple[EditorSettings, list[str]]:
    """`current` with the usable fields of `sent`, and a sentence for each that is not."""
    fields, problems = dict(sent), list[str]()
    before = current.model_dump(by_alias=True)
    while True:
        try:
            return EditorSettings.model_validate(before | fields), problems
        except ValidationError as error:
            first = error.errors()[0]
            name = str(first["loc"][0])
            problems.append(_problem(name, readable(first["msg"]), fields.pop(name), before))


def _problem(name: str, reason: str, value: Any, before: Mapping[str, Any]) -> str:
    if name not in before:
        return f"There is no setting sned.{name}; the settings are {', '.join(before)}."
    return f"The setting sned.{name} is not usable: {reason} (got {value!r}); it stays {before[name]!r}."
