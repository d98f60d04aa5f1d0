"""What a program in a sandbox may take."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one step of a program.

    Attributes:
        cpu_seconds: of each process; what ends a program that does not, as it is the same on a busy machine.
        seconds: from beginning to end, for what waits instead of computing, and of processor time of all processes
            together; what only waits for a processor that others have goes on.
        longest: from beginning to end, however busy the machine is.
        memory_bytes: of private memory a process, and of all processes together.
        processes: processes and threads together, at once.
        output_bytes: on standard output and error together.
        file_bytes: of each file.
        open_files: of each process.
    """

    cpu_seconds: int = 10
    seconds: float = 60.0
    longest: float = 600.0
    memory_bytes: int = 1 << 30
    processes: int = 64
    output_bytes: int = 1 << 20
    file_bytes: int = 32 << 20
    open_files: int = 256


@dataclass(frozen=True, slots=True)
class Step:
    """A command, its program's whole path first, and its bounds."""

    command: tuple[str, ...]
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a step ended.

    Attributes:
        how: `exited`; `signal`; or the bound it passed: `cpu`, `time`, `memory`, `output`.
        status: exit status, or the signal's number.
        output: what it wrote on standard output and error, its head and its tail.
        seconds: from beginning to end.
        cpu_seconds: of its first process and those it waited for.
    """

    how: str
    status: int
    output: str
    seconds: float
    cpu_seconds: float

    @property
    def succeeded(self) -> bool:
        """Whether it came to its end, and said that all was well."""
        return self.how == "exited" and self.status == 0
