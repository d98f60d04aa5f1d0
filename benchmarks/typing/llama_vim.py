"""llama.cpp's llama-server, asked as llama.vim asks it.

Its ways are those of https://github.com/ggml-org/llama.vim with its default settings: a request at every move of the
cursor, one at a time, tried again 100 ms later while another runs; answers kept and looked up with up to 128 characters
typed through; the next one computed as soon as one is shown; chunks of the file around far jumps in a ring.
"""

import asyncio
import os
import socket
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import httpx2
import psutil
from editor import Change, Editor

_LINES_BEFORE, _LINES_AFTER = 256, 64
_FIRST_MS, _AHEAD_MS = 250, 1000
_RETRY_SECONDS = 0.1
_MOST_AFTER_CURSOR = 8
_TYPED_THROUGH = 128
_CACHED = 250
_CHUNKS, _CHUNK_LINES, _FAR_LINES, _SCOPE_LINES = 16, 64, 32, 1024
_CHUNK_SECONDS, _STILL_SECONDS = 1.0, 3.0


class LlamaVim:
    """llama-server with llama.vim's pattern of requests."""

    name = "llama.vim"

    def __init__(self, server: Path, model: Path, context: int, threads: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # The settings that llama.vim recommends, on one slot: it asks for one completion at a time.
        options = {"-m": model, "-c": context, "-t": threads, "-np": 1, "-b": 1024, "-ub": 1024, "--cache-reuse": 256}
        self._command = [server, "--port", port, "--metrics", "--no-webui"]
        self._command += [word for option in options.items() for word in option]
        self._http = httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=600)
        self._cache: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._chunks: list[tuple[str, ...]] = []
        self._queued: list[tuple[str, ...]] = []
        self._picked_at_line = -9999
        self._job: asyncio.Task[None] | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._moved_at = 0.0
        self._random = Random(0)

    async def start(self, project: Path, editor: Editor) -> psutil.Process:
        """Starts the server, waits until it has loaded the model and answers as for an opened file."""
        self._editor, self._file = editor, str(editor.path)
        self._server = await asyncio.create_subprocess_exec(
            *map(str, self._command),
            cwd=project,
            # As sned has it: threads that spin for long while they wait lose far more when something else runs.
            env=os.environ | {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "200"},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        while True:
            if self._server.returncode is not None:
                raise RuntimeError(f"{self._command[0]} ended with status {self._server.returncode} at its start.")
            with suppress(httpx2.TransportError):
                if (await self._http.get("/health")).status_code == httpx2.codes.OK:
                    break
            await asyncio.sleep(0.1)
        self._ring = asyncio.create_task(self._feed_ring())
        self._ask(None)
        if self._job is not None:
            await self._job
        return psutil.Process(self._server.pid)

    def struck(self, change: Change) -> None:
        """What llama.vim does when the cursor moves in insert mode: shows what it knows, and asks."""
        self._moved_at = asyncio.get_running_loop().time()
        self._editor.measures.asked += not self._is_inside_line()
        self._show()
        self._ask(None)

    async def answered(self) -> None:
        """No request is under way, and none waits for one that was."""
        while self._retry is not None or (self._job is not None and not self._job.done()):
            await asyncio.sleep(_RETRY_SECONDS / 4)

    async def evaluated_tokens(self) -> float:
        """As the metrics tell: tokens of prompts, counted batch by batch, and tokens that were written.

        Requests are never cut short: the server knows no `t_max_prompt_ms`, and nothing here closes a connection.
        """
        metrics = (await self._http.get("/metrics")).text
        found = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
        return float(found["llamacpp:prompt_tokens_total"]) + float(found["llamacpp:tokens_predicted_total"])

    async def stop(self) -> None:
        """Ends the server."""
        self._ring.cancel()
        if self._retry is not None:
            self._retry.cancel()
        self._server.terminate()
        await self._server.wait()
        await self._http.aclose()

    def _show(self) -> None:
        """Shows what is known for the cursor's place, if anything, and asks for what comes after it."""
        before, middle, after = self._local("")
        place, hint = before + middle, self._cache.get((before + middle, after))
        if hint is None:
            for typed in range(1, min(_TYPED_THROUGH, len(place)) + 1):
                known = self._cache.get((place[:-typed], after), "")
                left = known[typed:] if known.startswith(place[-typed:]) else ""
                if len(left) > len(hint or ""):
                    hint = left
        hint = self._shown_part((hint or "").rstrip("\n"))
        if hint:
            self._editor.show(hint)
            self._ask(hint)

    def _ask(self, hint: str | None) -> None:
        """Requests what comes at the cursor, or after a suggestion that is shown there."""
        loop = asyncio.get_running_loop()
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        if self._job is not None and not self._job.done():
            self._retry = loop.call_later(_RETRY_SECONDS, self._ask, hint)
            return
        before, middle, after = self._local(hint or "")
        if hint is None and self._is_inside_line():
            return
        if (before + middle, after) in self._cache:
            return
        self._forget_similar_chunks()
        self._job = asyncio.create_task(self._request(before, middle, after, _AHEAD_MS if hint else _FIRST_MS))
        self._pick_far_chunks()

    def _is_inside_line(self) -> bool:
        """Whether so much stands behind the cursor that llama.vim does not ask by itself."""
        _, _, after = self._local("")
        return len(after.partition("\n")[0]) > _MOST_AFTER_CURSOR

    async def _request(self, before: str, middle: str, after: str, milliseconds: int) -> None:
        content = (await self._post(before, middle, after, 128, milliseconds)).get("content", "")
        places = [before]
        for _ in range(3):  # known as well when the window has moved down a little
            places.append(places[-1].partition("\n")[2])
        for place in dict.fromkeys(filter(None, places)):
            self._cache[place + middle, after] = content
            self._cache.move_to_end((place + middle, after))
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        if self._editor.hint is None:
            self._show()

    async def _post(self, before: str, middle: str, after: str, new_tokens: int, milliseconds: int) -> dict[str, Any]:
        request = {
            "id_slot": 0,
            "input_prefix": before,
            "input_suffix": after,
            "input_extra": [{"text": "\n".join(chunk) + "\n", "filename": self._file} for chunk in self._chunks],
            "prompt": middle,
            "n_predict": new_tokens,
            "n_indent": len(middle) - len(middle.lstrip()),
            "top_k": 40,
            "top_p": 0.9,
            "samplers": ["top_k", "top_p", "infill"] if new_tokens else [],
            "stream": False,
            "cache_prompt": True,
            "t_max_prompt_ms": 500,
            "t_max_predict_ms": milliseconds,
        }
        answer: dict[str, Any] = (await self._http.post("/infill", json=request)).json()
        return answer

    def _local(self, hint: str) -> tuple[str, str, str]:
        """The lines above, the text of the line before the cursor, and what follows; as if `hint` were accepted."""
        text, cursor = self._editor.text, self._editor.cursor
        above, _, head = text[:cursor].rpartition("\n")
        tail, _, below = text[cursor:].partition("\n")
        if hint:
            written = f"{above}\n{head}{hint}{tail}".removeprefix("\n")
            above, _, head = written.rpartition("\n")
            tail = ""
        elif not (head + tail).strip():
            head = tail = ""  # of a blank line the indentation is the model's to write
        lines_above = above.split("\n")[-_LINES_BEFORE:]
        lines_below = below.split("\n")[:_LINES_AFTER]
        return "\n".join(lines_above) + "\n", head, f"{tail}\n" + "\n".join(lines_below) + "\n"

    def _shown_part(self, hint: str) -> str:
        """What llama.vim shows of an answer: nothing of one that repeats what stands there."""
        text, cursor = self._editor.text, self._editor.cursor
        head = text[:cursor].rpartition("\n")[2]
        tail, _, rest = text[cursor:].partition("\n")
        if not (head + tail).strip():
            hint = hint[min(len(hint) - len(hint.lstrip(" \t")), len(head)) :]
        lines, below = hint.split("\n"), rest.split("\n")
        while len(below) > 1 and not below[0].strip():
            below = below[1:]
        repeats = {
            "the rest of the line": len(lines) == 1 and hint == tail,
            "the next lines": len(lines) > 1 and not lines[0] and lines[1:] == rest.split("\n")[: len(lines) - 1],
            "the next text": head + lines[0] == below[0]
            and (
                len(lines) == 1
                or (len(lines) == 2 and len(below) > 1 and below[1].startswith(lines[1]))
                or (len(lines) > 2 and lines[1:] == below[1 : len(lines)])
            ),
        }
        return "" if any(repeats.values()) or not hint.strip() else hint

    def _pick_far_chunks(self) -> None:
        """Queues a chunk above and one below what requests hold, when the cursor has come far."""
        lines = self._editor.text.split("\n")
        line = self._editor.text.count("\n", 0, self._editor.cursor)
        if abs(line - self._picked_at_line) > _FAR_LINES:
            self._pick(lines[max(0, line - _SCOPE_LINES) : max(0, line - _LINES_BEFORE)])
            self._pick(lines[line + _LINES_AFTER : line + _LINES_AFTER + _CHUNK_LINES])
            self._picked_at_line = line

    def _pick(self, lines: list[str]) -> None:
        if len(lines) < 3:
            return
        begin = self._random.randint(0, max(0, len(lines) - _CHUNK_LINES // 2))
        chunk = tuple(lines[begin : begin + _CHUNK_LINES // 2])
        if all(_similarity(chunk, known) <= 0.9 for known in [*self._chunks, *self._queued]):
            self._queued = [*self._queued[-15:], chunk]

    async def _feed_ring(self) -> None:
        """Moves a queued chunk to the ring now and then, and has it evaluated while the cursor is still."""
        while True:
            await asyncio.sleep(_CHUNK_SECONDS)
            if self._queued and asyncio.get_running_loop().time() - self._moved_at >= _STILL_SECONDS:
                self._chunks = [*self._chunks[1 - _CHUNKS :], self._queued.pop(0)]
                await self._post("", "", "", 0, 1)

    def _forget_similar_chunks(self) -> None:
        """Drops chunks that the cursor's surroundings repeat."""
        lines = self._editor.text.split("\n")
        line = self._editor.text.count("\n", 0, self._editor.cursor)
        around = tuple(lines[max(0, line - _CHUNK_LINES // 4) : line + _CHUNK_LINES // 4])
        self._chunks = [chunk for chunk in self._chunks if _similarity(chunk, around) <= 0.5]


def _similarity(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    """How alike chunks are, from 0 to 1: their common lines."""
    return 2 * sum(line in other for line in one) / (len(one) + len(other))
