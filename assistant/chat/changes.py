"""What has changed in a project, as git tells it."""

import subprocess
from pathlib import Path

from assistant.errors import UsageError

_SECONDS = 20


def git_diff(root: Path) -> str:
    """The diff of the work tree that `root` is in against its last commit, staged changes included.

    Raises:
        UsageError: git is not installed, `root` is in no repository, or nothing has changed.
    """
    # A diff that a pager, a color setting or a program of the user's has changed is no material.
    command = ["git", "--no-pager", "diff", "--no-color", "--no-ext-diff", "--no-textconv"]
    against_commit = _output([*command, "HEAD"], root)
    done = against_commit if against_commit.returncode == 0 else _output(command, root)  # before the first commit
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines() or ["no reason given"]
        raise UsageError(f"git cannot tell what has changed in {root}: {reason[0]}.")
    if not done.stdout.strip():
        raise UsageError(f"Nothing has changed in {root} since the last commit; attach files instead.")
    return done.stdout


def _output(command: list[str], root: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, cwd=root, check=False, capture_output=True, text=True, errors="replace", timeout=_SECONDS
        )
    except FileNotFoundError:
        raise UsageError("git is not installed, so there is no diff to attach; attach files instead.") from None
    except subprocess.TimeoutExpired:
        raise UsageError(f"git took more than {_SECONDS} seconds to tell what has changed in {root}.") from None
