"""`sned build` as users run it, on a tiny model of the default's architecture where the model does not matter."""

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import psutil
import pytest

from assistant.digest import sha256_of
from assistant.manifest import SubModelManifest
from assistant.store import Store
from export.sparse.reader import SparseFile
from tests.prune.tiny_models import write_tiny_model

SNED = Path(sys.executable).with_name("sned")
TINY = "tiny-qwen2"
# The whole vocabulary, as counting what code uses takes longer than the rest of such a build.
SMALL_SET = ("--tokens", "2048", "--sequence-length", "256", "--vocabulary", "whole")


@dataclass
class Machine:
    """A user's machine: a store with a tiny base model in it, and a small Python project."""

    home: Path
    project: Path
    catalog: Path

    def environment(self) -> dict[str, str]:
        return {**os.environ, "SNED_HOME": str(self.home), "SNED_CATALOG": str(self.catalog), "COLUMNS": "200"}

    def sned(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SNED, *arguments], env=self.environment(), cwd=self.project, capture_output=True, text=True, check=False
        )

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [SNED, *arguments],
            env=self.environment(),
            cwd=self.project,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def build(self, *arguments: str | Path) -> SubModelManifest:
        done = self.sned("build", "--base", TINY, *SMALL_SET, "--json", *arguments)
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        entry = Store(self.home).submodel(answer["name"])
        assert entry is not None
        return entry.manifest

    def assert_store_is_whole(self) -> None:
        store = Store(self.home)
        assert store.broken() == []
        for entry in store.submodels():
            store.verify(entry)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    base = write_tiny_model(tmp_path / "tiny.gguf", "qwen2", gguf.GGMLQuantizationType.Q8_0).path
    catalog = tmp_path / "catalog.toml"
    catalog.write_text(f"""
[[models]]
name = "{TINY}"
family = "Tiny"
parameters = 100_000
quantisation = "Q8_0"
size = {base.stat().st_size}
sha256 = "{sha256_of(base)}"
licence = "Apache-2.0"
licence_url = "https://example.com/licence"
context = 512
[[models.sources]]
kind = "file"
path = {json.dumps(str(base))}
""")
    project = tmp_path / "project"
    project.mkdir()
    for number in range(4):
        body = "".join(f"def function_{number}_{i}(value):\n    return value + {i}\n\n\n" for i in range(40))
        (project / f"module_{number}.py").write_text(body)
    machine = Machine(tmp_path / "home", project, catalog)
    fetched = machine.sned("fetch", TINY)
    assert fetched.returncode == 0, fetched.stderr
    return machine


def test_builds_what_the_manifest_says(machine: Machine) -> None:
    manifest = machine.build("--values", "q8_0")
    assert manifest.language == "python"
    assert manifest.recipe["sparsity"] == 0.4
    assert manifest.calibration.tokens == 2048
    assert manifest.calibration.sources["project"] == 512
    entry = Store(machine.home).submodel(manifest.name)
    assert entry is not None
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(entry.path).tensors}
    assert len(manifest.sparsity) == 21
    for name, claimed in manifest.sparsity.items():
        assert tensors[name].tensor_type == gguf.GGMLQuantizationType.Q8_0
        values = gguf.quants.dequantize(tensors[name].data, tensors[name].tensor_type)
        assert claimed == pytest.approx(float((values == 0).mean()))
        assert claimed == pytest.approx(0.4, abs=1 / 64)  # rows of 64 weights
    base = {tensor.name: tensor for tensor in gguf.GGUFReader(Store(machine.home).base(TINY).path).tensors}  # type: ignore[union-attr]
    for name, tensor in tensors.items():
        if name not in manifest.sparsity:
            assert np.array_equal(tensor.data, base[name].data), f"{name} was touched"


def test_the_mix_is_what_the_options_say_and_leaves_out_files_with_secrets(machine: Machine) -> None:
    secret = "".join(f"def secret_{n}(a):\n    return a * {n}\n\n\n" for n in range(40))
    (machine.project / "settings.py").write_text(f"KEY = 'AKIA{'QWERTYUIOPASDFGH'}'\n{secret}")
    manifest = machine.build("--project-share", "0.25", "--fim-share", "0.5")
    assert manifest.recipe["fim_share"] == 0.5
    assert manifest.calibration.sources["project"] == 512
    assert manifest.calibration.forms["fim"] == pytest.approx(1024, abs=256)
    assert sum(manifest.calibration.forms.values()) == 2048
    plain = machine.build("--project-share", "0.25")
    assert plain.calibration.forms == {"plain": 2048}
    assert plain.identity != manifest.identity
    silent = machine.build("--project-share", "0.25", "--chat-share", "0.2")  # the model has no chat template
    assert silent.calibration.forms == {"plain": 2048}


def test_progress_for_programs_is_a_json_object_a_line(machine: Machine) -> None:
    done = machine.sned("build", "--base", TINY, *SMALL_SET, "--json", "--progress", "json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert "Pruning, and training what is left" in {line["message"] for line in lines}
    fractions = [line["fraction"] for line in lines]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0, 1)
    assert len(set(fractions)) > 2


def test_the_same_inputs_give_the_same_bytes_and_are_not_built_twice(machine: Machine) -> None:
    first = machine.build()
    again = machine.sned("build", "--base", TINY, *SMALL_SET)
    assert again.returncode == 0
    assert f"Already built: {first.name}" in again.stdout
    removed = machine.sned("models", "remove", first.name, "--yes")
    assert removed.returncode == 0, removed.stderr
    second = machine.build()
    assert second == first


def test_killed_it_goes_on_and_gives_the_same_bytes(machine: Machine) -> None:
    whole = machine.build("--pattern", "4:8")
    assert machine.sned("models", "remove", whole.name, "--yes").returncode == 0
    staging = machine.home / "staging" / "submodels" / whole.name / "checkpoints"
    process = machine.start("build", "--base", TINY, *SMALL_SET, "--pattern", "4:8")
    while process.poll() is None and not list(staging.glob("block-*")):
        time.sleep(0.01)
    process.kill()
    process.communicate()
    assert machine.build("--pattern", "4:8") == whole
    entry = Store(machine.home).submodel(whole.name)
    assert entry is not None
    assert [path.name for path in sorted(entry.directory.iterdir())] == ["manifest.json", "model.gguf"]


def test_a_recipe_file_says_how(machine: Machine, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        'score = "ria"\npattern = "8:16"\nreconstruction = "least-squares"\ntraining_tokens = 0\nvalues = "q8_0"\n'
    )
    manifest = machine.build("--recipe", recipe, "--seed", "4")
    assert manifest.recipe["score"] == "ria"
    assert manifest.recipe["seed"] == 4
    entry = Store(machine.home).submodel(manifest.name)
    assert entry is not None
    for tensor in gguf.GGUFReader(entry.path).tensors:
        if tensor.name in manifest.sparsity:
            values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
            assert ((values.reshape(len(values), -1, 16) != 0).sum(axis=2) <= 8).all(), tensor.name
            assert manifest.sparsity[tensor.name] == pytest.approx(0.5, abs=0.001)


def test_a_trimmed_vocabulary_is_recorded_and_completes(machine: Machine) -> None:
    whole, trimmed = machine.build(), machine.build("--vocabulary", "trimmed")
    assert trimmed.identity != whole.identity
    assert whole.vocabulary is None
    assert trimmed.vocabulary is not None
    assert trimmed.sparsity == whole.sparsity
    entry = Store(machine.home).submodel(trimmed.name)
    assert entry is not None
    assert [path.name for path in sorted(entry.directory.iterdir())] == ["manifest.json", "model.gguf"]
    reader = gguf.GGUFReader(entry.path)
    assert reader.fields["sned.vocabulary.digest"].contents() == trimmed.vocabulary.digest
    assert len(reader.fields["tokenizer.ggml.tokens"].contents()) == trimmed.vocabulary.tokens
    assert trimmed.vocabulary.tokens <= trimmed.vocabulary.base_tokens
    assert trimmed.vocabulary.counted > 4 * 40 * 30  # all of the project is counted, and the corpus
    assert machine.build("--vocabulary", "trimmed") == trimmed
    completed = machine.sned("complete", "module_0.py:2:12", "--model", trimmed.name, "--json")
    assert completed.returncode == 0, completed.stderr


def test_a_vocabulary_that_cannot_be_trimmed_is_refused_before_any_work(machine: Machine) -> None:
    started = machine.sned("build", "--base", TINY, *SMALL_SET, "--vocabulary", "trimmed")
    work = ("Reading calibration text", "Counting tokens")
    assert all(each in started.stderr for each in work)
    base = Store(machine.home).base(TINY)
    assert base is not None
    written = base.path.read_bytes()
    base.path.chmod(0o644)
    base.path.write_bytes(written.replace(b"gpt2", b"bert", 1))
    refused = machine.sned("build", "--base", TINY, *SMALL_SET, "--vocabulary", "trimmed")
    assert refused.returncode != 0
    assert "--vocabulary whole" in refused.stderr
    assert not any(each in refused.stderr for each in work)


def test_trimmed_and_not_pruned_all_else_is_the_bases(machine: Machine, tmp_path: Path) -> None:
    done = machine.sned("build", "--base", TINY, "--recipe", "trimmed", "--json")
    assert done.returncode == 0, done.stderr
    manifest = SubModelManifest.model_validate(
        {field: value for field, value in json.loads(done.stdout).items() if field in SubModelManifest.model_fields}
    )
    entry, base = Store(machine.home).submodel(manifest.name), Store(machine.home).base(TINY)
    assert entry is not None
    assert base is not None
    assert manifest.vocabulary is not None
    assert (manifest.sparsity, manifest.errors, manifest.calibration.tokens) == ({}, {}, 0)
    there, before = gguf.GGUFReader(entry.path), {each.name: each for each in gguf.GGUFReader(base.path).tensors}
    assert [each.name for each in there.tensors] == list(before)
    for each in there.tensors:
        assert each.tensor_type == before[each.name].tensor_type
        assert np.array_equal(each.data, before[each.name].data), each.name  # this vocabulary is too small to lose any
    assert len(there.fields["tokenizer.ggml.tokens"].contents()) == manifest.vocabulary.tokens

    rounded = machine.sned("build", "--base", TINY, "--recipe", "trimmed", "--embeddings", "q5_0")
    assert "zeros" not in rounded.stdout
    assert f"{manifest.vocabulary.tokens:,} of {manifest.vocabulary.base_tokens:,} tokens" in rounded.stdout
    for arguments in (
        ("models", "list"),
        ("models", "show", manifest.name, "--tensors"),
        ("models", "verify", manifest.name),
        ("complete", "module_0.py:2:12", "--model", manifest.name),
        ("export", manifest.name, machine.project / "folder", "--to", "safetensors"),
        ("publish", manifest.name, tmp_path / "site"),
        ("fetch", tmp_path / "site", manifest.name),
    ):
        done = machine.sned(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)
    assert next((tmp_path / "site").glob("*.gguf")).read_bytes() == entry.path.read_bytes()
    packed = machine.sned("publish", manifest.name, tmp_path / "other", "--to", "sparse")
    assert (packed.returncode, "has no pruned matrix" in packed.stderr) == (1, True)


@pytest.mark.parametrize("values", ["int8", "int4"])
def test_a_sparse_file_is_written_and_serves_every_command(machine: Machine, tmp_path: Path, values: str) -> None:
    form = () if values == "int8" else ("--values", values)  # the default, and what is said
    manifest = machine.build(*form, "--embeddings", "q5_0", "--vocabulary", "trimmed", "--recipe", "fast")
    assert (manifest.recipe["values"], manifest.recipe["block"]) == (values, {"int8": 128, "int4": 32}[values])
    entry = Store(machine.home).submodel(manifest.name)
    assert entry is not None
    assert [path.name for path in sorted(entry.directory.iterdir())] == ["manifest.json", "model.gguf"]
    with SparseFile(entry.path) as sparse:
        sparse.check()
        assert sparse.tensors.keys() == manifest.sparsity.keys()
        assert {tensor.layout.format.values for tensor in sparse.tensors.values()} == {values}
        stored = {name: sparse.values(name) for name in sparse.tensors}
    assert all(sparsity == pytest.approx(0.5, abs=0.001) for sparsity in manifest.sparsity.values())

    plain = machine.project / "plain.gguf"
    for arguments in (
        ("models", "verify", manifest.name),
        ("models", "show", manifest.name),
        ("report", manifest.name, "--out", machine.project / "report"),
        ("complete", "module_0.py:2:12", "--model", manifest.name),
        ("export", manifest.name, plain, "--to", "dense"),
        ("export", manifest.name, machine.project / "folder", "--to", "safetensors"),
        ("publish", manifest.name, tmp_path / "sparse"),
        ("publish", manifest.name, tmp_path / "dense", "--to", "dense"),
    ):
        done = machine.sned(*arguments)
        assert done.returncode == 0, (arguments, done.stderr)
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(plain).tensors}
    assert tensors["token_embd.weight"].tensor_type.name == "Q5_0"
    for name, weights in stored.items():
        assert tensors[name].tensor_type.name == {"int8": "Q8_0", "int4": "Q4_0"}[values]
        assert np.array_equal(gguf.quants.dequantize(tensors[name].data, tensors[name].tensor_type), weights)
    assert said_by(machine, plain) == said_by(machine, entry.path)
    published = {form: next((tmp_path / form).glob("**/*.gguf")).read_bytes() for form in ("sparse", "dense")}
    assert published == {"sparse": entry.path.read_bytes(), "dense": plain.read_bytes()}


def test_every_choice_gives_a_sub_model_of_its_own(machine: Machine) -> None:
    plain = machine.build()
    sparser = machine.build("--sparsity", "0.75")
    assert sparser.sparsity["blk.0.attn_q.weight"] == pytest.approx(0.75)
    other_text = machine.build("--seed", "1")
    assert len({plain.identity, sparser.identity, other_text.identity}) == 3
    assert plain.calibration.digest != other_text.calibration.digest


def test_named_calibration_takes_the_place_of_the_machines(machine: Machine, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for number in range(40):
        text = f"// file {number}\n" + f"class A{number} {{ int f(int x) {{ return x + {number}; }} }}\n" * 20
        (folder / f"A{number}.java").write_text(text)
    manifest = machine.build("--language", "java", "--calibration", folder)
    assert manifest.language == "java"
    assert list(manifest.calibration.sources) == ["corpus"]


def test_two_builds_of_the_same_thing_work_once(machine: Machine) -> None:
    command = ("build", "--base", TINY, *SMALL_SET, "--json")
    both = [machine.start(*command) for _ in range(2)]
    answers = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert sorted(json.loads(out)["new"] for out, _ in answers) == [False, True]
    machine.assert_store_is_whole()


def test_killed_at_any_moment_the_store_is_whole(machine: Machine) -> None:
    started = time.monotonic()
    machine.build()
    whole = time.monotonic() - started
    machine.sned("models", "remove", Store(machine.home).submodels()[0].name, "--yes")
    chance = random.Random(2501)
    finished = 0
    for _ in range(8):
        process = machine.start("build", "--base", TINY, *SMALL_SET)
        time.sleep(chance.uniform(0.3, 1.0) * whole)
        process.kill()
        process.communicate()
        machine.assert_store_is_whole()
        if built := Store(machine.home).submodels():
            finished += 1
            assert machine.sned("models", "remove", built[0].name, "--yes").returncode == 0
    assert finished < 8, "every build ended before it was killed"
    machine.build()
    staging = machine.home / "staging" / "submodels"
    assert not staging.exists() or list(staging.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("nowhere",), 2, "nowhere"),
        (("--language", "cobol"), 2, "'cobol'"),
        (("--base", "gpt-17"), 2, "'gpt-17'"),
        (("--base", "1.5b"), 2, "sned fetch qwen2.5-coder-1.5b-instruct"),
        (("--sparsity", "1.5"), 2, "1.5"),
        (("--sparsity", "0", "--vocabulary", "whole"), 2, "choose --vocabulary trimmed"),
        (("--recipe", "fastest"), 2, "balanced, best, fast, trimmed"),
        (("--pattern", "3:5"), 2, "'3:5'"),
        (("--pattern", "4:8", "--sparsity", "0.3"), 2, "leave the sparsity out"),
        (("--recipe", "fast", "--training-tokens", "4096"), 2, "where nothing is trained"),
        (("--values", "q4_k"), 2, "no code of a block need give 0"),
        (("--values", "q8_0", "--block", "128"), 2, "--values int8 or int4"),
        (("--embeddings", "q8_0"), 2, "does not make smaller"),
        (("--embeddings", "q4_k"), 2, "takes by 256; choose --embeddings q8_0"),
        (("--tokens", "100"), 2, "100 calibration tokens"),
        (("--project-share", "-1"), 2, "-1"),
        (("--calibration", "nowhere"), 2, "nowhere"),
        (("--language", "java", "--calibration", "module_0.py"), 1, "tokens of Java"),
        (("--recipe", "fast", "--tokens", "1000000000"), 1, "of memory"),
    ],
)
def test_what_cannot_be_built_is_one_sentence(
    machine: Machine, arguments: tuple[str, ...], status: int, message: str
) -> None:
    base = () if "--base" in arguments else ("--base", TINY)
    done = machine.sned("build", *base, *arguments)
    assert done.returncode == status, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert Store(machine.home).submodels() == []


def test_a_damaged_base_is_named(machine: Machine) -> None:
    base = Store(machine.home).base(TINY)
    assert base is not None
    whole = base.path.read_bytes()
    base.path.chmod(0o644)
    base.path.write_bytes(b"GGML" + whole[4:])
    done = machine.sned("build", "--base", TINY, *SMALL_SET)
    assert done.returncode == 1
    assert "is not a GGUF file" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_project_in_another_language_says_what_is_possible(machine: Machine, tmp_path: Path) -> None:
    project = tmp_path / "gopher"
    project.mkdir()
    (project / "main.go").write_text("package main\n\nfunc main() {}\n" * 30)
    done = machine.sned("build", project, "--base", TINY)
    assert done.returncode == 2
    assert "Go" in done.stderr
    assert "--language" in done.stderr


@pytest.mark.model
def test_the_default_model_is_built_within_its_memory(machine: Machine, base_model: Path) -> None:
    fetched = machine.sned("fetch", "--from", base_model)
    assert fetched.returncode == 0, fetched.stderr
    process = machine.start("build", "--recipe", "fast", "--json", "--tokens", "8192")
    peak, watched = 0, psutil.Process(process.pid)
    while process.poll() is None:
        try:
            peak = max(peak, watched.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)
    out, err = process.communicate()
    assert process.returncode == 0, err
    manifest = json.loads(out)
    assert len(manifest["sparsity"]) == 24 * 7
    # The base's blk.13.attn_k has rows that are mostly zeros; packed, as many places are kept there as in all others.
    assert all(abs(sparsity - 0.5) <= 0.003 for sparsity in manifest["sparsity"].values())
    # 32 x 1024 tokens keep 24,576 more in memory, each as a hidden state and an activation of the widest layer.
    assert peak + 24_576 * (896 + 4864) * 4 < 2.5e9
    probe = subprocess.run(
        [SNED, "complete", "module_0.py:2:12", "--stdin", "--json"],
        env=machine.environment(),
        cwd=machine.project,
        input="def double(value):\n    return \n\n\ndef halve(value):\n    return value / 2\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert probe.returncode == 0, probe.stderr
    answer = json.loads(probe.stdout)
    assert answer["model"] == manifest["name"]
    assert "value" in answer["text"]
    built = Path(manifest["path"])
    exported = machine.sned("export", manifest["name"], "plain.gguf", "--to", "dense")
    assert exported.returncode == 0, exported.stderr
    plain = machine.project / "plain.gguf"
    assert built.stat().st_size < 0.8 * plain.stat().st_size
    assert said_by(machine, plain) == said_by(machine, built)


def said_by(machine: Machine, model: Path) -> str:
    done = machine.sned("complete", "module_0.py:2:12", "--model", model, "--json")
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["text"])
