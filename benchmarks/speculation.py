"""What prompt lookup decoding could save: drafts of tokens that followed the same tokens before, checked in one batch.

Lines are completed greedily at places of a project's files. Then it is counted how many steps they had taken with
drafts, and what those cost by the times of small batches, measured in the same run. Drafting itself counts as free.

    python benchmarks/speculation.py --model base.gguf --project . --places 60
"""

import argparse
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from llama_cpp import Llama

from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.engine.protocol import Prompt, Sampling, Segment
from assistant.fim import fim_prompt, find_fim_tokens
from assistant.window import WindowSize, window_after, window_before

_LONGEST_DRAFT = 5
_REPEATS = 5
_PROMPT_TOKENS = 500
_LINE_TOKENS = 64


@dataclass(frozen=True)
class Written:
    """The tokens of a prompt's text, and of what the model wrote after it."""

    prompt: list[int]
    completion: list[int]


def places(project: Path, count: int) -> Iterator[tuple[str, str]]:
    """Texts before and after random lines of a project's Python files; the lines are left out, but for indentation."""
    chosen = random.Random(0)
    files = [path for path in project.rglob("*.py") if not any(part.startswith(".") for part in path.parts)]
    texts = [text for path in sorted(files) if (text := path.read_text(encoding="utf-8")).count("\n") > 20]
    for _ in range(count):
        lines = chosen.choice(texts).splitlines(keepends=True)
        number = chosen.randrange(10, len(lines))
        indentation = lines[number][: len(lines[number]) - len(lines[number].lstrip())]
        yield "".join(lines[:number]) + indentation, "\n" + "".join(lines[number + 1 :])


def write(engine: LlamaEngine, tokenizer: Llama, before: str, after: str) -> Written:
    """Completes a line."""
    size = WindowSize()
    before, after = (
        window_before(before, size, engine.count_tokens),
        window_after(after, size, engine.count_tokens),
    )
    text = ""
    prompt = fim_prompt(find_fim_tokens(engine), before, after)
    with closing(engine.generate(prompt, Sampling(max_tokens=_LINE_TOKENS))) as generation:
        for piece in generation:
            text += piece
            if "\n" in text:
                break
    return Written(tokens(tokenizer, after + before), tokens(tokenizer, text))


def tokens(tokenizer: Llama, text: str) -> list[int]:
    """The tokens of a text alone."""
    return list(tokenizer.tokenize(text.encode(), add_bos=False, special=False))


def batch_seconds(engine: LlamaEngine, tokenizer: Llama, text: str) -> list[float]:
    """The least time that a batch of so many tokens took, or of a few more, at the end of a completion's prompt."""
    found = [float("inf")] * (3 * _LONGEST_DRAFT)
    known = tokens(tokenizer, text)[: _PROMPT_TOKENS + len(found)]
    for _ in range(_REPEATS):
        for more in range(1, len(found)):
            engine.prefill(_plain(tokenizer, known[:_PROMPT_TOKENS]))
            usage = engine.prefill(_plain(tokenizer, known[: _PROMPT_TOKENS + more]))
            evaluated = usage.prompt_tokens - usage.cached_tokens
            if evaluated < len(found):
                found[evaluated] = min(found[evaluated], usage.prefill_seconds)
    return [min(found[size:]) for size in range(len(found))]


def drafted(tokens: list[int], key: int, most: int) -> list[int]:
    """What followed the last `key` tokens where they came before, the last time."""
    wanted = tokens[-key:]
    for start in range(len(tokens) - key - 1, -1, -1):
        if tokens[start : start + key] == wanted:
            return tokens[start + key : start + key + most]
    return []


def costs(written: list[Written], key: int, most: int, seconds: list[float]) -> tuple[float, float, int, int]:
    """Seconds of decoding without and with drafts, and how many tokens were drafted and right."""
    alone = drafting = 0.0
    offered = right = 0
    for each in written:
        known, left = list(each.prompt), list(each.completion)
        while left:
            draft = drafted(known, key, most)
            agreeing = next((n for n, pair in enumerate(zip(draft, left, strict=False)) if pair[0] != pair[1]), None)
            taken = min(len(draft), len(left)) if agreeing is None else agreeing
            step = min(taken + 1, len(left))  # the model's own token comes with the draft's
            alone += step * seconds[1]
            drafting += seconds[1 + len(draft)]
            offered, right = offered + len(draft), right + taken
            known, left = known + left[:step], left[step:]
    return alone, drafting, offered, right


def _plain(tokenizer: Llama, tokens: list[int]) -> Prompt:
    return Prompt((Segment(tokenizer.detokenize(tokens).decode(errors="ignore")),))


def main() -> None:
    """Prints the times of small batches, and a line for each way to draft."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--places", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    tokenizer = Llama(str(arguments.model), vocab_only=True, verbose=False)
    engine = LlamaEngine(arguments.model, LlamaOptions(threads=arguments.threads))
    found = list(places(arguments.project, arguments.places))
    written = [write(engine, tokenizer, before, after) for before, after in found]
    seconds = batch_seconds(engine, tokenizer, "".join(max(found, key=lambda place: len(place[0]))))
    engine.close()
    print("tokens a batch: " + ", ".join(f"{size}: {1000 * seconds[size]:.0f} ms" for size in range(1, 7)))
    print(f"{'key':>5} {'draft':>6} {'right':>10} {'speed-up':>9}")
    for key in (2, 3, 4):
        for most in (1, 2, 3, _LONGEST_DRAFT):
            alone, drafting, offered, right = costs(written, key, most, seconds)
            print(f"{key:5} {most:6} {right:5}/{offered:<5} {alone / drafting:8.2f}")


if __name__ == "__main__":
    main()
