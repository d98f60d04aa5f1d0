"""Stretches of tokens packed end to end into sequences, by the share that each kind of text has."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from assistant.calibration.forms import Form
from assistant.calibration_mix import CalibrationMix


class Kind(StrEnum):
    """Where text comes from, in the words of the mix."""

    PROJECT = "project"
    LANGUAGE = "language"
    OTHER = "other"
    CHAT = "chat"


@dataclass(slots=True)
class Packing:
    """What was taken so far, and what is still wanted of each kind, in tokens.

    Attributes:
        sequence_length: tokens of a sequence.
        wanted: what each kind has to give in all.
        sources: tokens by the place they came from.
        forms: tokens by their form.
    """

    sequence_length: int
    wanted: dict[Kind, int]
    sources: dict[str, int] = field(default_factory=dict)
    forms: dict[str, int] = field(default_factory=dict)
    _given: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    _stretches: list[npt.NDArray[np.int32]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Tokens taken so far."""
        return sum(self._given.values())

    @property
    def room(self) -> int:
        """Tokens to the end of the sequence that is being filled."""
        return self.sequence_length - self.size % self.sequence_length

    def left(self, kind: Kind) -> int:
        """Tokens a kind has yet to give."""
        return self.wanted[kind] - self._given[kind]

    def wanting(self) -> list[Kind]:
        """The kinds that have yet to give, the one that is most behind first: so all come in turn."""
        return sorted((kind for kind in Kind if self.left(kind)), key=lambda kind: -self.left(kind) / self.wanted[kind])

    def infilling_share(self) -> float:
        """The part of the code so far that is in the FIM format."""
        code = self.forms.get(Form.PLAIN, 0) + self.forms.get(Form.FIM, 0)
        return self.forms.get(Form.FIM, 0) / code if code else 0.0

    def add(self, kind: Kind, form: Form, origin: str, stretch: Sequence[int]) -> None:
        """Puts a stretch behind what is there."""
        self._stretches.append(np.array(stretch, dtype=np.int32))
        self._given[kind] += len(stretch)
        self.sources[origin] = self.sources.get(origin, 0) + len(stretch)
        self.forms[form] = self.forms.get(form, 0) + len(stretch)

    def pass_on(self, kind: Kind, to: Kind) -> None:
        """Lets one kind give what another cannot."""
        self.wanted[to] += self.left(kind)
        self.wanted[kind] = self._given[kind]

    def tokens(self) -> npt.NDArray[np.int32]:
        """Whole sequences, shape (sequences, sequence length)."""
        joined = np.concatenate([np.empty(0, dtype=np.int32), *self._stretches])
        whole = len(joined) // self.sequence_length
        return joined[: whole * self.sequence_length].reshape(whole, self.sequence_length)


def packing_for(mix: CalibrationMix, tokens: int, sequence_length: int) -> Packing:
    """An empty packing for `tokens` tokens in the shares of a mix."""
    shares = {Kind.PROJECT: mix.project_share, Kind.OTHER: mix.other_share, Kind.CHAT: mix.chat_share}
    wanted = {kind: int(tokens * share + 0.5) for kind, share in shares.items()}
    while (excess := sum(wanted.values()) - tokens) > 0:  # shares of one in all may round up, each of them
        wanted[max(wanted, key=lambda kind: wanted[kind])] -= excess
    return Packing(sequence_length, {**wanted, Kind.LANGUAGE: tokens - sum(wanted.values())})
