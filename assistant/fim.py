"""Fill-in-the-middle prompts: which special tokens a model has for them, and in what order they go."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from assistant.catalog import FimTokens, load_catalog
from assistant.context.types import Chunk
from assistant.engine.protocol import ModelInfo, Prompt, Segment, TokenRole
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


class SpecialTokens(Protocol):
    """What knows a model's special tokens: an engine, or a tokenizer alone."""

    @property
    def info(self) -> ModelInfo:
        """What the model's file says of them."""
        ...

    def has_token(self, special: str) -> bool:
        """Whether the model has a special token of this name."""
        ...


def find_fim_tokens(model: SpecialTokens, catalogued: FimTokens | None = None) -> FimTokens:
    """The model's FIM tokens: those its catalog entry says, else those its file says, else those known by name.

    Raises:
        EngineError: it has none.
    """
    candidates = [catalogued, _declared(model), *KNOWN_TOKENS]
    for tokens in candidates:
        if tokens is not None and all(map(model.has_token, _names(tokens))):
            return tokens
    able = ", ".join(model.name for model in load_catalog().models if model.fim)
    raise EngineError(
        f"{model.info.name} has no fill-in-the-middle tokens, so it cannot complete code; these models can: {able}."
    )


@dataclass(frozen=True, slots=True)
class FileName:
    """What the file at the cursor is called: its project's name, and its path in it, posix."""

    project: str
    path: str


def fim_prompt(
    tokens: FimTokens, before: str, after: str, chunks: Sequence[Chunk] = (), file: FileName | None = None
) -> Prompt:
    """The prompt for the text between `before` and `after`, in the order that suits the model.

    `chunks` of other files go first, as they change least: in the repository format of Qwen2.5-Coder's report (arXiv
    2409.12186, section 3.2) where the model has tokens for it, under comments that name their files elsewhere. Without
    any the prompt is that of the file alone.

    Suffix first ends with the text before the cursor: typing only appends to it, so the KV cache serves, and the end
    can be healed.
    """
    prefix, suffix, middle = (
        Segment(tokens.prefix, special=True),
        Segment(tokens.suffix, special=True),
        Segment(tokens.middle, special=True),
    )
    front = _front(tokens, chunks, file)
    if tokens.order == "suffix-first":
        return Prompt((*front, prefix, suffix, Segment(after), middle, Segment(before)), healed=True)
    if front and not front[0].special:
        # Models that were never shown several files know text in front only as a part of the prefix.
        return Prompt((prefix, *front, Segment(before), suffix, Segment(after), middle))
    return Prompt((*front, prefix, Segment(before), suffix, Segment(after), middle))


def fim_prompt_beginning(tokens: FimTokens, chunks: Sequence[Chunk], file: FileName | None = None) -> Prompt:
    """What each prompt with these chunks begins with, up to the text of the file itself; `chunks` are not empty."""
    front = _front(tokens, chunks, file)
    inside_prefix = tokens.order != "suffix-first" and not front[0].special
    return Prompt((Segment(tokens.prefix, special=True), *front) if inside_prefix else tuple(front))


def _front(tokens: FimTokens, chunks: Sequence[Chunk], file: FileName | None) -> list[Segment]:
    """Other files' chunks, each a segment of its own: a chunk more at the end changes no token of those before it."""
    if not chunks:
        return []
    if tokens.repo_name is None or tokens.file_separator is None:
        return [Segment(_under_comment(chunk)) for chunk in chunks]
    separator = Segment(tokens.file_separator, special=True)
    front = [Segment(tokens.repo_name, special=True), Segment(f"{file.project if file else 'project'}\n")]
    above = None
    for chunk in chunks:
        if chunk.path != above:
            front += [separator, Segment(f"{chunk.path}\n")]
        front.append(Segment(_with_line_end(chunk.text)))
        above = chunk.path
    return [*front, separator, *([Segment(f"{file.path}\n")] if file else ())]


def _under_comment(chunk: Chunk) -> str:
    mark = "#" if PurePosixPath(chunk.path).suffix in {".py", ".pyi"} else "//"
    return f"{mark} {chunk.path}\n{_with_line_end(chunk.text)}\n"


def _with_line_end(text: str) -> str:
    return text if text.endswith("\n") else text + "\n"


def _declared(model: SpecialTokens) -> FimTokens | None:
    names = model.info.special_tokens
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
