"""The doctor's checks, on machines that lack something."""

from pathlib import Path

import pytest

from assistant.doctor import (
    Check,
    Request,
    Status,
    check_build,
    check_gpu,
    check_instructions,
    check_language,
    check_llama_version,
    check_probe,
    check_sparse_backend,
    check_store,
    check_unpacking,
    guarded,
)
from assistant.engine import sparse_backend
from assistant.errors import EngineError
from assistant.instructions import machine_has, parse_system_info


@pytest.fixture
def empty_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "store"
    monkeypatch.setenv("SNED_HOME", str(home))
    return home


def test_a_check_that_raises_has_failed_with_its_message() -> None:
    def check(_: Request) -> Check:
        raise EngineError("The model is damaged; fetch it again.")

    assert guarded("probe", check, Request(Path())) == Check(
        "probe", Status.FAIL, "The model is damaged", "fetch it again."
    )


def test_a_check_without_a_message_names_its_error() -> None:
    def check(_: Request) -> Check:
        raise ZeroDivisionError

    assert guarded("x", check, Request(Path())).found == "ZeroDivisionError"


def test_the_pinned_llama_cpp_passes_and_another_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_llama_version(Request(Path())).status is Status.PASS
    monkeypatch.setattr("assistant.doctor.version", lambda _: "0.2.0")
    check = check_llama_version(Request(Path()))
    assert check.status is Status.FAIL
    assert "0.2.0" in check.found
    assert "llama-cpp-python==0.3.36" in check.remedy


def test_instructions_that_the_build_lacks_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.instructions.built_with", lambda: {"AVX2"})
    monkeypatch.setattr("assistant.instructions.machine_has", lambda: {"AVX2", "AVX512"})
    check = check_instructions(Request(Path()))
    assert check.status is Status.WARN
    assert "AVX512" in check.found
    assert check.remedy


def test_system_information_is_parsed() -> None:
    text = "CPU : SSE3 = 1 | AVX2 = 1 | AVX512 = 0 | FMA = 1 | LLAMAFILE = 1 | "
    assert parse_system_info(text) == {"AVX2", "FMA"}
    assert machine_has() <= {
        "AVX2",
        "AVX512",
        "AVX_VNNI",
        "AVX512_VNNI",
        "FMA",
        "F16C",
        "NEON",
        "DOTPROD",
        "MATMUL_INT8",
    }


def test_an_empty_store_says_how_to_fill_it(empty_store: Path) -> None:
    check = check_store(Request(Path()))
    assert check.status is Status.WARN
    assert "sned fetch" in check.remedy


def test_a_broken_entry_fails(empty_store: Path) -> None:
    (empty_store / "bases" / "half-a-model").mkdir(parents=True)
    check = check_store(Request(Path()))
    assert check.status is Status.FAIL
    assert "half-a-model" in check.found
    assert "sned models remove half-a-model" in check.remedy


def test_without_a_model_the_probe_fails_with_the_next_step(empty_store: Path, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("print(1)\n")
    check = guarded("probe", check_probe, Request(tmp_path))
    assert check.status is Status.FAIL
    assert "sned fetch" in check.remedy


@pytest.mark.usefixtures("empty_store")
def test_a_project_in_another_language_is_served_by_the_base_model(tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text("package main\n\nfunc main() {}\n")
    assert check_language(Request(tmp_path)).status is Status.PASS


def test_a_missing_build_extra_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    check = check_build(Request(Path()))
    assert check.status is Status.WARN
    assert "torch and transformers" in check.found


def test_layers_asked_for_without_a_gpu_backend_are_a_warning() -> None:
    from assistant.engine.native import llama_cpp

    if llama_cpp.llama_supports_gpu_offload():
        pytest.skip("llama.cpp has a GPU backend here")
    assert check_gpu(Request(Path(), gpu_layers="20")).status is Status.WARN
    assert check_gpu(Request(Path(), gpu_layers="auto")).status is Status.PASS


@pytest.mark.model
def test_the_probe_passes_with_the_base_model(base_model: Path) -> None:
    check = check_probe(Request(Path(), str(base_model)))
    assert check.status is Status.PASS, check
    assert "a + b" in check.found
    assert "tokens/s" in check.found


@pytest.mark.parametrize(("there", "how"), [(True, "by native code"), (False, "by numpy, which takes longer")])
def test_how_sparse_files_are_unpacked_is_told(monkeypatch: pytest.MonkeyPatch, there: bool, how: str) -> None:
    monkeypatch.setattr("export.sparse.native.is_available", lambda: there)
    check = check_unpacking(Request(Path()))
    assert check.status is Status.PASS
    assert how in check.found


def test_why_pruned_matrices_run_dense_is_told(
    empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sparse_backend.available.cache_clear()
    try:
        with monkeypatch.context() as without:
            without.setattr(sparse_backend, "LIBRARY", tmp_path / "nothing.so")
            check = check_sparse_backend(Request(Path()))
    finally:
        sparse_backend.available.cache_clear()
    assert check.status is Status.PASS  # everything works without
    assert check.found.startswith("off: it is not built (sned doctor --build")
    assert "C++ compiler" in check.found
    assert "run dense" in check.found
    monkeypatch.setenv("SNED_SPARSE_BACKEND", "off")
    assert "by the setting" in check_sparse_backend(Request(Path())).found
