"""How likely models find the next line of a project's files, by how much of the text around the cursor a prompt has.

Prompts are those of `sned lsp` without other files' chunks, with so many tokens in all, four of five before the cursor.
The cursor stands at the beginning of a line, after its indentation, with at least a whole window of the largest before
it. Beside each mean stands its difference to the first one's with its standard error, by pairs.

    python benchmarks/windows.py --model base.gguf --project FOLDER --sample 48
"""

import argparse
import random
from pathlib import Path

import numpy as np
from infilling import Task
from middles import continuation, heading, row

from assistant.engine.llama import LlamaEngine, LlamaOptions
from assistant.fim import fim_prompt, find_fim_tokens
from assistant.perplexity import continuation_losses
from assistant.window import WindowSize, window_after, window_before

# About as many as the largest window takes.
_LINES_ABOVE = 60


def places(project: Path, sample: int) -> list[Task]:
    """Lines of Python files that are not blank, far enough below the first: a fixed sample, each of another place."""
    found = []
    for path in sorted(project.rglob("*.py")):
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        for number in range(_LINES_ABOVE, len(lines)):
            line = lines[number]
            indentation = line[: len(line) - len(line.lstrip())]
            if line.strip():
                before = "".join(lines[:number]) + indentation
                found.append(Task(before, "\n" + "".join(lines[number + 1 :]), line.strip()))
    return random.Random(0).sample(found, min(sample, len(found)))


def main() -> None:
    """Prints a line a size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--project", type=Path, default=Path())
    parser.add_argument("--sample", type=int, default=48)
    parser.add_argument("--sizes", type=int, nargs="+", default=[640, 320, 200, 128], help="tokens of a prompt")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    tasks = places(arguments.project, arguments.sample)
    engine = LlamaEngine(arguments.model, LlamaOptions(threads=arguments.threads))
    fim, vocabulary, count = find_fim_tokens(engine), engine._model.vocabulary, engine.count_tokens
    characters = sum(len(task.answer) for task in tasks)
    print(f"{len(tasks)} lines, {arguments.model}")
    print(heading("tokens around the cursor", "nats a line"))
    first = None
    for tokens in arguments.sizes:
        size = WindowSize().within(tokens)
        prompts = [
            fim_prompt(fim, window_before(task.before, size, count), window_after(task.after, size, count))
            for task in tasks
        ]
        continuations = [continuation(prompt, task, vocabulary) for prompt, task in zip(prompts, tasks, strict=True)]
        losses = continuation_losses(arguments.model, continuations, arguments.threads)
        nats = np.array([float(each.sum()) for each in losses])
        first = nats if first is None else first
        print(row(str(tokens), nats, first, characters), flush=True)
    engine.close()


if __name__ == "__main__":
    main()
