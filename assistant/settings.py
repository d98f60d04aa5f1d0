"""Settings that hold for every command: environment first, then the user's settings file, then the defaults."""

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from assistant.errors import UsageError
from assistant.validation import readable


def _words(value: Any) -> Any:
    """What a variable of the environment says: words, or a JSON list of texts with spaces in them."""
    if not isinstance(value, str):
        return value
    return json.loads(value) if value.startswith("[") else value.split()


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]


def settings_file() -> Path:
    """Where the user's settings file is looked for: `sned.toml` in the configuration directory."""
    return Path(platformdirs.user_config_dir("sned")) / "sned.toml"


class Settings(BaseSettings):
    """What the user may set once for all projects: `SNED_*` variables, or `sned.toml`."""

    model_config = SettingsConfigDict(env_prefix="SNED_", extra="forbid", frozen=True)

    home: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("sned")),
        description="the store: base models and sub-models",
    )
    base: str | None = Field(default=None, description="base model to build from; the catalog's default otherwise")
    catalog: Path | None = Field(
        default=None,
        description="a catalog of further base models; `catalog.toml` beside the settings file otherwise",
    )
    published: Words = Field(
        default=(), description="where sub-models are published, for sned fetch: hf:REPO, https addresses, folders"
    )
    published_keys: Words = Field(
        default=(), description="public keys of minisign's: what is published must be signed by one of them"
    )
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, description="threads for the engine")
    gpu_layers: int | Literal["auto"] = Field(
        default="auto", description="layers to offload when llama.cpp has a GPU backend"
    )
    sparse_backend: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="computing with packed pruned matrices: auto where it is faster, on where it is possible, or off",
    )
    context: int = Field(default=4096, ge=256, description="tokens of context the engine is opened with")
    save_cache: bool = Field(
        default=True, description="whether what is evaluated of a project is kept, as a file, for the next start"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=settings_file())


def load_settings() -> Settings:
    """The settings in force.

    Raises:
        UsageError: a variable or the settings file has a bad or unknown field, or does not parse.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"The setting {field!r} is not usable: {readable(first['msg'])} (got {first.get('input')!r}); "
            f"change SNED_{str(first['loc'][0]).upper()} or {settings_file()}."
        ) from error
    except ValueError as error:  # a TOML syntax error
        raise UsageError(f"The settings file {settings_file()} does not parse: {error}; mend or remove it.") from error
