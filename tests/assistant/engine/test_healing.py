"""Token healing, on a vocabulary small enough to see through."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.engine.healing import MAX_WHITE_SPACE, Constraint, heal, removable_white_space
from assistant.engine.llama import LlamaEngine


class SmallVocabulary:
    """Greedy longest match over the 256 bytes and some words; the last token is special."""

    def __init__(self, *words: str) -> None:
        self.pieces = [bytes([byte]) for byte in range(256)] + [word.encode() for word in words]
        self.special = len(self.pieces)

    def tokenize(self, text: str) -> list[int]:
        if text.endswith("<end>"):
            return [*self.tokenize(text.removesuffix("<end>")), self.special]
        raw, tokens = text.encode(), []
        while raw:
            token = max(
                (t for t, piece in enumerate(self.pieces) if raw.startswith(piece)), key=lambda t: len(self.pieces[t])
            )
            tokens.append(token)
            raw = raw[len(self.pieces[token]) :]
        return tokens

    def piece(self, token: int) -> bytes:
        return b"" if token == self.special else self.pieces[token]

    def is_plain(self, token: int) -> bool:
        return token != self.special

    def compatible(self, wanted: bytes) -> npt.NDArray[np.int32]:
        found = [t for t, p in enumerate(self.pieces) if wanted.startswith(p) or p.startswith(wanted)]
        return np.array(found, dtype=np.int32)


VOCABULARY = SmallVocabulary("return", " return", "ret", "    ", "\n    ", "number", " number")


@given(st.text(alphabet=st.sampled_from("return mb\n\t é😀"), max_size=40))
def test_kept_tokens_and_wanted_bytes_spell_the_text(text: str) -> None:
    healed = heal(text, VOCABULARY)
    assert b"".join(map(VOCABULARY.piece, healed.tokens)) + healed.wanted == text.encode()


def test_white_space_and_the_last_token_are_taken_off() -> None:
    healed = heal("return number\n    ", VOCABULARY)
    assert [VOCABULARY.piece(token) for token in healed.tokens] == [b"return"]
    assert healed.wanted == b" number\n    "


@pytest.mark.parametrize("text", ["", "   ", "\n\t\n"])
def test_only_white_space_leaves_no_token(text: str) -> None:
    healed = heal(text, VOCABULARY)
    assert (healed.tokens, healed.wanted) == ([], text.encode())


def test_a_special_token_is_never_taken_off() -> None:
    healed = heal("number<end>  ", VOCABULARY)
    assert healed.tokens[-1] == VOCABULARY.special
    assert healed.wanted == b"  "


def test_very_much_white_space_is_left_but_for_the_indentation() -> None:
    assert removable_white_space("x" + "\n" * MAX_WHITE_SPACE * 2 + "    ") == 4
    assert removable_white_space("x" + " " * MAX_WHITE_SPACE * 2) == 0
    assert removable_white_space("x\n\n    ") == 6


def test_a_constraint_is_consumed_by_shorter_and_longer_tokens() -> None:
    constraint = Constraint(b"ret", VOCABULARY)
    assert {VOCABULARY.piece(token) for token in constraint.allowed()} == {b"r", b"ret", b"return"}
    assert constraint.accept(b"r") == b""
    assert constraint.active
    assert constraint.accept(b"e") == b""
    assert constraint.accept(b"turn") == b"urn"
    assert not constraint.active
    assert constraint.accept(b" x") == b" x"


@pytest.mark.model
@pytest.mark.parametrize(
    "wanted", [b"re", b" ", b"\n    ", b"    x", "é".encode(), "😀".encode()[:2], b"\xff\xff", b"zzzz"]
)
def test_the_real_table_finds_what_a_search_of_all_tokens_finds(engine: LlamaEngine, wanted: bytes) -> None:
    vocabulary = engine._model.vocabulary
    pieces = {token: vocabulary.piece(token) for token in range(vocabulary.size) if vocabulary.is_plain(token)}
    expected = {t for t, piece in pieces.items() if piece and (wanted.startswith(piece) or piece.startswith(wanted))}
    found = vocabulary.compatible(wanted)
    assert set(found.tolist()) == expected
    assert len(found) == len(expected)
