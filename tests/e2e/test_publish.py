"""`sned publish`, and `sned fetch` of what it published, as users run them: tiny models, real servers."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from assistant.catalog import load_catalog
from assistant.cli.app import main
from assistant.store import Store
from tests.assistant.publishing.tiny_submodels import BASE, BASE_SHA256, NAME, PUBLIC_KEY, put, secret_key, tiny_store
from tests.hub_server import REPO, TOKEN, HubServer
from tests.model_server import ModelServer

SNED = Path(sys.executable).with_name("sned")


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    returncode: int
    stdout: str
    stderr: str


class User:
    """Someone with a store, settings, and a Python project.

    Commands run in this process, which is quicker, but for those about the hub: its library reads the environment once.
    """

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.capture = capture
        self.home = folder / "home"
        self.project = folder / "project"
        self.project.mkdir(parents=True)
        (self.project / "main.py").write_text("value = 1\n" * 50)
        self.environment = {
            "SNED_HOME": str(self.home),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "HOME": str(folder),
            "COLUMNS": "200",
        }

    def run(self, *arguments: str | Path, status: int = 0, **environment: str) -> Done:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SNED_", "HF_"))}
        everything = inherited | self.environment | environment
        words = [str(argument) for argument in arguments]
        if "HF_ENDPOINT" in environment:
            ended = subprocess.run(
                [SNED, *words],
                cwd=self.project,
                env=everything,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                check=False,
            )
            done = Done(ended.returncode, ended.stdout, ended.stderr)
        else:
            self.capture.readouterr()
            with pytest.MonkeyPatch.context() as patch:
                for name in os.environ.keys() - everything.keys():
                    patch.delenv(name)
                for name, value in everything.items():
                    patch.setenv(name, value)
                patch.chdir(self.project)
                returned = main(words)
            done = Done(returned, *self.capture.readouterr())
        assert done.returncode == status, done.stderr
        assert "Traceback" not in done.stderr
        return done

    def answer(self, *arguments: str | Path, **environment: str) -> Any:
        return json.loads(self.run(*arguments, "--json", **environment).stdout)

    @property
    def models(self) -> list[str]:
        """The sub-models here, whole and verified."""
        store = Store(self.home)
        assert store.broken() == []
        for entry in store.submodels():
            store.verify(entry)
        return [entry.name for entry in store.submodels()]


@pytest.fixture
def publisher(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> User:
    tiny_store(tmp_path / "publisher")
    return User(tmp_path / "publisher", capsys)


@pytest.fixture
def user(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> User:
    return User(tmp_path / "user", capsys)


@pytest.fixture
def site(publisher: User, tmp_path: Path) -> Path:
    publisher.run("publish", NAME, tmp_path / "site")
    return tmp_path / "site"


@pytest.fixture
def server(site: Path) -> Iterator[ModelServer]:
    with ModelServer({f"/m/{path.name}": path.read_bytes() for path in site.iterdir()}) as running:
        yield running


def test_publishing_says_what_is_where_and_a_second_time_that_it_is(publisher: User, tmp_path: Path) -> None:
    first = publisher.answer("publish", NAME, tmp_path / "site")
    entry = Store(publisher.home).submodel(NAME)
    assert entry is not None
    facts = {"new": True, "place": str(tmp_path / "site"), "file": f"{NAME}.gguf", "signed": False, "form": "sparse"}
    assert first.items() >= facts.items()
    assert first["size"] == (tmp_path / "site" / f"{NAME}.gguf").stat().st_size < entry.manifest.size
    assert publisher.run("publish", NAME, tmp_path / "site").stdout.startswith(f"Already published: {NAME} in ")
    named = publisher.run("publish", NAME, tmp_path / "site", "--name", "plain", "--to", "dense")
    assert named.stdout.startswith("Published plain in ")
    assert (tmp_path / "site" / "plain.gguf").read_bytes() == entry.path.read_bytes()


@pytest.mark.parametrize("kind", ["folder", "web", "hub"])
def test_what_is_published_is_fetched_and_used(user: User, site: Path, kind: str) -> None:
    resolve = f"/{REPO}/resolve/main/"
    files = {f"{prefix}{path.name}": path.read_bytes() for path in site.iterdir() for prefix in ("/m/", resolve)}
    with ModelServer(files) as server:
        place = {"folder": str(site), "web": f"{server.url}/m", "hub": f"hf:{REPO}"}[kind]
        answer = user.answer("fetch", place, **({"HF_ENDPOINT": server.url} if kind == "hub" else {}))
    assert (
        answer.items() >= {"name": NAME, "fetched": True, "language": "python", "base": BASE, "signed": False}.items()
    )
    assert Path(answer["path"]).read_bytes() == (site / f"{NAME}.gguf").read_bytes()
    assert user.models == [NAME]
    shown = user.answer("models", "show", NAME)
    assert shown["built_here"] is False
    assert shown["provenance"]["source"] == answer["source"]
    assert user.answer()["submodel"] == NAME
    user.run("export", NAME, "plain.gguf")
    assert (user.project / "plain.gguf").stat().st_size > answer["bytes"]


def test_which_one_is_fetched_is_named_or_follows_from_the_project(
    publisher: User, user: User, site: Path, tmp_path: Path
) -> None:
    pruned = tmp_path / "publisher" / "pruned.gguf"
    put(Store(publisher.home), pruned, "tiny-java", language="java")
    put(Store(publisher.home), pruned, "tiny-python-newer")
    for name in ("tiny-java", "tiny-python-newer"):
        publisher.run("publish", name, site)
    assert user.answer("fetch", site)["name"] == "tiny-python-newer"
    assert user.answer("fetch", site, NAME)["name"] == NAME
    assert user.answer("fetch", site, "--language", "java")["name"] == "tiny-java"
    wrong = user.run("fetch", site, "tiny-perl", status=2)
    assert f"has no 'tiny-perl'; it has {NAME}, tiny-java, tiny-python-newer." in wrong.stderr
    none = user.run("fetch", site, "--language", "cpp", status=2)
    assert "has none for C++ and qwen2.5-coder-0.5b-instruct; name one:" in none.stderr


def test_settings_say_where_and_a_project_gets_its_own(user: User, server: ModelServer, tmp_path: Path) -> None:
    places = json.dumps([str(tmp_path / "nothing here"), f"{server.url}/m"])
    status = user.answer(SNED_PUBLISHED=places)
    assert status["next_step"] == "Get the Python sub-model, or the base model if none is published: sned fetch"
    fetched = user.run("fetch", SNED_PUBLISHED=places)
    assert fetched.stdout.startswith(f"{NAME} is here, from {server.url}/m/{NAME}.gguf")
    assert "nothing here could not deliver" in fetched.stderr
    assert user.models == [NAME]
    again = user.run("fetch", SNED_PUBLISHED=places)
    assert again.stdout.startswith(f"{NAME} is here already")


def test_without_the_network_what_was_fetched_is_here(user: User, server: ModelServer) -> None:
    place = f"{server.url}/m"
    user.run("fetch", SNED_PUBLISHED=place)
    server.files.clear()
    assert user.run("fetch", SNED_PUBLISHED=place).stdout.startswith(f"{NAME} is here already")


def test_where_none_is_published_the_base_model_is_fetched(user: User, site: Path, tmp_path: Path) -> None:
    java = user.project.with_name("java")
    java.mkdir()
    (java / "Main.java").write_text("class Main {}\n" * 50)
    strict = user.run("fetch", "--language", "java", status=1, SNED_PUBLISHED=str(site))
    assert strict.stderr.endswith("No place of the setting published has a Java sub-model; sned build makes one.\n")
    (tmp_path / "catalog.toml").write_text(
        f"""
[[models]]
name = "{BASE}"
family = "Tiny"
parameters = 1
quantisation = "F32"
size = 7
sha256 = "{sha256(b"content").hexdigest()}"
licence = "MIT"
licence_url = "https://example.org"
context = 8
sources = [{{ kind = "file", path = "{(tmp_path / "base.gguf").as_posix()}" }}]
"""
    )
    (tmp_path / "base.gguf").write_bytes(b"content")
    environment = {"SNED_PUBLISHED": str(site), "SNED_CATALOG": str(tmp_path / "catalog.toml")}
    fetched = user.run("fetch", "--project", java, **environment)
    assert fetched.stdout.startswith(f"{BASE} is here, from file")
    assert user.models == []
    # The published one was cut from other bytes of that name than are here now.
    user.run("fetch", "--language", "python", status=1, **environment)
    assert user.models == []


def test_a_sub_model_of_another_base_is_not_taken_for_the_projects(user: User, site: Path) -> None:
    other = user.run("fetch", "--language", "python", status=1, SNED_PUBLISHED=str(site), SNED_BASE="1.5b")
    assert "none for qwen2.5-coder-1.5b-instruct" in other.stderr


def test_a_key_in_the_settings_has_to_have_signed(publisher: User, user: User, tmp_path: Path) -> None:
    site = tmp_path / "site"
    publisher.run("publish", NAME, site)
    (tmp_path / "user" / "config" / "sned").mkdir(parents=True)
    settings = tmp_path / "user" / "config" / "sned" / "sned.toml"
    settings.write_text(f'published = ["{site.as_posix()}"]\npublished_keys = ["{PUBLIC_KEY}"]\n')
    for arguments in (("fetch", site), ("fetch",)):
        unsigned = user.run(*arguments, status=1)
        assert "is not signed, and published_keys asks for that" in unsigned.stderr
    assert user.models == []
    publisher.run("publish", NAME, site, "--sign", secret_key(tmp_path))
    assert user.answer("fetch")["signed"] is True
    refused = publisher.run("publish", NAME, site, "--name", "more", status=2)
    assert "is signed; give the key with --sign" in refused.stderr
    settings.write_text('published_keys = ["RWnonsense"]\n')
    assert "is no public key of minisign's" in user.run("fetch", site, status=2).stderr


@pytest.mark.skipif(shutil.which("minisign") is None, reason="minisign is not installed")
def test_minisign_itself_verifies_what_was_signed(publisher: User, tmp_path: Path) -> None:
    site = tmp_path / "site"
    publisher.run("publish", NAME, site, "--sign", secret_key(tmp_path))
    (signature,) = (site / "signatures").iterdir()
    command = ["minisign", "-V", "-m", site / "index.json", "-x", signature, "-P", PUBLIC_KEY]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_a_build_leaves_to_what_was_fetched_where_that_is_set_up(user: User, site: Path, base_entry: Path) -> None:
    user.run("fetch", site)
    shutil.copytree(base_entry, user.home / "bases" / BASE)
    taken = user.run("build", SNED_PUBLISHED=str(site))
    assert taken.stdout == f"{NAME} fits and was fetched; --anew builds one for this project all the same.\n"
    assert user.answer("build", SNED_PUBLISHED=str(site)) | {"new": None} == {
        "new": None,
        "path": str(user.home / "submodels" / NAME / "model.gguf"),
        **json.loads((user.home / "submodels" / NAME / "manifest.json").read_text()),
    }
    for arguments in (("--anew",), ("--sparsity", "0.3")):
        built = user.run("build", *arguments, status=1, SNED_PUBLISHED=str(site))
        assert "is not a GGUF" in built.stderr or "gguf" in built.stderr.lower()
    assert "sned fetch looks for it at" in built.stderr


@pytest.fixture
def base_entry(tmp_path: Path) -> Path:
    """An entry that passes for the base model as long as nobody opens it."""
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "model.gguf").write_bytes(b"content")
    facts = {"kind": "base", "name": BASE, "sha256": BASE_SHA256, "size": 7, "licence": "MIT", "source": "here"}
    (folder / "manifest.json").write_text(json.dumps(facts))
    assert load_catalog().find(BASE).sha256 == BASE_SHA256
    return folder


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("publish", "nothing", "out"), 2, "No model in the store is called 'nothing'"),
        (("publish", NAME, "https://example.org/m"), 2, "publish into a folder, and have a web server serve it"),
        (("publish", NAME, "hf:org/repo/name"), 2, "names a model"),
        (("publish", NAME, "file:///srv"), 2, "is no place of published models"),
        (("publish", NAME, "out", "--sign", "none.key"), 2, "minisign -G -s none.key makes one"),
        (("publish", NAME, "out", "--name", "../x"), 2, "cannot name a model"),
        (("fetch", "http://example.org/m"), 2, "would come unprotected"),
        (("fetch", "file:///srv/m"), 2, "is no place of published models"),
        (("fetch", "./nowhere"), 1, "there is no index.json"),
        (("fetch", "./nowhere", "--sha256", "0" * 64), 2, "are for base models"),
        (("fetch", "hf:org/repo/a", "b"), 2, "names a model already"),
        (("fetch", "--language", "python"), 2, "SNED_PUBLISHED"),
        (("fetch", "0.5b", "--language", "python"), 2, "is a base model"),
        (("fetch", "./nowhere", "--language", "cobol"), 2, "'cobol'"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(
    publisher: User, arguments: tuple[str, ...], status: int, message: str
) -> None:
    done = publisher.run(*arguments, status=status)
    assert message in done.stderr
    assert not (publisher.project / "out" / "index.json").exists()


class TestHub:
    """Publishing on an imitation of the hub, and fetching from there."""

    @pytest.fixture
    def hub(self) -> Iterator[HubServer]:
        with HubServer() as running:
            yield running

    def environment(self, hub: HubServer) -> dict[str, str]:
        return {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}

    def test_all_comes_in_one_commit_and_is_fetched_again(
        self, publisher: User, user: User, hub: HubServer, tmp_path: Path
    ) -> None:
        environment = self.environment(hub)
        key = secret_key(tmp_path)
        first = publisher.answer("publish", NAME, f"hf:{REPO}", "--sign", key, **environment)
        assert (first["new"], first["place"]) == (True, f"hf:{REPO}")
        ((message, files),) = hub.commits
        assert message == f"Publish {NAME}"
        signature = f"signatures/{sha256(hub.files['index.json']).hexdigest()}.minisig"
        assert files == sorted(["index.json", f"{NAME}.gguf", signature])
        assert not publisher.answer("publish", NAME, f"hf:{REPO}", "--sign", key, **environment)["new"]
        assert len(hub.commits) == 1
        unsigned = publisher.run("publish", NAME, f"hf:{REPO}", "--name", "more", status=2, **environment)
        assert "is signed" in unsigned.stderr
        publisher.run("publish", NAME, f"hf:{REPO}", "--name", "more", "--sign", key, **environment)
        assert [each["manifest"]["name"] for each in json.loads(hub.files["index.json"])["models"]] == [NAME, "more"]
        fetched = user.answer("fetch", f"hf:{REPO}/{NAME}", SNED_PUBLISHED_KEYS=PUBLIC_KEY, **environment)
        assert (fetched["fetched"], fetched["signed"]) == (True, True)
        assert Path(fetched["path"]).read_bytes() == hub.files[f"{NAME}.gguf"]
        assert hub.storage.gets()
        for request in hub.storage.requests:  # who fetches is not known to the storage
            assert "authorization" not in request.headers

    def test_what_the_storage_breaks_off_goes_on(self, publisher: User, user: User, hub: HubServer) -> None:
        environment = self.environment(hub)
        publisher.run("publish", NAME, f"hf:{REPO}", **environment)
        size = len(hub.files[f"{NAME}.gguf"])
        hub.storage.drop_after = size // 3 + 1
        fetched = user.answer("fetch", f"hf:{REPO}", **environment)
        assert Path(fetched["path"]).read_bytes() == hub.files[f"{NAME}.gguf"]
        ranges = [request.headers.get("range") for request in hub.storage.gets()]
        assert len(ranges) >= 3
        assert any(each is not None and not each.startswith("bytes=0-") for each in ranges)

    def test_a_flipped_byte_of_the_storage_is_no_model(self, publisher: User, user: User, hub: HubServer) -> None:
        environment = self.environment(hub)
        publisher.run("publish", NAME, f"hf:{REPO}", **environment)
        hub.storage.flipped = (len(hub.files[f"{NAME}.gguf"]) // 2,)
        assert "SHA-256" in user.run("fetch", f"hf:{REPO}", status=1, **environment).stderr
        assert user.models == []

    def test_a_storage_that_takes_nothing_leaves_the_repository_as_it_was(
        self, publisher: User, hub: HubServer
    ) -> None:
        hub.refuse_uploads = True
        refused = publisher.run("publish", NAME, f"hf:{REPO}", status=1, **self.environment(hub))
        assert f"{NAME}.gguf" in refused.stderr
        assert "403" in refused.stderr
        assert hub.commits == []
        hub.refuse_uploads = False
        publisher.run("publish", NAME, f"hf:{REPO}", **self.environment(hub))
        assert len(hub.commits) == 1

    def test_whoever_publishes_meanwhile_is_not_overwritten(self, publisher: User, hub: HubServer) -> None:
        hub.race = {"index.json": b'{"sned_index": 1, "models": []}'}
        lost = publisher.run("publish", NAME, f"hf:{REPO}", status=1, **self.environment(hub))
        assert "was changed meanwhile; run the command again" in lost.stderr
        assert hub.commits == []
        publisher.run("publish", NAME, f"hf:{REPO}", **self.environment(hub))
        assert len(hub.commits) == 1

    def test_what_the_hub_refuses_is_one_sentence(self, publisher: User, hub: HubServer) -> None:
        environment = self.environment(hub)
        missing = publisher.run("publish", NAME, "hf:org/other", status=1, **environment)
        assert "hf repo create org/other" in missing.stderr
        stranger = publisher.run("publish", NAME, f"hf:{REPO}", status=1, **environment | {"HF_TOKEN": "hf_wrong"})
        assert "hf auth" in stranger.stderr
        offline = publisher.run("publish", NAME, f"hf:{REPO}", status=1, **environment | {"HF_HUB_OFFLINE": "1"})
        assert "HF_HUB_OFFLINE" in offline.stderr
        hub._server.server_close()
        hub._server.shutdown()
        gone = publisher.run("publish", NAME, f"hf:{REPO}", status=1, **environment)
        assert "hub" in gone.stderr
        assert hub.commits == []
