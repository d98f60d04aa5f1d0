"""Stores with a sub-model whose file is tiny and real: llama.cpp reads its vocabulary, and it can be packed."""

import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

from assistant.languages import Language
from assistant.manifest import BaseReference, CalibrationRecord, SubModelManifest
from assistant.recipe import RECIPE_VERSION, Recipe
from assistant.store import Store, SubModelEntry
from tests.export.sparse.test_convert import model

BASE = "qwen2.5-coder-0.5b-instruct"
BASE_SHA256 = "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32"
NAME = "tiny-python-1"

# Made by minisign 0.11: minisign -G -W; minisign -S -m FILE of {"a": 1} and a line's end.
SECRET_KEY = """\
untrusted comment: minisign encrypted secret key
RWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAtigoBIWrTyeKB2/J8Pu3Ik2EVCS9wGK0cVT3NMvFMMiV8wc12rsWFuQzhVscbouM0RR9dJvCIF1GqCyxjfbFQHL/p2hotKRMAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
"""
PUBLIC_KEY = "RWS2KCgEhatPJ+QzhVscbouM0RR9dJvCIF1GqCyxjfbFQHL/p2hotKRM"
SIGNED = b'{"a": 1}\n'
SIGNATURE = b"""\
untrusted comment: signature from minisign secret key
RUS2KCgEhatPJwtB/DW45oUPyINFVEuk7+JXl30hrCP7HZGN3VCg9YwxPK77x6ApSWDeSlRC43rmZVJMYNGDZ6uweQyehUjZpQM=
trusted comment: timestamp:1795553922\tfile:index.json\thashed
oeKVk/Jcm61kOCJXFCf4OkewgbdfXh2fXWC1+huXTgCiwMcQM7cTSQF/O2C5xhZoThtFzlHszVZgFHIhu47pCQ==
"""


def manifest_of(data: bytes, name: str = NAME, **others: Any) -> SubModelManifest:
    """A manifest that fits the bytes of a model file."""
    facts: dict[str, Any] = {
        "identity": "feedbeef" * 8,
        "name": name,
        "language": Language.PYTHON,
        "base": BaseReference(name=BASE, sha256=BASE_SHA256),
        "recipe": Recipe().as_dict(),
        "recipe_version": RECIPE_VERSION,
        "calibration": CalibrationRecord(digest="c" * 64, tokens=32768, sequence_length=1024, sources={"here": 32768}),
        "sha256": sha256(data).hexdigest(),
        "size": len(data),
        "licence": "Apache-2.0",
        "sparsity": {"blk.0.ffn_up.weight": 0.5},
        "quality": {"perplexity_ratio": 1.25},
    }
    return SubModelManifest(**facts | others)


def put(store: Store, file: Path, name: str = NAME, **others: Any) -> SubModelEntry:
    """A sub-model of the store with the bytes of `file`."""
    with store.installing("submodels", name) as installation:
        shutil.copyfile(file, installation.directory / "model.gguf")
        entry = installation.commit(manifest_of(file.read_bytes(), name, **others))
    assert isinstance(entry, SubModelEntry)
    return entry


def tiny_store(folder: Path, **others: Any) -> Store:
    """A store at `folder` with one sub-model, `NAME`."""
    folder.mkdir(parents=True)
    store = Store(folder / "home")
    put(store, model(folder / "pruned.gguf").path, **others)
    return store


def secret_key(folder: Path) -> Path:
    """A file with minisign's secret key, without a password."""
    path = folder / "minisign.key"
    path.write_text(SECRET_KEY)
    return path
