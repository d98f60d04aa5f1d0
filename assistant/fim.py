"""Fill-in-the-middle prompts: which special tokens a model has for them, and in what order they go."""

from assistant.catalog import FimTokens, load_catalog
from assistant.engine.protocol import Engine, Prompt, Segment, TokenRole
from assistant.errors import EngineError

# Names in the vocabularies of known families. Suffix first where it was measured to be best; elsewhere the order that
# the models' authors document.
KNOWN_TOKENS: tuple[FimTokens, ...] = (
    FimTokens(  # Qwen2.5-Coder, Qwen3-Coder
        prefix="<|fim_prefix|>",
        suffix="<|fim_suffix|>",
        middle="<|fim_middle|>",
        repo_name="<|repo_name|>",
        file_separator="<|file_sep|>",
        order="suffix-first",
    ),
    FimTokens(  # StarCoder2, SmolLM
        prefix="<fim_prefix>",
        suffix="<fim_suffix>",
        middle="<fim_middle>",
        repo_name="<repo_name>",
        file_separator="<file_sep>",
    ),
    FimTokens(prefix="<fim_prefix>", suffix="<fim_suffix>", middle="<fim_middle>"),  # StarCoder, Granite
    FimTokens(prefix="<fim-prefix>", suffix="<fim-suffix>", middle="<fim-middle>"),  # SantaCoder
    FimTokens(prefix="<|fim_prefix|>", suffix="<|fim_suffix|>", middle="<|fim_middle|>"),  # CodeGemma
    # DeepSeek: its "hole" token stands before the suffix, its "end" token where the middle is to be written.
    FimTokens(prefix="<｜fim▁begin｜>", suffix="<｜fim▁hole｜>", middle="<｜fim▁end｜>"),  # noqa: RUF001
    FimTokens(prefix="▁<PRE>", suffix="▁<SUF>", middle="▁<MID>"),  # CodeLlama
    FimTokens(prefix="<PRE>", suffix="<SUF>", middle="<MID>"),
    FimTokens(prefix="[PREFIX]", suffix="[SUFFIX]", middle="[MIDDLE]"),
)


def find_fim_tokens(engine: Engine, catalogued: FimTokens | None = None) -> FimTokens:
    """The model's FIM tokens: those its catalog entry says, else those its file says, else those known by name.

    Raises:
        EngineError: it has none.
    """
    candidates = [catalogued, _declared(engine), *KNOWN_TOKENS]
    for tokens in candidates:
        if tokens is not None and all(map(engine.has_token, _names(tokens))):
            return tokens
    able = ", ".join(model.name for model in load_catalog().models if model.fim)
    raise EngineError(
        f"{engine.info.name} has no fill-in-the-middle tokens, so it cannot complete code; these models can: {able}."
    )


def fim_prompt(tokens: FimTokens, before: str, after: str) -> Prompt:
    """The prompt for the text between `before` and `after`, in the order that suits the model.

    Suffix first ends with the text before the cursor: typing only appends to it, so the KV cache serves, and the end
    can be healed.
    """
    prefix, suffix, middle = (
        Segment(tokens.prefix, special=True),
        Segment(tokens.suffix, special=True),
        Segment(tokens.middle, special=True),
    )
    if tokens.order == "suffix-first":
        return Prompt((prefix, suffix, Segment(after), middle, Segment(before)), healed=True)
    return Prompt((prefix, Segment(before), suffix, Segment(after), middle))


def _declared(engine: Engine) -> FimTokens | None:
    names = engine.info.special_tokens
    roles = (TokenRole.FIM_PREFIX, TokenRole.FIM_SUFFIX, TokenRole.FIM_MIDDLE)
    if any(role not in names for role in roles):
        return None
    declared = FimTokens(
        prefix=names[TokenRole.FIM_PREFIX],
        suffix=names[TokenRole.FIM_SUFFIX],
        middle=names[TokenRole.FIM_MIDDLE],
        repo_name=names.get(TokenRole.REPOSITORY),
        file_separator=names.get(TokenRole.FILE_SEPARATOR),
    )
    # A file says what the tokens are and not in which order they go: a known family's names tell.
    return next((known for known in KNOWN_TOKENS if _names(known) == _names(declared)), declared)


def _names(tokens: FimTokens) -> list[str]:
    optional = (tokens.repo_name, tokens.file_separator)
    return [tokens.prefix, tokens.suffix, tokens.middle, *(name for name in optional if name)]
