"""What a killed run goes on from: what is left of the blocks that are done, hidden states after them, and training.

Files are written beside and renamed, so what is found under its name is whole. A checkpoint of other inputs, or one
that cannot be read, is not taken up: the work begins again.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

_KEY = "key"
_HIDDEN = "hidden"


class Checkpoint:
    """A folder of checkpoints for one run."""

    def __init__(self, folder: Path, key: str) -> None:
        """The checkpoints in `folder` of the run that `key` names: the same for the same inputs alone."""
        self._folder = folder
        self._key = key
        folder.mkdir(parents=True, exist_ok=True)

    def save_block(self, index: int, kept: Mapping[str, Tensor], hidden: Tensor) -> None:
        """Keeps what is left of the matrices of block `index`, and the hidden states that leave it."""
        self._save(f"block-{index:04}", dict(kept))
        self._save(f"hidden-{index:04}", {_HIDDEN: hidden})
        self._path(f"hidden-{index - 1:04}").unlink(missing_ok=True)  # the newest are enough

    def blocks(self) -> tuple[int, Tensor | None]:
        """How many blocks are done, and the hidden states that leave the last of them."""
        for path in sorted(self._folder.glob("hidden-*.safetensors"), reverse=True):
            index = int(path.stem.removeprefix("hidden-"))
            state = self._load(path.stem)
            if state is not None and all(self._has(f"block-{each:04}") for each in range(index + 1)):
                return index + 1, state[_HIDDEN]
        return 0, None

    def block(self, index: int) -> dict[str, Tensor]:
        """What was kept of the matrices of a block that is done.

        Raises:
            KeyError: it is not.
        """
        kept = self._load(f"block-{index:04}")
        if kept is None:
            raise KeyError(index)
        return kept

    def save_training(self, steps: int, state: Mapping[str, Tensor]) -> None:
        """Keeps the state of training after so many steps."""
        self._save(f"training-{steps:06}", dict(state))
        for path in self._folder.glob("training-*.safetensors"):
            if path.stem != f"training-{steps:06}":
                path.unlink()

    def training(self) -> tuple[int, dict[str, Tensor] | None]:
        """The steps done, and the state after them."""
        for path in sorted(self._folder.glob("training-*.safetensors"), reverse=True):
            state = self._load(path.stem)
            if state is not None:
                return int(path.stem.removeprefix("training-")), state
        return 0, None

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.safetensors"

    def _save(self, name: str, tensors: dict[str, Tensor]) -> None:
        path = self._path(name)
        beside = path.with_suffix(".new")
        try:
            save_file(tensors, beside, metadata={_KEY: self._key})
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    def _has(self, name: str) -> bool:
        with contextlib.suppress(SafetensorError, OSError), safe_open(self._path(name), framework="pt") as file:
            return bool((file.metadata() or {}).get(_KEY) == self._key)
        return False

    def _load(self, name: str) -> dict[str, Tensor] | None:
        if not self._has(name):
            return None
        with safe_open(self._path(name), framework="pt") as file:
            names: list[str] = list(file.keys())
            return {each: file.get_tensor(each).clone() for each in names}
