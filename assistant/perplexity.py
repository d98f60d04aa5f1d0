"""How well a model predicts text: perplexity over whole sequences of tokens."""

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assistant.engine.batch import Batch, Placed
from assistant.engine.loading import load_model
from assistant.engine.memory import read_shape
from assistant.engine.native import llama_cpp
from assistant.engine.offload import gpus, layers_that_fit
from assistant.errors import EngineError

# Logits of every position are kept for a batch: 152,000 of them a token for Qwen2.5, 40 MB for 64 tokens.
_BATCH = 64


def perplexity(model: Path, tokens: npt.NDArray[np.int32], threads: int) -> float:
    """The exponential of the mean negative log-likelihood of each token after the first of its sequence.

    Args:
        model: a GGUF file.
        tokens: shape (sequences, tokens a sequence); sequences are independent of each other.
        threads: CPU threads.

    Raises:
        EngineError: the model cannot be loaded or run.
        ValueError: a sequence has fewer than two tokens.
    """
    if tokens.ndim != 2 or tokens.shape[1] < 2 or not len(tokens):
        raise ValueError(f"perplexity takes sequences of two tokens or more, not an array of shape {tokens.shape}")
    return math.exp(
        sum(float(loss.sum()) for loss in losses(model, list(tokens), threads)) / (tokens.size - len(tokens))
    )


@dataclass(frozen=True, slots=True)
class Continuation:
    """Tokens of which the last are to be predicted.

    Attributes:
        tokens: shape (tokens,).
        begin: the first that is predicted, at least 1.
        among: for tokens by their place, the ids that were possible there; elsewhere all are.
    """

    tokens: npt.NDArray[np.int32]
    begin: int = 1
    among: Mapping[int, npt.NDArray[np.int32]] = field(default_factory=dict)


def losses(model: Path, sequences: list[npt.NDArray[np.int32]], threads: int) -> Generator[npt.NDArray[np.float64]]:
    """The negative log-likelihood in nats of each token after the first, for one sequence after the other.

    Raises:
        EngineError: the model cannot be loaded or run.
    """
    return continuation_losses(model, [Continuation(sequence) for sequence in sequences], threads)


def continuation_losses(
    model: Path, continuations: list[Continuation], threads: int
) -> Generator[npt.NDArray[np.float64]]:
    """The negative log-likelihood in nats of each token that is to be predicted, of one continuation after the other.

    Raises:
        EngineError: the model cannot be loaded or run.
    """
    longest, shape = max((len(each.tokens) for each in continuations), default=0), read_shape(model)
    loading = llama_cpp.llama_model_default_params()
    loading.n_gpu_layers = layers_that_fit(shape, longest, gpus())
    handle = load_model(model, shape, loading)
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = longest
    parameters.n_batch = parameters.n_ubatch = _BATCH
    parameters.n_threads = parameters.n_threads_batch = threads
    context = llama_cpp.llama_init_from_model(handle, parameters)
    if not context:
        llama_cpp.llama_model_free(handle)
        raise EngineError(f"There is no memory for a context of {longest} tokens; give shorter texts.")
    try:
        vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(handle))
        for continuation in continuations:
            yield _losses(context, continuation, vocabulary)
    finally:
        llama_cpp.llama_free(context)
        llama_cpp.llama_model_free(handle)


def _losses(context: Any, continuation: Continuation, vocabulary: int) -> npt.NDArray[np.float64]:
    llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
    batch = Batch(_BATCH)
    tokens, found = continuation.tokens, []
    try:
        for start in range(0, len(tokens), _BATCH):
            part = tokens[start : start + _BATCH]
            first = max(start, continuation.begin - 1)  # whose logits predict a token that is asked for
            batch.fill(Placed(int(token), at, 0, logits=at >= first) for at, token in enumerate(part, start))
            if llama_cpp.llama_decode(context, batch.native) != 0:
                raise EngineError(f"llama.cpp could not evaluate a sequence of {len(tokens)} tokens.")
            following = tokens[first + 1 : start + 1 + len(part)]
            if first >= start + len(part) or not len(following):
                continue
            shape = (start + len(part) - first, vocabulary)
            logits = np.ctypeslib.as_array(llama_cpp.llama_get_logits(context), shape=shape)[: len(following)]
            loss = _negative_log_likelihood(logits, following)
            for place in continuation.among.keys() & set(range(first + 1, first + 1 + len(following))):
                row, ids = place - first - 1, continuation.among[place]
                chosen = np.flatnonzero(ids == tokens[place]).astype(np.int32)
                loss[row] = _negative_log_likelihood(logits[row : row + 1, ids], chosen)[0]
            found.append(loss)
    finally:
        batch.close()
    return np.concatenate(found) if found else np.zeros(0)


def _negative_log_likelihood(
    logits: npt.NDArray[np.float32], targets: npt.NDArray[np.int32]
) -> npt.NDArray[np.float64]:
    highest = logits.max(axis=1)
    normaliser = np.log(np.exp(logits - highest[:, None]).sum(axis=1, dtype=np.float64)) + highest
    chosen: npt.NDArray[np.float64] = normaliser - logits[np.arange(len(targets)), targets]
    return chosen
