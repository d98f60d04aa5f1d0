"""Which of GGUF's types can hold a pruned matrix: those in which a weight can be exactly zero."""

from gguf.constants import GGMLQuantizationType as Type

from prune.errors import UsageError

HOLD_ZERO = frozenset({Type.F64, Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q4_0, Type.Q5_0, Type.Q3_K, Type.Q6_K})
_WITH_MINIMUM = frozenset({Type.Q4_1, Type.Q5_1, Type.Q2_K, Type.Q4_K, Type.Q5_K})
_WITH_CODEBOOK = frozenset(
    {Type.IQ1_S, Type.IQ1_M, Type.IQ2_XXS, Type.IQ2_XS, Type.IQ2_S, Type.IQ3_XXS, Type.IQ3_S, Type.IQ4_NL, Type.IQ4_XS}
)


def why_without_zero(value_type: Type) -> str | None:
    """Why a pruned matrix cannot be stored as this type; None if it can."""
    if value_type in HOLD_ZERO:
        return None
    if value_type in _WITH_MINIMUM:
        reason = "it stores scale x code + minimum, and no code of a block need give 0"
    elif value_type in _WITH_CODEBOOK:
        reason = "its codes stand for values of a table that does not contain 0"
    else:
        reason = "it is not among the types known to hold an exact 0 in every block"
    return f"{reason}, so pruned weights would come back as something else"


def refuse_without_zero(value_type: Type, tensor: str) -> None:
    """Refuses a type that would make a pruned matrix dense again.

    Raises:
        UsageError: the type cannot hold a zero in every block; the message says why.
    """
    if (reason := why_without_zero(value_type)) is None:
        return
    choices = ", ".join(sorted(known.name for known in HOLD_ZERO - {Type.F64}))
    raise UsageError(
        f"The pruned matrix {tensor!r} cannot be stored as {value_type.name}: {reason}; choose one of {choices}."
    )
