"""Tries from inside a sandbox whether it holds, and ends with a message if it does not; a program of its own."""

import errno
import os
import socket
import sys
import time
from pathlib import Path

_FORKS = 16  # more than the probe's own bound


def main() -> None:
    """Goes through what programs must not be able to do."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    if int(status["CapEff"], 16) or int(status["CapPrm"], 16):
        sys.exit("programs would have privileges")
    if status["NoNewPrivs"].strip() != "1":
        sys.exit("programs could gain privileges")
    if len([entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]) > 4:
        sys.exit("other processes can be seen")
    for folder in ("/", "/usr", "/dev", "/tmp", str(Path(sys.executable).parent)):  # noqa: S108
        _refuses_writing(folder)
    _has_no_network()
    Path("written").write_text("here")
    _bounds_processes()


def _refuses_writing(folder: str) -> None:
    try:
        Path(folder, "sned-probe").write_text("x")
    except OSError as error:
        if error.errno in (errno.EROFS, errno.ENOENT, errno.EACCES):
            return
    sys.exit(f"{folder} can be written")


def _has_no_network() -> None:
    if [name for _, name in socket.if_nameindex() if name != "lo"]:
        sys.exit("there is a network")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of a range that belongs to nobody; a datagram socket sends nothing here
        except OSError:
            return
    sys.exit("the network can be reached")


def _bounds_processes() -> None:
    for _ in range(_FORKS):
        try:
            if os.fork() == 0:
                time.sleep(5)
                os._exit(0)
        except OSError:
            return
    sys.exit("processes are not bounded")


if __name__ == "__main__":
    main()
