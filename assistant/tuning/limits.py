"""What a recommended model has to keep to, and numbers with units as users write them."""

import re
from dataclasses import dataclass

from assistant.errors import UsageError

_BYTES = {"": 1, "b": 1, "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9}
_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Limits:
    """None is no limit.

    Attributes:
        most_bytes: of the model's file.
        most_seconds: to the first suggestion after a prompt of 515 tokens, with the loading (`cost.CostMeasurement`).
        least_quality: as a share of the dense model's.
    """

    most_bytes: int | None = None
    most_seconds: float | None = None
    least_quality: float | None = None


def parse_bytes(text: str) -> int:
    """Bytes, such as `350M` or `1.2 GB` (powers of ten).

    Raises:
        UsageError: it is no such number.
    """
    return round(_number(text, _BYTES, "a number of bytes, such as 350M or 1.2GB"))


def parse_seconds(text: str) -> float:
    """Seconds, such as `90`, `30min` or `2h`.

    Raises:
        UsageError: it is no such time.
    """
    return _number(text, _SECONDS, "a time, such as 90s, 30min or 2h")


def _number(text: str, units: dict[str, int] | dict[str, float], what: str) -> float:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text.lower())
    if found is None or found[2] not in units or float(found[1]) == 0:
        raise UsageError(f"{text!r} is not {what}.")
    return float(found[1]) * units[found[2]]
