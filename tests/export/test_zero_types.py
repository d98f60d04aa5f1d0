"""Types that cannot hold a zero are refused for pruned matrices, with the reason."""

import gguf
import numpy as np
import pytest

from export.zero_types import HOLD_ZERO, refuse_without_zero
from prune.errors import UsageError

Type = gguf.GGMLQuantizationType


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Q4_K", "scale x code \\+ minimum"),
        ("Q5_K", "scale x code \\+ minimum"),
        ("Q2_K", "scale x code \\+ minimum"),
        ("Q4_1", "scale x code \\+ minimum"),
        ("IQ4_NL", "a table that does not contain 0"),
        ("IQ3_S", "a table that does not contain 0"),
        ("I8", "not among the types known"),
    ],
)
def test_refused_with_the_reason(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=rf"'blk\.0\.ffn_up\.weight' cannot be stored as {name}: .*{reason}.*Q8_0"):
        refuse_without_zero(Type[name], "blk.0.ffn_up.weight")


@pytest.mark.parametrize("kind", sorted(HOLD_ZERO), ids=lambda kind: kind.name)
def test_accepted(kind: gguf.GGMLQuantizationType) -> None:
    refuse_without_zero(kind, "a.weight")


@pytest.mark.parametrize("kind", [Type.Q8_0, Type.Q4_0, Type.Q5_0, Type.F16, Type.BF16], ids=lambda kind: kind.name)
def test_accepted_ones_keep_zeros_and_the_others_lose_them(kind: gguf.GGMLQuantizationType) -> None:
    values = np.linspace(0.3, 5, 256, dtype=np.float32)
    values[::3] = 0
    values[1] = -2.7
    back = gguf.quants.dequantize(gguf.quants.quantize(values, kind), kind)
    assert (back[::3] == 0).all()
    lossy = gguf.quants.dequantize(gguf.quants.quantize(values, Type.Q4_1), Type.Q4_1)
    assert (lossy[::3] != 0).any()


def test_a_table_without_zero_has_none() -> None:
    assert 0 not in gguf.quants.IQ4_NL.kvalues
