"""llama.cpp in this process: the first engine.

It works on tokens through llama.cpp's C API, as llama-cpp-python's `Llama` class offers neither token healing, nor a
stop during prefill, nor FIM prompts of our own order.
"""

import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from assistant.engine.cache import KVCache, Prefill, Saving
from assistant.engine.cache_file import CacheKey, UnusableFile, fingerprint
from assistant.engine.cancellation import Cancellation
from assistant.engine.contexts import Computing, open_pool, open_streams
from assistant.engine.generation import LlamaGeneration, LoadedModel, Request
from assistant.engine.healing import Constraint, heal
from assistant.engine.loading import load_model
from assistant.engine.memory import ModelShape, cache_tokens, check_memory, read_shape
from assistant.engine.native import llama_cpp
from assistant.engine.offload import described, gpus, layers_that_fit, offloaded_bytes
from assistant.engine.protocol import Generation, ModelInfo, Prompt, Sampling, Usage, Wanted, Written
from assistant.engine.side_by_side import SEQUENCES, Encoded, SideBySide, streams_for
from assistant.engine.sparse_backend import DENSE, SparseBackend, place
from assistant.engine.vocabulary import Vocabulary
from assistant.errors import EngineError

_log = logging.getLogger("sned.engine")

_SAVED_BYTES = 128 << 20  # 10,000 tokens of a 0.5B model: written and read in a fraction of a second
_FILE_OVERHEAD = 16 << 20


@dataclass(frozen=True, slots=True)
class LlamaOptions:
    """How a model is opened.

    Attributes:
        context: tokens that prompt and completion may have together.
        threads: CPU threads.
        gpu_layers: layers to offload, the output matrix being one; `auto` is as many as the GPUs that llama.cpp was
            built for have room for.
        batch: tokens evaluated at once in prefill. Cancelling loses those of one batch, and waits for one matrix
            product of it: 64 are evaluated as fast as 512, but keep all of a prefill that a keystroke cancels
            (benchmarks/cancel.py). Of 32 it would lose half as much, and take 1.05 to 1.08 times as long: as much in
            all where it is cancelled every 200 tokens, as pauses between words do.
        check_memory: refuse a model that does not fit in the memory available now.
        sparse_backend: whether pruned matrices are computed with as they are packed: `auto` where that is faster,
            `on` wherever it is possible, or `off`.
        side_by_side: texts that are written at once, where many are wanted; a multiple of 8.
    """

    context: int = 4096
    threads: int = 2
    gpu_layers: int | Literal["auto"] = "auto"
    batch: int = 64
    check_memory: bool = True
    sparse_backend: SparseBackend = "auto"
    side_by_side: int = SEQUENCES


class LlamaEngine:
    """A GGUF model run by llama.cpp, with the KV cache of each document's last prompt kept for the next.

    The cache holds twice the context's tokens (`memory.cache_tokens`), for as many documents as share them: 12 KiB a
    token for a model of 0.5B, 28 KiB for one of 1.5B.
    """

    def __init__(self, path: Path, options: LlamaOptions, name: str | None = None) -> None:
        """Loads the model at `path`; `name` is what to call it, the file's name by default.

        Raises:
            EngineError: the file is missing, damaged or of a kind llama.cpp cannot run, or memory is too small for it.
        """
        self._path = path
        self._options = options
        self._side_by_side: set[SideBySide] = set()
        shape = read_shape(path)
        self._handle, backend = _load(path, shape, options)
        self._context: Any = None
        try:
            computing = Computing(min(options.batch, options.context), options.threads)
            self._context = open_pool(self._handle, cache_tokens(options.context), computing)
        except EngineError as error:
            self._free()
            raise EngineError(
                f"llama.cpp cannot open {path} with a context of {options.context}: {error}; lower SNED_CONTEXT."
            ) from None
        vocabulary = Vocabulary(llama_cpp.llama_model_get_vocab(self._handle))
        cache = KVCache(self._context, vocabulary.size, options.batch)
        self._model = LoadedModel(vocabulary, cache, options.context)
        # A prompt is asked about, and then continued.
        self._last_encoded: tuple[Prompt | None, list[int], bytes] = (None, [], b"")
        self._info = ModelInfo(
            name=name or path.stem,
            architecture=shape.architecture,
            parameters=llama_cpp.llama_model_n_params(self._handle),
            file_bytes=path.stat().st_size,
            context=options.context,
            special_tokens=vocabulary.declared(),
            chat_template=_chat_template(self._handle),
            bos_token="" if vocabulary.first else vocabulary.name(vocabulary.begin_of_sequence),
            eos_token=vocabulary.name(vocabulary.end_of_sequence),
            backend=backend,
        )

    @property
    def info(self) -> ModelInfo:
        """The model that runs."""
        return self._info

    @property
    def evaluated_tokens(self) -> int:
        """Tokens evaluated since the model was opened: of prompts, of completions, and ahead of requests."""
        return self._model.cache.evaluated_tokens + self._model.evaluated_tokens

    def count_tokens(self, text: str) -> int:
        """Tokens that `text` takes in this model's vocabulary."""
        return self._model.vocabulary.count(text)

    def has_token(self, special: str) -> bool:
        """Whether the vocabulary has the special token of this name."""
        return self._model.vocabulary.special(special) is not None

    def generate(
        self,
        prompt: Prompt,
        sampling: Sampling,
        cancel: Cancellation | None = None,
        *,
        sequence: str = "",
        shift: bool = False,
    ) -> Generation:
        """Continues `prompt`; work begins with the first iteration. Setting `cancel` stops prefill and decoding.

        `sequence` and `shift` say what of earlier prompts is used again, as the protocol describes.

        Raises:
            EngineError: the prompt is empty or longer than the context, names an unknown special token, or the engine
                is closed.
        """
        tokens, constraint = self._checked(prompt)
        request = Request(Prefill(tokens, sequence, shift), constraint, sampling, cancel or Cancellation())
        return LlamaGeneration(self._model, request)

    def write_side_by_side(self, wanted: Sequence[Wanted], cancel: Cancellation | None = None) -> Iterator[Written]:
        """Writes many texts at once, as the protocol describes; a KV cache of their own is allocated meanwhile.

        Raises:
            EngineError: as `generate`, for any of the prompts.
        """
        texts = [Encoded(each, *self._checked(each.prompt)) for each in wanted]
        return self._written_side_by_side(texts, cancel or Cancellation())

    def _written_side_by_side(self, texts: Sequence[Encoded], cancel: Cancellation) -> Iterator[Written]:
        if not texts:
            return
        most = max(len(each.prompt) + each.constraint.left + each.wanted.sampling.max_tokens for each in texts)
        room = min(most, self._info.context)
        sequences = streams_for(len(texts), self._options.side_by_side)
        computing = Computing(max(self._options.batch, sequences), self._options.threads)
        with self._model.in_use:
            self._check_open()
            context = open_streams(self._handle, sequences, room, computing)
            writing = SideBySide(self._model, context, texts)
            self._side_by_side.add(writing)
        try:
            yield from writing.write(cancel)
        finally:
            with self._model.in_use:
                writing.close()
                self._side_by_side.discard(writing)

    def prefill(
        self, prompt: Prompt, cancel: Cancellation | None = None, *, sequence: str = "", shift: bool = False
    ) -> Usage:
        """Evaluates `prompt` so that a generation from it need not, and tells what that cost.

        Cancelled, it keeps what it has evaluated: the same prefill goes on from there.

        Raises:
            EngineError: as `generate`.
        """
        tokens, constraint = self._checked(prompt)
        request = Request(Prefill(tokens, sequence, shift), constraint, Sampling(), cancel or Cancellation())
        return LlamaGeneration(self._model, request).prefill()

    def uncached_tokens(self, prompt: Prompt, *, sequence: str = "", shift: bool = False) -> int:
        """How many tokens of `prompt` a `prefill` would evaluate now, at least 1.

        Raises:
            EngineError: as `generate`.
        """
        tokens, _ = self._checked(prompt)
        with self._model.in_use:
            return len(tokens) - self._model.cache.reusable(Prefill(tokens, sequence, shift))

    def _checked(self, prompt: Prompt) -> tuple[list[int], Constraint]:
        self._check_open()
        last, tokens, wanted = self._last_encoded
        if prompt is not last:
            tokens, wanted = self._encode(prompt)
            self._last_encoded = prompt, tokens, wanted
        if not tokens:
            raise EngineError("The prompt is empty; give the model something to continue.")
        if len(tokens) >= self._info.context:
            raise EngineError(
                f"The prompt has {len(tokens)} tokens and the context {self._info.context}; "
                "shorten it, or raise SNED_CONTEXT."
            )
        return tokens, Constraint(wanted, self._model.vocabulary)

    def save_cache(
        self,
        path: Path,
        *,
        context: str = "",
        sequences: Collection[str] | None = None,
        seconds: float = float("inf"),
    ) -> int:
        """Saves what is cached of the most recent of `sequences`, at most 128 MiB; gives how many tokens that is.

        The file holds those documents' text, as tokens; only its owner may read it.

        Raises:
            EngineError: the file cannot be written, or not within so many `seconds`, or the engine is closed.
        """
        with self._model.in_use:
            self._check_open()
            what = Saving(_SAVED_BYTES, sequences, seconds)
            return self._model.cache.save(path, CacheKey(self._fingerprint, context), what)

    def restore_cache(self, path: Path, *, context: str = "") -> int:
        """Takes over what `save_cache` wrote for this model and `context`, and gives how many tokens that is.

        A file that is missing, damaged or for another model or context is left alone, which the log tells.

        Raises:
            EngineError: the engine is closed.
        """
        with self._model.in_use:
            self._check_open()
            key = CacheKey(self._fingerprint, context)
            try:
                return self._model.cache.restore(path, key, _SAVED_BYTES + _FILE_OVERHEAD)
            except UnusableFile as reason:
                _log.info("not restoring the cache of %s from %s: %s", self._info.name, path, reason)
                return 0

    def close(self) -> None:
        """Frees the model, once a running generation has ended."""
        with self._model.in_use:
            if not self._model.closed:
                self._model.closed = True
                for writing in self._side_by_side:
                    writing.close()
                self._model.cache.close()
                self._free()

    def _check_open(self) -> None:
        if self._model.closed:
            raise EngineError("The model has been closed; open it again.")

    @cached_property
    def _fingerprint(self) -> str:
        return fingerprint(self._path, f"llama-cpp-python {llama_cpp.__version__}")

    def _free(self) -> None:
        if self._context is not None:
            llama_cpp.llama_free(self._context)
        llama_cpp.llama_model_free(self._handle)

    def _encode(self, prompt: Prompt) -> tuple[list[int], bytes]:
        """A prompt's tokens, and the bytes the model has to write again if it is healed."""
        vocabulary = self._model.vocabulary
        tokens = list(vocabulary.first)
        wanted = b""
        for index, segment in enumerate(prompt.segments):
            if segment.special:
                token = vocabulary.special(segment.text)
                if token is None:
                    raise EngineError(
                        f"{self._info.name} has no special token {segment.text!r}; choose a model trained for it."
                    )
                tokens.append(token)
            elif prompt.healed and index == len(prompt.segments) - 1:
                healed = heal(segment.text, vocabulary)
                tokens += healed.tokens
                wanted = healed.wanted
            else:
                tokens += vocabulary.tokenize(segment.text)
        if not tokens and wanted:  # nothing to begin with: the model has to be given what it would write again
            return vocabulary.tokenize(prompt.segments[-1].text), b""
        return tokens, wanted


def _model_parameters(layers: int) -> Any:
    parameters = llama_cpp.llama_model_default_params()
    parameters.n_gpu_layers = layers
    return parameters


def _load(path: Path, shape: ModelShape, options: LlamaOptions) -> tuple[Any, str]:
    """The model's handle, and what computes with its matrices."""
    devices = gpus()
    fitting = layers_that_fit(shape, options.context, devices)
    layers = fitting if options.gpu_layers == "auto" else options.gpu_layers
    parameters = _model_parameters(layers)
    placement = place(path, options.sparse_backend, parameters)
    offloaded = offloaded_bytes(shape, options.context, layers, devices)
    if options.check_memory:
        check_memory(path, shape, options.context, placement.saved_bytes + offloaded)
    if not placement.matrices:
        where = described(shape, layers, devices)
        return load_model(path, shape, parameters), f"{placement.backend}, {where}" if where else placement.backend
    try:
        return load_model(path, shape, parameters, placement.matrices), placement.backend
    except EngineError as error:
        reason = str(error)
    if options.check_memory:
        check_memory(path, shape, options.context, offloaded)
    handle = load_model(path, shape, _model_parameters(layers))  # a file that is damaged fails here, too
    _log.warning("%s is loaded without the sparse backend: %s", path, reason)
    return handle, DENSE


def _chat_template(handle: Any) -> str | None:
    template = llama_cpp.llama_model_chat_template(handle, None)
    return template.decode("utf-8", errors="replace") if template is not None else None
