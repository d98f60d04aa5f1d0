"""The forms a document can take in a calibration set, as tokens: plain, to be filled in, or talked about."""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from assistant.calibration.conversations import ChatFormat, exchanges
from assistant.calibration.documented import documented_functions
from assistant.calibration.excerpts import CHARACTERS_A_TOKEN, chance, excerpt, shortened
from assistant.calibration.infilling import SPARE_TOKENS, example_segments, split_by_syntax
from assistant.calibration_mix import CalibrationMix
from assistant.catalog import FimTokens
from assistant.corpus import Document
from assistant.engine.tokenizer import Tokenizer
from assistant.errors import BuildError, EngineError
from assistant.fim import find_fim_tokens
from assistant.grammars import Grammar, grammar_of
from assistant.languages import Language


class Form(StrEnum):
    """How text stands in a calibration set; the keys of a record's `forms`."""

    PLAIN = "plain"
    FIM = "fim"
    CHAT = "chat"


@dataclass(frozen=True, slots=True)
class Forms:
    """Writes documents for one model; what the mix has no share for, the model need not know.

    Attributes:
        fim: the model's FIM tokens, if they are needed.
        chat: the model's chat format, if it is needed and there is one.
    """

    tokenizer: Tokenizer
    language: Language
    seed: int
    fim: FimTokens | None
    chat: ChatFormat | None

    def plain(self, document: Document, limit: int) -> list[int]:
        """A stretch of a document, `limit` tokens at most, ended by the separator."""
        text = excerpt(document, limit * CHARACTERS_A_TOKEN, self.seed)
        return [*self.tokenizer.tokenize(text)[: limit - 1], self.tokenizer.separator]

    def infilling(self, document: Document, limit: int) -> list[int] | None:
        """A stretch of a document in the FIM format; None if it cannot be split."""
        grammar = self._grammar(document)
        if self.fim is None or grammar is None:
            return None
        text = excerpt(document, limit * CHARACTERS_A_TOKEN, self.seed)
        text = shortened(text, limit - SPARE_TOKENS, self.tokenizer)
        split = split_by_syntax(text, grammar, chance(self.seed, document))
        if split is None:
            return None
        ids = [*self.tokenizer.encode(example_segments(self.fim, split)), self.tokenizer.separator]
        return ids if len(ids) <= limit else None

    def conversation(self, document: Document, limit: int) -> list[int] | None:
        """A conversation about a function of a document; None where it has none that is documented and fits."""
        grammar = self._grammar(document)
        if self.chat is None or grammar is None:
            return None
        functions = list(documented_functions(document.text, grammar))
        for question, answer in exchanges(functions, self.language, chance(self.seed, document)):
            ids = self.chat.tokens(question, answer)
            if len(ids) <= limit:
                return ids
        return None

    def _grammar(self, document: Document) -> Grammar | None:
        """By the file's ending; headers of C++ may have none."""
        found = grammar_of(path=Path(document.name))
        return Grammar.CPP if found is None and self.language is Language.CPP else found


def forms_for(
    mix: CalibrationMix, tokenizer: Tokenizer, language: Language, seed: int, catalogued: FimTokens | None
) -> Forms:
    """The forms that a mix needs, without conversations where the model has no usable chat template.

    Raises:
        BuildError: it has a share for the FIM format, and the model does not know it.
    """
    try:
        fim = find_fim_tokens(tokenizer, catalogued) if mix.fim_share else None
    except EngineError as error:
        raise BuildError(f"{error} To calibrate without them, set the FIM share to 0.") from error
    chat = None
    if mix.chat_share:
        with suppress(EngineError):  # base models have none: what they cannot say they need not keep
            chat = ChatFormat(tokenizer)
    return Forms(tokenizer, language, seed, fim, chat)
