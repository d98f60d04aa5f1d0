"""A model's tokenizer without its weights."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from assistant.engine.loading import load_model
from assistant.engine.memory import read_shape
from assistant.engine.native import llama_cpp
from assistant.engine.vocabulary import Vocabulary

# Code models end a file with this token in pretraining, also where chat tuning made another the end of a turn.
_END_OF_TEXT = "<|endoftext|>"


@dataclass(frozen=True, slots=True)
class Tokenizer:
    """How text becomes a model's tokens.

    Attributes:
        tokenize: gives the ids of a text, in which nothing is taken for a special token.
        separator: the id that stands between two files.
    """

    tokenize: Callable[[str], list[int]]
    separator: int


@contextmanager
def open_tokenizer(path: Path) -> Iterator[Tokenizer]:
    """The tokenizer of the model at `path`, its vocabulary loaded alone: half a second, and no weights in memory.

    Raises:
        EngineError: the file is missing, damaged or of a kind llama.cpp cannot read.
    """
    parameters = llama_cpp.llama_model_default_params()
    parameters.vocab_only = True
    handle = load_model(path, read_shape(path), parameters)
    try:
        vocabulary = Vocabulary(llama_cpp.llama_model_get_vocab(handle))
        end = vocabulary.special(_END_OF_TEXT)
        yield Tokenizer(vocabulary.tokenize, vocabulary.end_of_sequence if end is None else end)
    finally:
        llama_cpp.llama_model_free(handle)
