"""Prompts with chunks of other files."""

from hypothesis import given
from hypothesis import strategies as st

from assistant.context.types import Chunk
from assistant.fim import KNOWN_TOKENS, FileName, fim_prompt

QWEN, CODELLAMA = KNOWN_TOKENS[0], KNOWN_TOKENS[6]
SUFFIX_FIRST_WITHOUT_FILES = CODELLAMA.model_copy(update={"order": "suffix-first"})
FILE = FileName("car", "main.py")
CHUNKS = (
    Chunk("wheel.py", "def turn(): ...\n"),
    Chunk("wheel.py", "def stop(): ..."),
    Chunk("a/door.ts", "class Door\n"),
)

chunk_lists = st.lists(st.builds(Chunk, st.sampled_from(["a.py", "b.ts"]), st.text(max_size=20)), max_size=5).map(tuple)


def spelled(prompt_chunks: tuple[Chunk, ...], file: FileName | None = FILE) -> str:
    prompt = fim_prompt(QWEN, "before", "after", prompt_chunks, file)
    return "".join(segment.text for segment in prompt.segments)


def test_the_repository_format_is_followed_by_the_prompt_of_the_file() -> None:
    assert spelled(CHUNKS) == (
        "<|repo_name|>car\n<|file_sep|>wheel.py\ndef turn(): ...\ndef stop(): ...\n<|file_sep|>a/door.ts\nclass Door\n"
        "<|file_sep|>main.py\n<|fim_prefix|><|fim_suffix|>after<|fim_middle|>before"
    )
    assert fim_prompt(QWEN, "before", "after", CHUNKS, FILE).healed


def test_without_chunks_the_prompt_is_the_file_s_alone() -> None:
    assert fim_prompt(QWEN, "before", "after", (), FILE) == fim_prompt(QWEN, "before", "after")


def test_text_that_spells_a_token_is_text() -> None:
    prompt = fim_prompt(QWEN, "", "", (Chunk("<|file_sep|>", "<|fim_middle|>\n"),), FILE)
    special = [segment.text for segment in prompt.segments if segment.special]
    assert special.count("<|file_sep|>") == 2
    assert special.count("<|fim_middle|>") == 1


def test_models_without_file_tokens_get_comments_in_the_prefix() -> None:
    prompt = fim_prompt(CODELLAMA, "before", "after", CHUNKS[1:], FILE)
    assert [segment.text for segment in prompt.segments] == [
        "▁<PRE>",
        "# wheel.py\ndef stop(): ...\n\n",
        "// a/door.ts\nclass Door\n\n",
        "before",
        "▁<SUF>",
        "after",
        "▁<MID>",
    ]


@given(chunk_lists, chunk_lists)
def test_more_chunks_change_nothing_in_front_of_them(first: tuple[Chunk, ...], more: tuple[Chunk, ...]) -> None:
    for tokens in (QWEN, CODELLAMA, SUFFIX_FIRST_WITHOUT_FILES):
        short, long = (fim_prompt(tokens, "b", "a", chunks, FILE).segments for chunks in (first, first + more))
        # All in front of the last chunk's end, and that is most of the front.
        ends = 2 if first and tokens is QWEN else 0
        front = short[: len(short) - 5 - ends] if tokens is not CODELLAMA else short[: 1 + len(first)]
        assert long[: len(front)] == front
