"""A listener that remembers how a transfer went."""

from assistant.fetch.transfer import Silent


class Recorder(Silent):
    def __init__(self) -> None:
        self.starts: list[tuple[int, int | None]] = []
        self.moves: list[int] = []

    def started(self, done: int, total: int | None) -> None:
        self.starts.append((done, total))

    def moved(self, done: int) -> None:
        self.moves.append(done)
