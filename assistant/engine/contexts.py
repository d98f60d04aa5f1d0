"""llama.cpp's contexts: a model's KV cache and the buffers that it computes in."""

from dataclasses import dataclass
from typing import Any

from assistant.engine.native import first_error, forget_errors, llama_cpp
from assistant.errors import EngineError

# Sequences cost nothing until they are used, but for room for the logits of one token each. A recurrent model's are its
# whole state, allocated when it is opened.
_SEQUENCES, _RECURRENT_SEQUENCES = 16, 4


@dataclass(frozen=True, slots=True)
class Computing:
    """How a context computes: tokens evaluated at once, and CPU threads."""

    batch: int
    threads: int


def open_pool(handle: Any, tokens: int, computing: Computing) -> Any:
    """A context with one pool of cells, a token each, so that sequences share what they begin with.

    Raises:
        EngineError: there is no memory for it.
    """
    recurrent = llama_cpp.llama_model_is_recurrent(handle) or llama_cpp.llama_model_is_hybrid(handle)
    sequences = _RECURRENT_SEQUENCES if recurrent else _SEQUENCES
    return _open(handle, sequences, tokens, computing, unified=True)


def open_streams(handle: Any, sequences: int, room: int, computing: Computing) -> Any:
    """A context for so many sequences that share nothing, each with room for so many tokens.

    No token's attention has to pass over those of other sequences.

    Raises:
        EngineError: there is no memory for it.
    """
    try:
        return _open(handle, sequences, sequences * room, computing, unified=False)
    except EngineError as error:
        raise EngineError(
            f"llama.cpp cannot write {sequences} texts of up to {room} tokens at once: {error}; close other programs."
        ) from None


def _open(handle: Any, sequences: int, tokens: int, computing: Computing, *, unified: bool) -> Any:
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx, parameters.n_seq_max, parameters.kv_unified = tokens, sequences, unified
    parameters.n_batch = parameters.n_ubatch = computing.batch
    # Only the last token's logits are wanted, but llama.cpp insists on room for a token of each sequence.
    parameters.n_outputs_max = sequences
    parameters.n_threads = parameters.n_threads_batch = computing.threads
    forget_errors()
    context = llama_cpp.llama_init_from_model(handle, parameters)
    if not context:
        raise EngineError(first_error() or "no reason given")
    return context
