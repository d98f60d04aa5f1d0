"""A Hugging Face tokenizer as a GGUF file has it: the way back of `export.hugging_face.tokenizer`.

Byte-level BPE whose cutting of text is one that llama.cpp knows. gguf's own helper reads merges and special tokens; it
knows neither how text is cut nor which added tokens are no control tokens, which is read here. Files are untrusted.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf import GGUFWriter, SpecialVocab
from gguf.constants import TokenType

from export.hugging_face.tokenizer import CASE_ENDINGS, PRE_TOKENIZERS
from prune.errors import CheckpointError

_TOKENIZER = "tokenizer.json"
_MAX_BYTES = 200 << 20
# As Qwen's and Llama's files spell it.
_ANY_CASE = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_GPT2_SPLIT = "gpt-2"


@dataclass(frozen=True, slots=True)
class HuggingFaceTokenizer:
    """What of a tokenizer goes into a GGUF file.

    Attributes:
        pre: llama.cpp's name for how text is cut before merging.
        tokens: by id; where the model has more rows than there are tokens, they are made up to those.
        types: of each token.
        special: merges, ids of special tokens, and chat template.
    """

    pre: str
    tokens: list[str]
    types: list[TokenType]
    special: SpecialVocab

    def add_to(self, writer: GGUFWriter) -> None:
        """Adds the metadata to a file that is being written."""
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(self.pre)
        writer.add_token_list(self.tokens)
        writer.add_token_types(self.types)
        self.special.add_special_token.setdefault("bos", False)  # else it is up to who reads it
        self.special.add_to_gguf(writer, quiet=True)


def read_tokenizer(folder: Path, rows: int) -> HuggingFaceTokenizer:
    """The tokenizer of a model whose embedding has so many rows.

    Raises:
        CheckpointError: there is no `tokenizer.json`, or it is damaged or of a kind that this cannot turn into GGUF's.
    """
    content = _content(folder / _TOKENIZER)
    try:
        pre = _pre_tokenizer(content)
        tokens, types = _tokens(content, rows)
        special = SpecialVocab(folder, load_merges=True, n_vocab=rows)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise CheckpointError(
            f"{folder / _TOKENIZER} is no whole tokenizer ({error}); fetch the model again."
        ) from error
    if pre is None or not special.merges:
        raise CheckpointError(
            f"{folder / _TOKENIZER} has a tokenizer that cannot be turned into GGUF's: byte-level BPE can that cuts "
            f"text as one of these does: {', '.join(sorted(PRE_TOKENIZERS))}. Take the model's GGUF file instead."
        )
    return HuggingFaceTokenizer(pre, tokens, types, special)


def _content(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise CheckpointError(f"{path} is far too large for a tokenizer; fetch the model again.")
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise CheckpointError(f"{path} cannot be opened ({error.strerror}), so the model has no tokenizer.") from error
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is truncated or corrupted: its JSON does not parse.") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} is truncated or corrupted: it holds no JSON object.")
    return content


def _tokens(content: dict[str, Any], rows: int) -> tuple[list[str], list[TokenType]]:
    by_id: dict[int, tuple[str, TokenType]] = {
        token: (text, TokenType.NORMAL) for text, token in content["model"]["vocab"].items()
    }
    for added in content.get("added_tokens", []):
        kind = TokenType.CONTROL if added["special"] else TokenType.USER_DEFINED
        by_id[added["id"]] = (added["content"], kind)
    strange = next((token for token in by_id if not isinstance(token, int) or not 0 <= token < rows), None)
    if strange is not None:
        raise ValueError(f"token {strange!r} is not one of the {rows} that the model has")
    every = [by_id.get(token, (f"[PAD{token}]", TokenType.UNUSED)) for token in range(rows)]
    texts, types = zip(*every, strict=True)
    if len(set(texts)) != rows or not all(isinstance(text, str) for text in texts):
        raise ValueError("it lists a token twice, or one that is no text")
    return list(texts), list(types)


def _pre_tokenizer(content: dict[str, Any]) -> str | None:
    """llama.cpp's name for how the tokenizer cuts text; None where it knows none, or tokens are no bytes."""
    model = content["model"]
    if model["type"] != "BPE" or model.get("byte_fallback") or model.get("continuing_subword_prefix"):
        return None
    steps = content["pre_tokenizer"]
    steps = steps["pretokenizers"] if steps["type"] == "Sequence" else [steps]
    if not steps or steps[-1]["type"] != "ByteLevel" or steps[-1].get("add_prefix_space"):
        return None
    cuts = [_cut(step) for step in steps[:-1]]
    if steps[-1].get("use_regex", True):  # GPT-2's expression, after the others
        cuts += _patterns(_GPT2_SPLIT)
    # Names for the same expressions are told apart by llama.cpp alone: the first is as good.
    return next((name for name in PRE_TOKENIZERS if _patterns(name) == cuts), None)


def _cut(step: dict[str, Any]) -> str | None:
    if step["type"] == "Digits" and step.get("individual_digits"):
        return r"\p{N}"
    if step["type"] != "Split" or step.get("behavior") != "Isolated" or step.get("invert"):
        return None
    return str(step["pattern"]["Regex"]).replace(_ANY_CASE, CASE_ENDINGS)


def _patterns(name: str) -> list[str | None]:
    return [step["pattern"]["Regex"] for step in PRE_TOKENIZERS[name][:-1]]
