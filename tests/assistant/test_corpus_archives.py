"""Archives of calibration text, which may come from anywhere."""

import io
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assistant.corpus import calibration_documents
from assistant.corpus.document import MAX_BYTES
from assistant.corpus.volumes import TarArchive, ZipArchive
from assistant.errors import UsageError
from assistant.languages import Language


def code(index: int) -> bytes:
    return b"".join(b"int f%d_%d(int a) { return a + %d; }\n" % (index, line, line) for line in range(12))


FILES = {f"src/m{index}.c": code(index) for index in range(40)} | {"README.md": b"text\n" * 100}


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def tar_writer(compression: str) -> Callable[[Path, dict[str, bytes]], Path]:
    def write(path: Path, files: dict[str, bytes]) -> Path:
        with tarfile.open(path, f"w:{compression}") as archive:
            for name, content in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return path

    return write


WRITERS = [
    ("a.zip", write_zip),
    ("a.jar", write_zip),
    ("a.tar", tar_writer("")),
    ("a.tar.gz", tar_writer("gz")),
    ("a.tar.bz2", tar_writer("bz2")),
    ("a.tar.xz", tar_writer("xz")),
    ("no-ending", tar_writer("gz")),
]


@pytest.mark.parametrize(("name", "write"), WRITERS)
def test_archives_give_what_the_folder_gives(
    tmp_path: Path, name: str, write: Callable[[Path, dict[str, bytes]], Path]
) -> None:
    for member, content in FILES.items():
        path = tmp_path / "folder" / member
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    expected = [(d.name, d.text) for d in calibration_documents(tmp_path / "folder", Language.CPP, 7)]
    archive = write(tmp_path / name, FILES)
    assert [(d.name, d.text) for d in calibration_documents(archive, Language.CPP, 7)] == expected
    assert len(expected) > 25
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["folder", name])


@pytest.mark.parametrize(("name", "write"), WRITERS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_broken_archives_are_named(
    name: str, write: Callable[[Path, dict[str, bytes]], Path], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / name, FILES)
        content = bytearray(path.read_bytes())
        if data.draw(st.booleans()):
            del content[data.draw(st.integers(1, len(content) - 1)) :]
        for _ in range(data.draw(st.integers(0, 8))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        path.write_bytes(content)
        try:
            documents = list(calibration_documents(path, Language.CPP, 0))
        except UsageError as error:
            assert str(path) in str(error)
        else:
            assert documents


def test_truncated_archive_says_so(tmp_path: Path) -> None:
    whole = write_zip(tmp_path / "a.zip", FILES).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match=r"cut\.zip is no archive that can be read"):
        calibration_documents(tmp_path / "cut.zip", Language.CPP, 0)
    whole = tar_writer("gz")(tmp_path / "a.tgz", FILES).read_bytes()
    (tmp_path / "cut.tgz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match=r"The archive .*cut\.tgz cannot be read"):
        calibration_documents(tmp_path / "cut.tgz", Language.CPP, 0)


def test_huge_members_are_not_read(tmp_path: Path) -> None:
    files = FILES | {"src/bomb.c": b"int x; // x\n" * (MAX_BYTES // 8)}
    for name, write in WRITERS[:4]:
        archive = write(tmp_path / name, files)
        names = {document.name for document in calibration_documents(archive, Language.CPP, 0)}
        assert "src/bomb.c" not in names
        assert names


def test_a_member_larger_than_its_directory_says_is_not_read_whole(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "lie.zip", {"bomb.c": b"int x; // x\n" * (MAX_BYTES // 4)})
    lied = path.read_bytes().replace((MAX_BYTES // 4 * 12).to_bytes(4, "little"), (5000).to_bytes(4, "little"))
    path.write_bytes(lied)
    volume = ZipArchive("lie", path, lambda name: True)
    assert volume.members() == {"bomb.c": 5000}
    try:
        assert all(len(content) <= MAX_BYTES for content in volume.read(["bomb.c"]).values())
    except UsageError as error:
        assert "lie.zip" in str(error)


def test_tar_that_claims_to_hold_more_than_any_archive_does_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("zeros.c")
    info.size = 1 << 40
    path = tmp_path / "bomb.tar"
    path.write_bytes(info.tobuf() + bytes(10240))
    with pytest.raises(UsageError, match=r"bomb\.tar"):
        TarArchive("bomb", path, lambda name: True).members()


def test_encrypted_member_is_refused_by_name(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "locked.zip", FILES)
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = content.find(signature)
        while start >= 0:
            content[start + offset] |= 1
            start = content.find(signature, start + 4)
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"locked\.zip cannot be read"):
        calibration_documents(path, Language.CPP, 0)


def test_links_and_names_that_lead_outside_are_only_labels(tmp_path: Path) -> None:
    outside = tmp_path / "outside.c"
    outside.write_bytes(code(99))
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        link = tarfile.TarInfo("link.c")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        archive.addfile(link)
        for index in range(20):
            info = tarfile.TarInfo(f"../../up{index}.c")
            info.size = len(code(index))
            archive.addfile(info, io.BytesIO(code(index)))
    documents = list(calibration_documents(tmp_path / "a.tar", Language.CPP, 0))
    assert documents
    assert all(document.name.startswith("../../up") for document in documents)
    assert not list(tmp_path.parent.glob("up*.c"))
