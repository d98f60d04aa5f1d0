"""Wanda written straight from the paper, over plain numpy: slow, and independent of the program.

Llama-style blocks computed in double precision from GGUF weights, in GGUF's own conventions (so for `llama` the
rotation of neighbouring pairs), pruned matrix by matrix as their inputs become known.
"""

import numpy as np

from tests.prune import tiny_models as tiny


def prune(
    weights: dict[str, np.ndarray], architecture: str, tokens: np.ndarray, sparsity: float
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Every pruned matrix by its GGUF name, and the mean squared activation of each of its inputs."""
    pruned, importance, _ = _pass(weights, architecture, tokens, sparsity)
    return pruned, importance


def output_inputs(weights: dict[str, np.ndarray], architecture: str, tokens: np.ndarray) -> np.ndarray:
    """What the output matrix sees of these tokens, shape (sequences, tokens, width)."""
    _, _, hidden = _pass(weights, architecture, tokens, 0.0)
    return _rms_norm(hidden, weights["output_norm.weight"].astype(np.float64))


def _pass(
    weights: dict[str, np.ndarray], architecture: str, tokens: np.ndarray, sparsity: float
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    model = {name: values.astype(np.float64) for name, values in weights.items()}
    pruned: dict[str, np.ndarray] = {}
    importance: dict[str, np.ndarray] = {}

    def prune_matrices(block: int, names: list[str], inputs: np.ndarray) -> None:
        squares = inputs.reshape(-1, inputs.shape[-1]) ** 2
        norms = np.sqrt(squares.sum(axis=0))
        for short in names:
            name = f"blk.{block}.{short}.weight"
            score = np.abs(model[name]) * norms
            for row, row_score in zip(model[name], score, strict=True):
                row[np.argsort(row_score, kind="stable")[: int(len(row) * sparsity)]] = 0
            pruned[name] = model[name]
            importance[name] = squares.mean(axis=0)

    hidden = model["token_embd.weight"][tokens] * (tiny.HIDDEN**0.5 if architecture == "gemma" else 1)
    for block in range(tiny.BLOCKS):

        def weight(short: str, block: int = block) -> np.ndarray:
            return model[f"blk.{block}.{short}"]

        x = _rms_norm(hidden, weight("attn_norm.weight"))
        prune_matrices(block, ["attn_q", "attn_k", "attn_v"], x)
        context = _attention(x, weight, architecture)
        prune_matrices(block, ["attn_output"], context)
        hidden = hidden + context @ weight("attn_output.weight").T
        x = _rms_norm(hidden, weight("ffn_norm.weight"))
        prune_matrices(block, ["ffn_gate", "ffn_up"], x)
        gate = x @ weight("ffn_gate.weight").T
        activation = _activation(gate, architecture) * (x @ weight("ffn_up.weight").T)
        prune_matrices(block, ["ffn_down"], activation)
        hidden = hidden + activation @ weight("ffn_down.weight").T
    return pruned, importance, hidden


def _activation(x: np.ndarray, architecture: str) -> np.ndarray:
    if architecture == "gemma":  # GELU, by its approximation
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return x / (1 + np.exp(-x))


def _rms_norm(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6) * weight


def _attention(x: np.ndarray, weight, architecture: str) -> np.ndarray:
    def heads(short: str, count: int) -> np.ndarray:
        y = x @ weight(f"{short}.weight").T
        if architecture == "qwen2":
            y = y + weight(f"{short}.bias")
        return y.reshape(*x.shape[:2], count, tiny.HEAD_DIM)

    q, k, v = heads("attn_q", tiny.HEADS), heads("attn_k", tiny.KV_HEADS), heads("attn_v", tiny.KV_HEADS)
    if architecture == "qwen3":
        q, k = _rms_norm(q, weight("attn_q_norm.weight")), _rms_norm(k, weight("attn_k_norm.weight"))
    q, k = (_rotate(y, neighbours=architecture == "llama") for y in (q, k))
    k, v = (np.repeat(y, tiny.HEADS // tiny.KV_HEADS, axis=2) for y in (k, v))
    scores = np.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(tiny.HEAD_DIM)
    length = x.shape[1]
    scores = np.where(np.tril(np.ones((length, length), dtype=bool)), scores, -np.inf)
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    scores /= scores.sum(axis=-1, keepdims=True)
    return np.einsum("bhqk,bkhd->bqhd", scores, v).reshape(*x.shape[:2], -1)


def _rotate(x: np.ndarray, neighbours: bool) -> np.ndarray:
    half = tiny.HEAD_DIM // 2
    angles = np.arange(x.shape[1])[:, None] / 10000.0 ** (np.arange(half) / half)
    cosine, sine = np.cos(angles)[None, :, None, :], np.sin(angles)[None, :, None, :]
    first, second = (x[..., 0::2], x[..., 1::2]) if neighbours else (x[..., :half], x[..., half:])
    a, b = first * cosine - second * sine, second * cosine + first * sine
    return np.stack([a, b], axis=-1).reshape(x.shape) if neighbours else np.concatenate([a, b], axis=-1)
