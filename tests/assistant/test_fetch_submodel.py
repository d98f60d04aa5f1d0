"""Sub-models fetched from a real server, whose every answer may be wrong."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from assistant.catalog import Catalog, load_catalog
from assistant.errors import FetchError, PublicationError, SignatureError, StoreError
from assistant.fetch import connection, document
from assistant.fetch.submodel import Fetched, fetch_submodel, open_index
from assistant.fetch.transfer import SourceError
from assistant.publishing.folder import publish_to_folder
from assistant.publishing.index import INDEX_BYTES, Publication
from assistant.publishing.places import FolderPlace, Place, WebPlace
from assistant.publishing.preparing import Wanted
from assistant.publishing.signing import PublicKey, parse_public_key, read_secret_key
from assistant.store import Store
from tests.assistant.publishing.tiny_submodels import NAME, PUBLIC_KEY, manifest_of, secret_key, tiny_store
from tests.model_server import ModelServer

KEY = parse_public_key(PUBLIC_KEY)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "PAUSES", (0.01, 0.01, 0.01, 0.01))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published folder, signed."""
    root = tmp_path_factory.mktemp("published")
    entry = tiny_store(root / "a").submodel(NAME)
    assert entry is not None
    wanted = Wanted(entry, sparse=True, name=NAME, key=read_secret_key(secret_key(root), str))
    publish_to_folder(wanted, root / "site")
    return root / "site"


@pytest.fixture
def server(folder: Path) -> Iterator[ModelServer]:
    files = {f"/m/{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with ModelServer(files) as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "home")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def fetch(place: Place, store: Store, catalog: Catalog, keys: tuple[PublicKey, ...] = ()) -> Fetched:
    opened = open_index(place, keys)
    (publication,) = opened.index.publications
    return fetch_submodel(opened, publication, store, catalog)


def web(server: ModelServer) -> WebPlace:
    return WebPlace(f"{server.url}/m")


def offers(server: ModelServer, data: bytes, **others: object) -> None:
    """Has the server offer a model file with those bytes, and an index that fits them but for `others`."""
    manifest = manifest_of(data).model_copy(update=others)
    index = {"sned_index": 1, "models": [Publication(form="dense", manifest=manifest).model_dump(mode="json")]}
    server.files |= {f"/m/{NAME}.gguf": data, "/m/index.json": json.dumps(index).encode()}


def assert_nothing_is_here(store: Store) -> None:
    assert store.submodels() == []
    assert store.broken() == []


@pytest.mark.parametrize("keys", [(), (KEY,)])
def test_what_comes_is_the_published_file_and_says_where_from(
    server: ModelServer, folder: Path, store: Store, catalog: Catalog, keys: tuple[PublicKey, ...]
) -> None:
    fetched = fetch(web(server), store, catalog, keys)
    assert fetched.new
    assert fetched.entry.path.read_bytes() == (folder / f"{NAME}.gguf").read_bytes()
    provenance = fetched.entry.manifest.provenance
    assert provenance is not None
    assert provenance.source == f"{server.url}/m/{NAME}.gguf"
    assert provenance.index_sha256 == sha256((folder / "index.json").read_bytes()).hexdigest()
    assert provenance.key == (PUBLIC_KEY if keys else None)
    store.verify(fetched.entry)
    server.requests.clear()
    again = fetch(web(server), store, catalog)
    assert (again.new, again.entry) == (False, fetched.entry)
    assert [request.path for request in server.requests] == ["/m/index.json"]


def test_from_a_folder_a_copy_is_made(folder: Path, store: Store, catalog: Catalog) -> None:
    fetched = fetch(FolderPlace(folder), store, catalog, (KEY,))
    assert fetched.entry.path.read_bytes() == (folder / f"{NAME}.gguf").read_bytes()
    assert not fetched.entry.path.samefile(folder / f"{NAME}.gguf")


def test_dropped_connections_and_busy_servers_are_gone_on_with(
    server: ModelServer, store: Store, catalog: Catalog
) -> None:
    server.drop_after = 30_000
    server.statuses.extend([503, 429])
    assert fetch(web(server), store, catalog, (KEY,)).new


def test_an_unsigned_index_is_refused_where_a_key_is_asked_for(
    server: ModelServer, store: Store, catalog: Catalog
) -> None:
    server.files = {path: data for path, data in server.files.items() if "/signatures/" not in path}
    with pytest.raises(SignatureError, match="is not signed, and published_keys asks for that"):
        fetch(web(server), store, catalog, (KEY,))
    assert not any(request.path.endswith(".gguf") for request in server.requests)


def test_a_wrongly_signed_index_is_refused(server: ModelServer, store: Store, catalog: Catalog) -> None:
    (path,) = (path for path in server.files if "/signatures/" in path)
    changed = server.files["/m/index.json"].replace(b"Apache-2.0", b"Apache-2.1")
    digest = sha256(changed).hexdigest()
    server.files |= {"/m/index.json": changed, f"/m/signatures/{digest}.minisig": server.files[path]}
    with pytest.raises(SignatureError, match="not signed by a key of published_keys"):
        fetch(web(server), store, catalog, (KEY,))
    assert_nothing_is_here(store)


def test_flipped_bytes_are_found(server: ModelServer, store: Store, catalog: Catalog) -> None:
    opened = open_index(web(server), ())
    server.flipped = (20_000,)
    with pytest.raises(FetchError, match="its SHA-256 is"):
        fetch_submodel(opened, opened.index.publications[0], store, catalog)
    assert_nothing_is_here(store)
    server.flipped = ()
    assert fetch(web(server), store, catalog).new


@pytest.mark.parametrize("change", [-1, 1, 10**9])
def test_another_length_than_the_indexs_is_refused(
    server: ModelServer, store: Store, catalog: Catalog, change: int
) -> None:
    data = server.files[f"/m/{NAME}.gguf"]
    offers(server, data, size=len(data) + change)
    with pytest.raises(FetchError, match=f"{len(data)} bytes instead of {len(data) + change}"):
        fetch(web(server), store, catalog)
    assert_nothing_is_here(store)


def test_what_fits_on_no_disk_is_not_begun(server: ModelServer, store: Store, catalog: Catalog) -> None:
    offers(server, server.files[f"/m/{NAME}.gguf"], size=1 << 40)
    with pytest.raises(FetchError, match="are needed at"):
        fetch(web(server), store, catalog)
    assert not any(request.path.endswith(".gguf") for request in server.requests)


@pytest.mark.parametrize("data", [b"no model", b"GGUF" + b"\xff" * 200])
def test_a_file_that_is_no_model_is_not_installed(
    server: ModelServer, store: Store, catalog: Catalog, data: bytes
) -> None:
    offers(server, data)
    with pytest.raises(FetchError, match=f"has a {NAME} that cannot be used"):
        fetch(web(server), store, catalog)
    assert_nothing_is_here(store)


def test_a_packed_matrix_that_was_tampered_with_is_not_installed(
    server: ModelServer, store: Store, catalog: Catalog
) -> None:
    data = bytearray(server.files[f"/m/{NAME}.gguf"])
    data[-100] ^= 1
    offers(server, bytes(data))
    with pytest.raises(FetchError, match="cannot be used"):
        fetch(web(server), store, catalog)
    assert_nothing_is_here(store)


def test_another_model_of_that_name_is_not_replaced(server: ModelServer, store: Store, catalog: Catalog) -> None:
    entry = fetch(web(server), store, catalog).entry
    offers(server, server.files[f"/m/{NAME}.gguf"] + b"\0" * 32)
    with pytest.raises(StoreError, match=f"sned models remove {NAME} first"):
        fetch(web(server), store, catalog)
    store.verify(entry)


def test_a_base_models_name_is_not_taken(server: ModelServer, store: Store, catalog: Catalog) -> None:
    offers(server, server.files[f"/m/{NAME}.gguf"], name="0.5b")
    with pytest.raises(FetchError, match="a base model's name"):
        fetch(web(server), store, catalog)


def test_an_index_without_end_is_cut_off(server: ModelServer, store: Store, catalog: Catalog) -> None:
    server.files["/m/index.json"] = b" " * (INDEX_BYTES + 1)
    with pytest.raises(SourceError, match="has more than"):
        fetch(web(server), store, catalog)
    assert sum(request.sent for request in server.requests) < INDEX_BYTES // 2, "it was refused by its Content-Length"
    server.claimed_length = 100_000_000
    server.files["/m/index.json"] = b"{}"
    with pytest.raises(SourceError, match="has more than"):
        fetch(web(server), store, catalog)


def test_a_server_that_stops_answering_is_left(
    server: ModelServer, store: Store, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "READ_SECONDS", 0.2)
    server.stall_after = 0
    with pytest.raises(SourceError, match="the transfer broke off"):
        fetch(web(server), store, catalog)


def test_a_server_that_trickles_is_left(
    server: ModelServer, store: Store, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(document, "_SECONDS", 0.1)
    server.files["/m/index.json"] = b" " * 1_000_000
    server.pause = 0.05
    with pytest.raises(SourceError, match="takes more than"):
        fetch(web(server), store, catalog)


@pytest.mark.parametrize(
    "target",
    ["http://203.0.113.1/m/index.json", "file:///etc/passwd", "ftp://127.0.0.1/x", "http://[", "//203.0.113.1/"],
)
def test_redirects_lead_to_no_place_that_is_not_safe(
    server: ModelServer, store: Store, catalog: Catalog, target: str
) -> None:
    server.redirects = {"/m/index.json": target}
    with pytest.raises(SourceError, match="redirects to"):
        fetch(web(server), store, catalog)


def test_redirects_of_this_machine_are_followed_for_a_while(
    server: ModelServer, store: Store, catalog: Catalog
) -> None:
    server.redirects = {"/a/index.json": "/m/index.json", f"/a/{NAME}.gguf": f"/m/{NAME}.gguf"}
    assert fetch(WebPlace(f"{server.url}/a"), store, catalog).new
    server.redirects = {"/b/index.json": "/b/index.json"}
    with pytest.raises(SourceError, match="redirects more than 5 times"):
        fetch(WebPlace(f"{server.url}/b"), store, catalog)


def test_a_place_with_nothing_published_says_so(
    server: ModelServer, store: Store, catalog: Catalog, tmp_path: Path
) -> None:
    for place in (WebPlace(f"{server.url}/none"), FolderPlace(tmp_path / "none")):
        with pytest.raises(SourceError, match=r"there is no index\.json"):
            fetch(place, store, catalog)
    (tmp_path / "index.json").mkdir()
    with pytest.raises(SourceError, match="is not a file"):
        fetch(FolderPlace(tmp_path), store, catalog)


def test_a_damaged_index_says_so(server: ModelServer, store: Store, catalog: Catalog) -> None:
    server.files["/m/index.json"] = b"<html>"
    with pytest.raises(PublicationError, match="it is not JSON"):
        fetch(web(server), store, catalog)
