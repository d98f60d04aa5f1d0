"""The type that matrices are multiplied as, where rounding them does no harm."""

import torch


def multiplied_as() -> torch.dtype:
    """16-bit floats where this processor multiplies these twice as fast, else 32-bit ones."""
    return torch.bfloat16 if has_bfloat16() else torch.float32


def has_bfloat16() -> bool:
    """Whether this processor multiplies 16-bit floats; where it does not, they would be slower than 32-bit ones."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"))
