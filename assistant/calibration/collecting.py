"""Collecting a calibration set: which text a model is pruned on, as token ids.

Documents come in the order the corpus gives them, which a seed decides. Each gives one stretch of at most a sequence's
length, so that a set shows many files rather than much of one; the stretches are packed end to end, without padding.
Stretches in the FIM format and conversations end in the sequence they begin in, so that nothing of them is read without
what stands before it.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assistant.calibration import conversations, infilling
from assistant.calibration.forms import Form, Forms, forms_for
from assistant.calibration.packing import Kind, Packing, packing_for
from assistant.calibration.supply import Screen, Supply
from assistant.catalog import FimTokens
from assistant.corpus import Document
from assistant.engine.tokenizer import Tokenizer
from assistant.errors import BuildError
from assistant.languages import Language
from assistant.manifest import CalibrationRecord
from assistant.recipe import Recipe

_NAMED_FILES = 5


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """Token ids of shape (sequences, tokens a sequence), and what they were made from."""

    tokens: npt.NDArray[np.int32]
    record: CalibrationRecord


@dataclass(frozen=True, slots=True)
class CalibrationText:
    """What a calibration set may be made from.

    Attributes:
        language: what the text is written in.
        project: the project's own files.
        corpus: other code in the language.
        advice: how to get more of it, for an error message.
        other: code in other languages.
    """

    language: Language
    project: Iterable[Document]
    corpus: Iterable[Document]
    advice: str
    other: Iterable[Document] = ()


def collect(
    text: CalibrationText, recipe: Recipe, tokenizer: Tokenizer, catalogued: FimTokens | None = None
) -> CalibrationSet:
    """The calibration set of a recipe, in the shares of its mix.

    Where other code, conversations or the project do not fill their shares, the language's corpus does; where that is
    too small, the project.

    Args:
        text: what to take it from. Near copies, and files that hold problems of evaluation sets, are left out.
        recipe: how much of what.
        tokenizer: the model's.
        catalogued: the FIM tokens that the catalog gives for the model; those in its file otherwise.

    Raises:
        BuildError: project and corpus together do not fill the set, and the message says how much there is and what to
            do; or the model lacks a format that the mix has a share for.
    """
    mix = recipe.mix
    forms = forms_for(mix, tokenizer, text.language, recipe.seed, catalogued)
    packing = packing_for(mix, recipe.sequences * recipe.sequence_length, recipe.sequence_length)
    screen = Screen()
    _Collection(text, forms, packing, screen).fill(mix.fim_share)
    tokens = packing.tokens()
    if len(tokens) < recipe.sequences:
        raise BuildError(_too_little(text, recipe, tokens.size, screen.refused))
    record = CalibrationRecord(
        digest=_digest(tokens),
        tokens=tokens.size,
        sequence_length=recipe.sequence_length,
        sources=packing.sources,
        forms=packing.forms,
        refused=screen.refused,
    )
    return CalibrationSet(tokens, record)


def no_calibration(recipe: Recipe) -> CalibrationSet:
    """The calibration set of a recipe that prunes nothing: no sequences."""
    tokens = np.zeros((0, recipe.sequence_length), np.int32)
    record = CalibrationRecord(digest=_digest(tokens), tokens=0, sequence_length=recipe.sequence_length, sources={})
    return CalibrationSet(tokens, record)


def _digest(tokens: npt.NDArray[np.int32]) -> str:
    return hashlib.sha256(tokens.astype("<i4").tobytes()).hexdigest()


class _Collection:
    """Takes from the supplies what a packing wants."""

    def __init__(self, text: CalibrationText, forms: Forms, packing: Packing, screen: Screen) -> None:
        self._supplies = {
            Kind.PROJECT: Supply(text.project, screen),
            Kind.LANGUAGE: Supply(text.corpus, screen),
            Kind.OTHER: Supply(text.other, screen),
        }
        self._forms = forms
        self._packing = packing
        self._next_conversation: tuple[str, list[int]] | None = None

    def fill(self, fim_share: float) -> None:
        """Fills the packing, or as much of it as there is text for."""
        packing = self._packing
        while wanting := packing.wanting():
            kind, *others = wanting
            if kind is Kind.CHAT:
                conversation = self._conversation()
                if conversation is None or (len(conversation[1]) > packing.room and not others):
                    packing.pass_on(Kind.CHAT, Kind.LANGUAGE)
                    continue
                if len(conversation[1]) <= packing.room:
                    packing.add(Kind.CHAT, Form.CHAT, *conversation)
                    self._next_conversation = None
                    continue
                # It begins the next sequence, and another kind has the rest of this one.
                kind = others[0]
            most = packing.room if wanting[0] is Kind.CHAT else packing.sequence_length
            if not self._add_code(kind, fim_share, most) and not self._passed_on(kind):
                return

    def _passed_on(self, kind: Kind) -> bool:
        """Whether another kind can give what this one, of which nothing is left, still had to."""
        self._supplies.pop(kind, None)
        heir = next((other for other in (Kind.LANGUAGE, Kind.PROJECT) if other in self._supplies), None)
        if heir is None:
            return False
        self._packing.pass_on(kind, heir)
        return True

    def _add_code(self, kind: Kind, fim_share: float, most: int) -> bool:
        packing = self._packing
        document = self._supplies[kind].next() if kind in self._supplies else None
        if document is None:
            return False
        limit = min(packing.left(kind), most)
        if packing.infilling_share() < fim_share:
            limit = min(limit, packing.room)
            if limit >= infilling.LEAST_TOKENS:
                stretch = self._forms.infilling(document, limit)
                if stretch is not None:
                    packing.add(kind, Form.FIM, document.origin, stretch)
                    return True
        packing.add(kind, Form.PLAIN, document.origin, self._forms.plain(document, limit))
        return True

    def _conversation(self) -> tuple[str, list[int]] | None:
        """Where the next conversation comes from, and its tokens; None where none is found that is wanted."""
        if self._forms.chat is None:
            return None
        packing, supply = self._packing, self._supplies.get(Kind.LANGUAGE)
        limit = min(packing.sequence_length, packing.left(Kind.CHAT))
        if self._next_conversation is None and supply is not None and limit >= conversations.LEAST_TOKENS:
            found = supply.first(lambda document: self._forms.conversation(document, limit))
            self._next_conversation = (found[0].origin, found[1]) if found is not None else None
        return self._next_conversation


def _too_little(text: CalibrationText, recipe: Recipe, found: int, refused: list[str]) -> str:
    smaller = f", or build from less with --tokens {found}" if found >= recipe.sequence_length else ""
    left_out = ""
    if refused:
        more = f" and {len(refused) - _NAMED_FILES} more" if len(refused) > _NAMED_FILES else ""
        left_out = f" Left out, as they hold problems of evaluation sets: {', '.join(refused[:_NAMED_FILES])}{more}."
    return (
        f"Only {found:,} tokens of {text.language.label} were found for calibration, of {recipe.tokens:,} wanted: "
        f"{text.advice}{smaller}.{left_out}"
    )
