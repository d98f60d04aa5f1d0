"""Where zeros may fall: anywhere in a row, or in N of every M inputs."""

import re
from dataclasses import dataclass

from prune.errors import UsageError

UNSTRUCTURED = "unstructured"
GROUPS = (4, 8, 16, 32)

_N_OF_M = re.compile(r"([0-9]{1,2}):([0-9]{1,2})")


@dataclass(frozen=True, slots=True)
class NOfM:
    """A pattern that keeps `kept` weights of every `group` neighbouring inputs, written `kept:group`."""

    kept: int
    group: int

    @property
    def sparsity(self) -> float:
        """The fraction of zeros that follows."""
        return 1 - self.kept / self.group

    def __str__(self) -> str:
        return f"{self.kept}:{self.group}"


def parse_pattern(text: str) -> NOfM | None:
    """The N:M pattern that `text` names; None for `unstructured`.

    Raises:
        UsageError: it names neither.
    """
    if text == UNSTRUCTURED:
        return None
    if match := _N_OF_M.fullmatch(text):
        pattern = NOfM(int(match[1]), int(match[2]))
        if pattern.group in GROUPS and 0 < pattern.kept < pattern.group:
            return pattern
    raise UsageError(
        f"There is no pattern {text!r}; use unstructured, or N:M with fewer kept than there are and M one of "
        f"{', '.join(map(str, GROUPS))}, such as 4:8."
    )
