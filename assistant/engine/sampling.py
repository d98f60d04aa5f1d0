"""Choosing the next token from a model's logits."""

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from assistant.engine.native import llama_cpp
from assistant.engine.protocol import Sampling
from assistant.errors import EngineError

Logits = npt.NDArray[np.float32]

# llama.h: struct llama_token_data
_CANDIDATE = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


class Sampler:
    """Chooses tokens as one generation's sampling says; it may hold native memory."""

    def __init__(self, sampling: Sampling) -> None:
        """Nothing native is held before the first token is drawn."""
        self._sampling = sampling
        self._chain: Any = None

    def close(self) -> None:
        """Frees it."""
        if self._chain is not None:
            llama_cpp.llama_sampler_free(self._chain)
            self._chain = None

    def choose(self, logits: Logits, allowed: npt.NDArray[np.int32] | None = None) -> int:
        """The next token, among `allowed` if given (not empty).

        Raises:
            EngineError: the logits are not numbers.
        """
        candidates = logits if allowed is None else logits[allowed]
        best = int(np.argmax(candidates))
        if not np.isfinite(candidates[best]):
            raise EngineError("The model's output is not a number; its file is damaged: fetch or build it again.")
        if self._sampling.temperature > 0:
            best = self._draw(candidates)
        return best if allowed is None else int(allowed[best])

    def _draw(self, logits: Logits) -> int:
        """An index into `logits`, drawn by the sampler chain."""
        self._chain = self._chain or _chain_of(self._sampling)
        data = np.zeros(len(logits), dtype=_CANDIDATE)
        data["id"] = np.arange(len(logits), dtype=np.int32)
        data["logit"] = logits
        array = llama_cpp.llama_token_data_array(
            data=data.ctypes.data_as(ctypes.POINTER(llama_cpp.llama_token_data)),
            size=len(data),
            selected=-1,
            sorted=False,
        )
        llama_cpp.llama_sampler_apply(self._chain, ctypes.byref(array))
        return int(array.data[array.selected].id)


def _chain_of(sampling: Sampling) -> Any:
    chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
    for stage in (
        llama_cpp.llama_sampler_init_top_k(sampling.top_k),
        llama_cpp.llama_sampler_init_top_p(sampling.top_p, 1),
        llama_cpp.llama_sampler_init_min_p(sampling.min_p, 1),
        llama_cpp.llama_sampler_init_temp(sampling.temperature),
        llama_cpp.llama_sampler_init_dist(sampling.seed & 0xFFFFFFFF),
    ):
        llama_cpp.llama_sampler_chain_add(chain, stage)
    return chain
