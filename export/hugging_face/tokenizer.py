"""A GGUF file's byte-level BPE tokenizer as the tokenizers library has it.

It gives the tokens that llama.cpp gives, with one difference: llama.cpp never normalises text, and transformers
composes characters (NFC) for Qwen models whatever the files say. The files say so too.
"""

from typing import Any

from gguf.constants import TokenType

from export.vocabulary.tokenizer import MERGES, MODEL, TOKENS, TYPES
from prune.errors import CheckpointError
from prune.gguf_file import GGUFFile

_PRE = "tokenizer.ggml.pre"
_TEMPLATE = "tokenizer.chat_template"


def _bytes(*, use_regex: bool = False) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": use_regex}


def _split_by(*patterns: str) -> list[dict[str, Any]]:
    """Cuts text by each expression in turn: what it matches is a piece, and what is between."""
    kind = {"type": "Split", "behavior": "Isolated", "invert": False}
    return [*({**kind, "pattern": {"Regex": pattern}} for pattern in patterns), _bytes()]


# How text is cut before merging, by llama.cpp's names (llama-vocab.cpp).
_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)"
CASE_ENDINGS = r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
_WORDS, _SPACE = r"[^\r\n\p{L}\p{N}]?\p{L}+", r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_QWEN = _split_by(rf"{CASE_ENDINGS}|{_WORDS}|\p{{N}}|{_SPACE}")
_LLAMA3 = _split_by(rf"{CASE_ENDINGS}|{_WORDS}|\p{{N}}{{1,3}}|{_SPACE}")
_DIGITS = _split_by(r"\p{N}", _GPT2)
PRE_TOKENIZERS = {
    "qwen2": _QWEN,
    "deepseek-r1-qwen": _QWEN,
    "llama-bpe": _LLAMA3,
    "gpt-2": _split_by(_GPT2),
    "smollm": _DIGITS,
    "starcoder": _DIGITS,
    "refact": _DIGITS,
    "command-r": _DIGITS,
    "deepseek-coder": _split_by(r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", "[一-龥ࠀ-一가-퟿]+", r"\p{N}"),
}
_NORMALIZERS = {"qwen2": {"type": "NFC"}}
_CLASSES = {"qwen2": "Qwen2TokenizerFast"}
# llama.cpp takes a whole word that is a token, without merging.
_WHOLE_WORDS = ("llama-bpe",)
_ADDED = {TokenType.CONTROL: True, TokenType.USER_DEFINED: False}


def tokenizer_files(file: GGUFFile) -> dict[str, dict[str, Any]]:
    """What `tokenizer.json` and `tokenizer_config.json` hold, by name.

    Raises:
        CheckpointError: the tokenizer is of a kind that cannot be written so, or contradicts itself.
    """
    kind, pre = file.value(MODEL), file.value(_PRE, "")
    if kind != "gpt2" or pre not in PRE_TOKENIZERS:
        raise CheckpointError(
            f"{file.path} has a tokenizer of the kind {kind!r}, {pre!r}, which cannot be written as tokenizer.json; "
            f"only 'gpt2' with one of these can: {', '.join(sorted(PRE_TOKENIZERS))}. Export it as --to dense."
        )
    tokens, types, merges = (_list(file, key) for key in (TOKENS, TYPES, MERGES))
    if len(types) != len(tokens) or len(set(tokens)) != len(tokens):
        raise CheckpointError(f"{file.path} lists a token twice, or not as many types as tokens; fetch it again.")
    return {
        "tokenizer.json": {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [
                _added(token, text, special=_ADDED[TokenType(kind)])
                for token, (text, kind) in enumerate(zip(tokens, types, strict=True))
                if kind in _ADDED
            ],
            "normalizer": _NORMALIZERS.get(pre),
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": PRE_TOKENIZERS[pre]},
            "post_processor": _post_processor(file, tokens),
            "decoder": _bytes(use_regex=True),
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": "",
                "end_of_word_suffix": "",
                "fuse_unk": False,
                "byte_fallback": False,
                "ignore_merges": pre in _WHOLE_WORDS,
                "vocab": {text: token for token, text in enumerate(tokens)},
                "merges": [merge.split(" ", 1) for merge in merges],
            },
        },
        "tokenizer_config.json": _config(file, tokens),
    }


def token_id(file: GGUFFile, role: str, count: int) -> int | None:
    """The id of the token that the file gives a role, such as `eos`; None if it gives none, or one out of range."""
    token = file.value(f"tokenizer.ggml.{role}_token_id", -1)
    return token if isinstance(token, int) and 0 <= token < count else None


def _added(token: int, text: str, *, special: bool) -> dict[str, Any]:
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": token, "content": text, **plain, "special": special}


def _config(file: GGUFFile, tokens: list[str]) -> dict[str, Any]:
    config: dict[str, Any] = {
        "tokenizer_class": _CLASSES.get(file.value(_PRE), "PreTrainedTokenizerFast"),
        "model_max_length": file.value(f"{file.architecture}.context_length"),
        "clean_up_tokenization_spaces": False,
    }
    for name, role in (("bos_token", "bos"), ("eos_token", "eos"), ("pad_token", "padding")):
        token = token_id(file, role, len(tokens))
        config[name] = None if token is None else tokens[token]
    if _TEMPLATE in file.entries:
        config["chat_template"] = file.value(_TEMPLATE)
    return config


def _post_processor(file: GGUFFile, tokens: list[str]) -> dict[str, Any]:
    """What puts the first token before every text, where the file wants one."""
    first = token_id(file, "bos", len(tokens)) if file.value("tokenizer.ggml.add_bos_token", False) else None
    if first is None:
        return _bytes()
    text = tokens[first]
    begin = {"SpecialToken": {"id": text, "type_id": 0}}
    one, two = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    return {
        "type": "TemplateProcessing",
        "single": [begin, one],
        "pair": [begin, one, begin, two],
        "special_tokens": {text: {"id": text, "ids": [first], "tokens": [text]}},
    }


def _list(file: GGUFFile, key: str) -> list[Any]:
    items = file.value(key)
    if not isinstance(items, list):
        raise CheckpointError(f"{file.path} has no list in {key!r}; fetch the model again.")
    return items
