"""Small byte-level BPE tokenizers, in GGUF files that hold little else, and llama.cpp's reading of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
from hypothesis import strategies as st

from assistant.engine.native import capture_log, llama_cpp
from assistant.engine.vocabulary import Vocabulary
from export.vocabulary.bpe import byte_characters

BYTES = byte_characters()
SPECIAL = ("<|endoftext|>", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|im_end|>", "<tool>")
PADDING = ("[PAD1]", "[PAD2]")
HIDDEN = 32

# Letters, so that any run of them is one word to every pre-tokenizer; the last two are of two and three bytes.
LETTERS = "abcdé字"


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer as its file lists it."""

    tokens: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    pre: str = "qwen2"

    @property
    def types(self) -> list[int]:
        """Special tokens are control tokens but for the last, which is user-defined."""
        kinds = dict.fromkeys(SPECIAL, gguf.TokenType.CONTROL) | dict.fromkeys(PADDING, gguf.TokenType.UNUSED)
        kinds[SPECIAL[-1]] = gguf.TokenType.USER_DEFINED
        return [kinds.get(token, gguf.TokenType.NORMAL).value for token in self.tokens]


def written(text: str) -> str:
    """A text in the characters that stand for its bytes."""
    return "".join(BYTES[byte] for byte in text.encode())


def read(token: str) -> str:
    """The text that such characters stand for, without what is no UTF-8."""
    return bytes(map(BYTES.index, token)).decode(errors="ignore")


def tokenizer_of(pairs: Sequence[tuple[str, str]], *, without: Sequence[str] = (), pre: str = "qwen2") -> Tokenizer:
    """The tokenizer with the tokens that the merges make, special tokens in the midst of them."""
    made = [first + second for first, second in pairs]
    half = len(made) // 2
    listed = dict.fromkeys([*BYTES[::-1], *made[:half], *SPECIAL, *made[half:], *PADDING])
    return Tokenizer(tuple(token for token in listed if token not in without), tuple(pairs), pre)


@st.composite
def tokenizers(draw: st.DrawFn, *, complete: bool = True) -> Tokenizer:
    """Random ones. Not complete, some merges make what is no token, as llama.cpp allows."""
    texts = sorted(set(written(LETTERS)))
    pairs: list[tuple[str, str]] = []
    for _ in range(draw(st.integers(1, 30))):
        pair = draw(st.tuples(st.sampled_from(texts), st.sampled_from(texts)))
        pairs.append(pair)
        if (text := "".join(pair)) not in texts:
            texts.append(text)
    without = () if complete else draw(st.lists(st.sampled_from(["".join(pair) for pair in pairs]), max_size=3))
    return tokenizer_of(pairs, without=without, pre=draw(st.sampled_from(["qwen2", "llama-bpe", "default"])))


def write_file(
    path: Path,
    tokenizer: Tokenizer,
    *,
    kind: gguf.GGMLQuantizationType = gguf.GGMLQuantizationType.Q8_0,
    tied: bool = False,
    model: str = "gpt2",
    more: dict[str, tuple[object, gguf.GGUFValueType]] | None = None,
) -> Path:
    """A file with this tokenizer, random embedding and output, and a norm."""
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name("Small One")
    writer.add_tokenizer_model(model)
    writer.add_tokenizer_pre(tokenizer.pre)
    writer.add_token_list(list(tokenizer.tokens))
    writer.add_token_types(tokenizer.types)
    writer.add_token_merges([" ".join(pair) for pair in tokenizer.merges])
    writer.add_eos_token_id(tokenizer.tokens.index("<|im_end|>"))
    writer.add_bos_token_id(tokenizer.tokens.index("<|endoftext|>"))
    writer.add_add_bos_token(False)
    for key, (value, value_type) in (more or {}).items():
        writer.add_key_value(key, value, value_type)
    random = np.random.default_rng(0)
    columns = gguf.GGML_QUANT_SIZES[kind][0] * 2 if kind is not gguf.GGMLQuantizationType.F32 else HIDDEN
    for name in ("token_embd.weight",) if tied else ("output.weight", "token_embd.weight"):
        values = random.standard_normal((len(tokenizer.tokens), columns)).astype(np.float32)
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    writer.add_tensor("output_norm.weight", random.standard_normal(columns).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@contextmanager
def opened(path: Path) -> Iterator[Vocabulary]:
    """llama.cpp's vocabulary of a file, loaded alone."""
    capture_log()
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    handle = llama_cpp.llama_model_load_from_file(str(path).encode(), parameters)
    assert handle, f"llama.cpp does not read {path}"
    try:
        yield Vocabulary(llama_cpp.llama_model_get_vocab(handle))
    finally:
        llama_cpp.llama_model_free(handle)
