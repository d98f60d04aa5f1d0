"""A model's tokenizer without its weights."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assistant.engine.loading import load_model
from assistant.engine.memory import ModelShape, read_shape
from assistant.engine.native import llama_cpp
from assistant.engine.protocol import ModelInfo, Segment
from assistant.engine.vocabulary import Vocabulary

# Code models end a file with this token in pretraining, also where chat tuning made another the end of a turn.
_END_OF_TEXT = "<|endoftext|>"

_UNKNOWN = ModelInfo("the model", architecture="", parameters=0, file_bytes=0, context=0, special_tokens={})


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """How text becomes a model's tokens.

    Attributes:
        tokenize: gives the ids of a text, in which nothing is taken for a special token.
        separator: the id that stands between two files.
        special: gives the id of the special token of a name; None where the model has no such token.
        info: what the model's file says of special tokens and chats.
    """

    tokenize: Callable[[str], list[int]]
    separator: int
    special: Callable[[str], int | None] = lambda name: None
    info: ModelInfo = _UNKNOWN

    def has_token(self, special: str) -> bool:
        """Whether the model has a special token of this name."""
        return self.special(special) is not None

    def encode(self, segments: Iterable[Segment]) -> list[int]:
        """The ids of segments, of which those that are special name tokens that the model has."""
        ids: list[int] = []
        for segment in segments:
            token = self.special(segment.text) if segment.special else None
            ids += self.tokenize(segment.text) if token is None else [token]
        return ids


@contextmanager
def open_tokenizer(path: Path, name: str | None = None) -> Iterator[Tokenizer]:
    """The tokenizer of the model at `path`, its vocabulary loaded alone: half a second, and no weights in memory.

    `name` is what messages call the model; the file's by default.

    Raises:
        EngineError: the file is missing, damaged or of a kind llama.cpp cannot read.
    """
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    shape = read_shape(path)
    handle = load_model(path, shape, parameters)
    try:
        vocabulary = Vocabulary(llama_cpp.llama_model_get_vocab(handle))
        end = vocabulary.special(_END_OF_TEXT)
        separator = vocabulary.end_of_sequence if end is None else end
        yield Tokenizer(vocabulary.tokenize, separator, vocabulary.special, _info(path, shape, handle, name))
    finally:
        llama_cpp.llama_model_free(handle)


def _info(path: Path, shape: ModelShape, handle: Any, name: str | None) -> ModelInfo:
    vocabulary = Vocabulary(llama_cpp.llama_model_get_vocab(handle))
    template = llama_cpp.llama_model_chat_template(handle, None)
    return ModelInfo(
        name=name or path.stem,
        architecture=shape.architecture,
        parameters=0,  # none are loaded
        file_bytes=path.stat().st_size,
        context=0,
        special_tokens=vocabulary.declared(),
        chat_template=template.decode("utf-8", errors="replace") if template is not None else None,
        bos_token="" if vocabulary.first else vocabulary.name(vocabulary.begin_of_sequence),
        eos_token=vocabulary.name(vocabulary.end_of_sequence),
    )
