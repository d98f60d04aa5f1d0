"""Prints the pip option that takes PyTorch's CPU build, where that spares a download of CUDA; nothing otherwise.

On Linux, PyPI's build of torch brings several gigabytes of CUDA. PyTorch's own index has a build without, but not every
network reaches it, and a machine with an NVIDIA GPU wants the other.
"""

import platform
import shutil
import urllib.error
import urllib.request

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
PATIENCE = 5.0


def reachable(address: str) -> bool:
    """Whether the index answers within a few seconds."""
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE):
            return True
    except (urllib.error.URLError, TimeoutError, OSError):
        return False


if __name__ == "__main__":
    wanted = platform.system() == "Linux" and shutil.which("nvidia-smi") is None
    if wanted and reachable(f"{CPU_INDEX}/torch/"):
        print(f"--extra-index-url {CPU_INDEX}")
