import base64
import struct
from hashlib import blake2b
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.pwhash import scrypt

from assistant.errors import SignatureError, UsageError
from assistant.publishing.signing import parse_public_key, read_secret_key, sign, verify
from tests.assistant.publishing.tiny_submodels import PUBLIC_KEY, SECRET_KEY, SIGNATURE, SIGNED, secret_key

KEY = parse_public_key(PUBLIC_KEY)
OTHER = parse_public_key(base64.b64encode(b"Ed" + KEY.number + bytes(reversed(KEY.key))).decode())


def no_password() -> str:
    raise AssertionError("the key has no password")


def test_what_minisign_signed_is_verified() -> None:
    assert verify(SIGNED, SIGNATURE, (OTHER, KEY), "x") == KEY


def test_what_is_signed_here_is_verified(tmp_path: Path) -> None:
    signature = sign(SIGNED, read_secret_key(secret_key(tmp_path), no_password))
    assert verify(SIGNED, signature, (KEY,), "x") == KEY
    assert signature.splitlines()[0].startswith(b"untrusted comment: ")


@given(st.integers(0, len(SIGNED) - 1), st.integers(1, 255))
def test_a_changed_index_is_refused(place: int, change: int) -> None:
    changed = bytearray(SIGNED)
    changed[place] ^= change
    with pytest.raises(SignatureError, match="not signed by a key of published_keys"):
        verify(bytes(changed), SIGNATURE, (KEY,), "x")


@given(st.integers(0, len(SIGNATURE) - 1), st.integers(1, 255))
def test_a_changed_signature_is_refused_or_says_the_same(place: int, change: int) -> None:
    changed = bytearray(SIGNATURE)
    changed[place] ^= change
    try:
        verify(SIGNED, bytes(changed), (KEY,), "x")
    except SignatureError:
        return
    # What is not signed: the comment before, how lines end, and the bits that base64 leaves over.
    lines, before = bytes(changed).splitlines(), SIGNATURE.splitlines()
    assert lines[2] == before[2]
    assert [base64.b64decode(line) for line in (lines[1], lines[3])] == [
        base64.b64decode(line) for line in (before[1], before[3])
    ]


@given(st.binary(max_size=400))
def test_junk_is_no_signature(junk: bytes) -> None:
    with pytest.raises(SignatureError):
        verify(SIGNED, junk, (KEY,), "x")


def test_a_signature_by_another_key_is_refused() -> None:
    with pytest.raises(SignatureError, match="not signed"):
        verify(SIGNED, SIGNATURE, (OTHER,), "x")


@pytest.mark.parametrize("text", ["", "RWS", PUBLIC_KEY[:-1], "x" * 56, "ed25519:" + PUBLIC_KEY])
def test_what_is_no_public_key_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="is no public key"):
        parse_public_key(text)


def test_a_whole_public_key_file_may_be_given() -> None:
    assert parse_public_key(f"untrusted comment: minisign public key\n{PUBLIC_KEY}\n") == KEY


def protected(folder: Path, password: str) -> Path:
    """The secret key's file as minisign writes it with a password, but for a cheaper derivation."""
    raw = bytearray(base64.b64decode(SECRET_KEY.splitlines()[1]))
    operations, memory, salt = 32768, 16 << 20, bytes(range(32))
    raw[2:4] = b"Sc"
    raw[6:54] = salt + struct.pack("<QQ", operations, memory)
    raw[126:158] = blake2b(b"Ed" + raw[54:126], digest_size=32).digest()
    stream = scrypt.kdf(104, password.encode(), salt, operations, memory)
    raw[54:158] = bytes(left ^ right for left, right in zip(raw[54:158], stream, strict=True))
    path = folder / "protected.key"
    path.write_text(f"untrusted comment: minisign encrypted secret key\n{base64.b64encode(raw).decode()}\n")
    return path


def test_a_password_opens_the_key_and_a_wrong_one_does_not(tmp_path: Path) -> None:
    path = protected(tmp_path, "pass")
    assert read_secret_key(path, lambda: "pass") == read_secret_key(secret_key(tmp_path), no_password)
    with pytest.raises(UsageError, match=r"password of .*protected\.key is wrong"):
        read_secret_key(path, lambda: "word")


def test_what_is_no_secret_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="minisign -G -s"):
        read_secret_key(tmp_path / "none.key", no_password)
    for text in ("", "one line", "two\nlines", f"a public one\n{PUBLIC_KEY}\n", SECRET_KEY.replace("RWQ", "RWA", 1)):
        (tmp_path / "bad.key").write_text(text)
        with pytest.raises(UsageError, match=r"bad\.key"):
            read_secret_key(tmp_path / "bad.key", no_password)
