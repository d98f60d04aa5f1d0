"""What the chat's screen costs: the first paint, and keys while an answer is written, on a terminal of its own.

python benchmarks/tui.py                     # 10 starts; 120 keys in a session of 2,000 messages at 100 tokens/s
python benchmarks/tui.py --messages 20000    # a longer one

Times are from a key's bytes going into the terminal to the character coming out of it, with a fake model, as the screen
is the subject.
"""

import argparse
import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAINTED = b"sk about the project"  # the cursor stands on the first letter
# Characters that no answer has, so that one on the screen is the key that was struck.
FIRST_KEY = 0x4E00
KEYS_AN_ANSWER = 40

CHAT = """
import itertools, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.tui.fakes import FakeBackend
from assistant.chat.types import Role
from tui.app import ChatApp
from tui.history.store import History
from tui.history.types import Details, State
from tui.opening import Opening

path, messages, rate = Path({path!r}), {messages}, {rate}
TEXT = "This is **what** it does:\\n\\n```python\\ndef add(a, b):\\n    return a + b\\n```\\n\\n- one\\n- `two`\\n"
if not path.exists():
    history = History(path)
    session, parent = history.create(Path({root!r})), None
    for number in range(messages):
        role = (Role.USER, Role.ASSISTANT)[number % 2]
        parent = history.messages.add(session, parent, role, f"Question {{number}}" if role is Role.USER else TEXT)
        if role is Role.ASSISTANT:
            history.messages.write(parent, TEXT, State.WHOLE, Details("fake", None, 100, 40, 25.0))
    history.close()
backend = FakeBackend(history_path=path)
backend.engine.pause = 1 / rate
words = ("The function takes a list of numbers and returns their mean . \\n\\n ```python\\ndef mean(values):\\n "
         "   return sum(values) / len(values)\\n\\n\\n```\\n\\nIt **fails** for an empty list .\\n ").split(" ")
backend.engine.answers += [[word + " " for word in itertools.islice(itertools.cycle(words), 2_000)]] * 1_000
app = ChatApp(Path({root!r}), make_backend=backend, opening=Opening(resume=True))
app.run()
"""


class Terminal:
    """A program on a terminal of 80 x 24."""

    def __init__(self, command: list[str], **environment: str) -> None:
        self.started = time.perf_counter()
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm-256color", "COLORTERM": "truecolor", **environment})
            os.execv(command[0], command)
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.seen = b""

    def wait_for(self, text: bytes, seconds: float = 60.0) -> float:
        """When the text came out; what came before it is forgotten."""
        end = time.perf_counter() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self.descriptor], [], [], 0.5)
            if ready:
                self.seen += os.read(self.descriptor, 1 << 16)
            if time.perf_counter() > end:
                raise SystemExit(f"{text.decode()!r} did not appear; the screen says: {self.seen[-2000:]!r}")
        now = time.perf_counter()
        self.seen = self.seen.partition(text)[2]
        return now

    def read_for(self, seconds: float) -> None:
        """Takes what comes out, so that the program never waits for its terminal."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            if select.select([self.descriptor], [], [], left)[0]:
                os.read(self.descriptor, 1 << 16)
        self.seen = b""

    def write(self, text: str) -> None:
        os.write(self.descriptor, text.encode())

    def processor_seconds(self) -> float:
        """What the program has worked so far, in all its threads: other programs do not change that much."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Resident megabytes."""
        fields = Path(f"/proc/{self.pid}/statm").read_text().split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def end(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.descriptor)


def first_paints(starts: int, home: Path) -> list[tuple[float, float]]:
    """Seconds from starting `sned chat` to its prompt on the screen, with those the processor worked for it."""
    found = []
    for _ in range(starts):
        terminal = Terminal([str(Path(sys.executable).with_name("sned")), "chat"], SNED_HOME=str(home))
        seconds = terminal.wait_for(PAINTED) - terminal.started
        found.append((seconds, terminal.processor_seconds()))
        terminal.end()
    return found


def keys(count: int, messages: int, rate: int, folder: Path) -> tuple[list[float], float, float]:
    """Seconds from each key to its character on the screen while an answer streams; memory before and after."""
    program = CHAT.format(root=str(ROOT), path=str(folder / "history.sqlite3"), messages=messages, rate=rate)
    terminal = Terminal([sys.executable, "-c", program])
    terminal.wait_for(b"Ready", 300)
    before, found = terminal.memory(), []
    for number in range(count):
        if number % KEYS_AN_ANSWER == 0:  # an answer ends after 1,024 tokens
            terminal.write("\x1b")
            terminal.read_for(0.5)
            terminal.write("\rgo on\r")
            terminal.wait_for(b"Writing")
            terminal.read_for(1.0)
        key = chr(FIRST_KEY + number)
        struck = time.perf_counter()
        terminal.write(key)
        found.append(terminal.wait_for(key.encode()) - struck)
        terminal.read_for(0.1 + 0.013 * (number % 7))
    after = terminal.memory()
    terminal.end()
    return found, before, after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=10)
    parser.add_argument("--keys", type=int, default=120)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--rate", type=int, default=100, help="tokens a second")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paints = first_paints(chosen.starts, Path(folder) / "home") if chosen.starts else []
        latencies, before, after = keys(chosen.keys, chosen.messages, chosen.rate, Path(folder))
    figures = {
        "load": os.getloadavg()[0],
        "first_paint_seconds": sorted(round(seconds, 3) for seconds, _ in paints),
        "first_paint_processor_seconds": sorted(round(worked, 2) for _, worked in paints),
        "key_ms": {
            "median": round(statistics.median(latencies) * 1000, 1),
            "p95": round(sorted(latencies)[int(len(latencies) * 0.95)] * 1000, 1),
            "max": round(max(latencies) * 1000, 1),
        },
        "memory_mb": {"at_first": round(before, 1), "after": round(after, 1)},
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
