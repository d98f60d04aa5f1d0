"""Ways to shut a program in: what to put in front of a command, by what the platform has."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

SCRATCH = "/scratch"
SCRATCH_BYTES = 128 << 20

# What programs and toolchains read, where they exist. Homes, /run, /tmp and /var are not among them: sockets could
# be connected to there, and what the user has is nothing for a program that a model wrote.
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/nix/store", "/gnu/store")
_CONFIGURATION = ("alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "ssl/openssl.cnf")


@dataclass(frozen=True, slots=True)
class Confinement:
    """One way to shut programs in.

    Attributes:
        name: as users know it.
        launcher: gives the words in front of the first process's command, for the places that may be read.
        mounts_itself: the first process makes its own root.
        own_user: the first process drops to a user that nobody else is.
        isolated: there is a sandbox at all.
    """

    name: str
    launcher: Callable[[Sequence[str]], list[str]]
    mounts_itself: bool = False
    own_user: bool = False
    isolated: bool = True


def confinements() -> list[Confinement]:
    """Those that this platform may have, best first; whether one holds has to be tried."""
    found = []
    as_root = sys.platform == "linux" and os.geteuid() == 0
    if bubblewrap := _bubblewrap():
        found.append(Confinement("bubblewrap", lambda places: _bubblewrap_words(bubblewrap, places), own_user=as_root))
    if unshare := shutil.which("unshare") if sys.platform == "linux" else None:
        words = [unshare, "--mount", "--net", "--ipc", "--uts", "--pid", "--fork", "--kill-child"]
        if not as_root:
            words[1:1] = ["--user", "--map-root-user"]
        found.append(Confinement("namespaces", lambda places: words, mounts_itself=True, own_user=as_root))
    return found


def unconfined() -> Confinement:
    """No sandbox: a process group and limits alone, for who knows what they run."""
    return Confinement("none", lambda places: [], isolated=False)


def readable_places(tools: Sequence[Path]) -> tuple[list[str], dict[str, str]]:
    """Folders and files to bind, and links to make, so that the `tools` (installation folders) run.

    On systems where `/bin` is a link to `/usr/bin`, it is one inside, too.
    """
    places: list[str] = []
    links: dict[str, str] = {}
    configuration = [Path("/etc") / name for name in _CONFIGURATION]
    java = sorted(Path("/etc").glob("java*")) if Path("/etc").is_dir() else []
    for path in [*map(Path, _SYSTEM), *configuration, *java, *tools]:
        if path.is_symlink() and str(path) in _SYSTEM:
            links[str(path)] = str(path.readlink())
        elif path.exists() and not any(path.is_relative_to(place) for place in places):
            places.append(str(path))
    return places, links


def _bubblewrap() -> str | None:
    """Its path, if it is here and can bound a scratch folder's size (0.7 and newer)."""
    path = shutil.which("bwrap") if sys.platform == "linux" else None
    if path is None:
        return None
    help_text = subprocess.run([path, "--help"], capture_output=True, text=True, check=False).stdout
    return path if "--size" in help_text and "--as-pid-1" in help_text else None


def _bubblewrap_words(bubblewrap: str, places: Sequence[str]) -> list[str]:
    words = [bubblewrap, "--unshare-all", "--die-with-parent", "--new-session", "--as-pid-1", "--cap-drop", "ALL"]
    if os.geteuid() == 0:
        # To become a user that nobody else is, and to end that user's processes; `--unshare-all` would try to make
        # a user namespace, and root needs none.
        words = [word for word in words if word != "--unshare-all"]
        words += ["--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_KILL"):
            words += ["--cap-add", capability]
    made: set[Path] = set()
    for place in places:
        for folder in reversed(Path(place).parents[:-1]):  # left to bubblewrap, only root could go through them
            if folder not in made:
                words += ["--perms", "0755", "--dir", str(folder)]
                made.add(folder)
        words += ["--ro-bind", place, place]
    for link, target in readable_places(())[1].items():
        words += ["--symlink", target, link]
    words += ["--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev"]
    words += ["--perms", "1777", "--size", str(SCRATCH_BYTES), "--tmpfs", SCRATCH, "--remount-ro", "/"]
    return words
