"""Signatures of an index, in the form of minisign (https://jedisct1.github.io/minisign/, "Signature format").

Ed25519 over the BLAKE2b-512 digest of the file, and again over that signature and a comment. libsodium computes it,
through PyNaCl; minisign makes the keys, and can verify what is signed here.
"""

import base64
import binascii
import hashlib
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import SignatureError, UsageError

SIGNATURES = "signatures"
SIGNATURE_BYTES = 4096

_PUBLIC = struct.Struct("<2s8s32s")
_SIGNATURE = struct.Struct("<2s8s64s")
_SECRET = struct.Struct("<2s2s2s32sQQ104s")
_SECRET_PART = struct.Struct("<8s64s32s")
_KEY_ALGORITHM, _PREHASHED = b"Ed", b"ED"
_SCRYPT, _PLAIN, _BLAKE2B = b"Sc", b"\0\0", b"B2"
# minisign's own limits are 1 GiB.
_MOST_MEMORY = 2 << 30


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Whose signature is asked for: `text` is the key as minisign writes it."""

    text: str
    number: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class SecretKey:
    """What signs."""

    number: bytes
    key: bytes


def signature_file(index: bytes) -> str:
    """The file, relative to an index, that has the signature of just these bytes of it.

    An index and its signature can so be replaced without a moment at which they do not fit.
    """
    return f"{SIGNATURES}/{hashlib.sha256(index).hexdigest()}.minisig"


def parse_public_key(text: str) -> PublicKey:
    """A public key as minisign prints it.

    Raises:
        UsageError: it is none.
    """
    text = text.strip().splitlines()[-1].strip() if text.strip() else ""
    try:
        algorithm, number, key = _PUBLIC.unpack(_decoded(text))
    except (ValueError, struct.error):
        algorithm = b""
    if algorithm != _KEY_ALGORITHM:
        raise UsageError(f"{text!r} is no public key of minisign's; give the line that begins with RW.")
    return PublicKey(text, number, key)


def read_secret_key(path: Path, password: Callable[[], str]) -> SecretKey:
    """The secret key in a file that minisign made; `password` is asked for if the file wants one.

    Raises:
        UsageError: there is no such file, it is no secret key, or the password is wrong.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        algorithm, kdf, checksum, salt, operations, memory, part = _SECRET.unpack(_decoded(lines[1]))
    except OSError as error:
        raise UsageError(
            f"The secret key {path} cannot be read: {error.strerror}; minisign -G -s {path} makes one."
        ) from error
    except (ValueError, IndexError, struct.error) as error:
        raise UsageError(f"{path} is no secret key of minisign's; minisign -G -s FILE makes one.") from error
    if (algorithm, checksum) != (_KEY_ALGORITHM, _BLAKE2B) or kdf not in (_SCRYPT, _PLAIN) or memory > _MOST_MEMORY:
        raise UsageError(f"{path} is a secret key of a kind that is not known; minisign -G -s FILE makes one.")
    if kdf == _SCRYPT:
        part = _decrypted(part, password(), salt, operations, memory)
    number, key, digest = _SECRET_PART.unpack(part)
    # minisign writes no checksum where there is no password.
    whole = hashlib.blake2b(_KEY_ALGORITHM + number + key, digest_size=32).digest() == digest
    if not (whole or kdf == _PLAIN) or not _fits_its_public_key(key):
        raise UsageError(f"The password of {path} is wrong, or the file is damaged; try again.")
    return SecretKey(number, key)


def sign(data: bytes, secret: SecretKey) -> bytes:
    """The signature file of `data`."""
    from nacl.bindings import crypto_sign

    signature = crypto_sign(hashlib.blake2b(data).digest(), secret.key)[:64]
    trusted = f"timestamp:{int(time.time())}\tfile:index.json\thashed"
    whole = crypto_sign(signature + trusted.encode(), secret.key)[:64]
    lines = (
        "untrusted comment: signature of a sned index",
        base64.b64encode(_SIGNATURE.pack(_PREHASHED, secret.number, signature)).decode(),
        f"trusted comment: {trusted}",
        base64.b64encode(whole).decode(),
    )
    return ("\n".join(lines) + "\n").encode()


def verify(data: bytes, signature: bytes, keys: tuple[PublicKey, ...], place: str) -> PublicKey:
    """The key among `keys` that signed `data`.

    Raises:
        SignatureError: none of them did.
    """
    number, signed, trusted, whole = _parse_signature(signature, place)
    for key in keys:
        if (
            key.number == number
            and _is_signed(hashlib.blake2b(data).digest(), signed, key)
            and _is_signed(signed + trusted, whole, key)
        ):
            return key
    raise SignatureError(f"The index of {place} is not signed by a key of published_keys; nothing was taken from it.")


def _parse_signature(signature: bytes, place: str) -> tuple[bytes, bytes, bytes, bytes]:
    """Key number, signature, trusted comment, and the signature of both."""
    try:
        _, first, comment, second = signature.decode().splitlines()[:4]
        algorithm, number, signed = _SIGNATURE.unpack(_decoded(first))
        whole = _decoded(second)
    except (ValueError, struct.error) as error:
        raise SignatureError(f"The signature of the index of {place} is damaged; nothing was taken from it.") from error
    if algorithm != _PREHASHED:
        raise SignatureError(f"The signature of the index of {place} is of a kind that is not known; sign it anew.")
    return number, signed, comment.removeprefix("trusted comment: ").encode(), whole


def _is_signed(message: bytes, signature: bytes, key: PublicKey) -> bool:
    from nacl.exceptions import BadSignatureError
    from nacl.signing import VerifyKey

    try:
        VerifyKey(key.key).verify(message, signature)
    except (BadSignatureError, ValueError):  # another signature, or none by its length
        return False
    return True


def _fits_its_public_key(key: bytes) -> bool:
    from nacl.bindings import crypto_sign_seed_keypair

    return crypto_sign_seed_keypair(key[:32])[0] == key[32:]


def _decrypted(part: bytes, password: str, salt: bytes, operations: int, memory: int) -> bytes:
    from nacl.pwhash import scrypt

    stream = scrypt.kdf(len(part), password.encode(), salt, operations, memory)
    return bytes(left ^ right for left, right in zip(part, stream, strict=True))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
