"""Figures that were measured of models here, by their digest: beside the store's entries, which never change."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from assistant.durable import write_text

_DIGEST = re.compile(r"[0-9a-f]{64}")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    figures: dict[str, float] = {}


def read_quality(home: Path, sha256: str) -> dict[str, float]:
    """What was measured of the model with this digest, by name; empty if nothing was, or its file is damaged."""
    if not _DIGEST.fullmatch(sha256):  # a manifest that others wrote may say anything
        return {}
    try:
        return _Record.model_validate_json(_path(home, sha256).read_bytes()).figures
    except (OSError, ValidationError):
        return {}


def add_quality(home: Path, sha256: str, figures: Mapping[str, float]) -> None:
    """Keeps figures of a model besides those that there are; newer ones of the same name take their place.

    Raises:
        OSError: they cannot be written.
    """
    path = _path(home, sha256)
    path.parent.mkdir(parents=True, exist_ok=True)
    merged = read_quality(home, sha256) | dict(figures)
    write_text(path, json.dumps({"figures": dict(sorted(merged.items()))}, indent=2) + "\n")


def _path(home: Path, sha256: str) -> Path:
    return home / "evaluations" / "quality" / f"{sha256}.json"
