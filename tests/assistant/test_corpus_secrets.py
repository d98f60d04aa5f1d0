"""Keys and passwords are no calibration text. The ones here are made up, and put together so that no scanner minds."""

import pytest

from assistant.corpus.document import document_of
from assistant.corpus.secrets import has_secret, has_secret_name

PADDING = "".join(f"value_{n} = compute({n})\n" for n in range(30))

SECRETS = [
    "-----BEGIN RSA PRIVATE " + "KEY-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3xfn",
    "key = 'AKIA" + "QWERTYUIOPASDFGH'",
    "t = 'ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8'",
    "url(xoxb" + "-123456789012-abcdefghijklmnop)",
    "api_" + "key: 'q8Zr3Vn5Xw1Lk9Tb7Yc2Mf4H'",
    '"client_' + 'secret": "0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c"',
    "DB_PASS" + "WORD = 'tR7yU2iO9pL4kJ6hG1fD'",
]
HARMLESS = [
    "token = 'end-of-the-whole-sentence-here'",
    "password = getpass('Password of the account: ')",
    "def test_key(): return 'aaaaaaaaaaaaaaaaaaaaaaaa1'",
    "sha256 = '0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c0f9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c'",
    "if '-----BEGIN RSA PRIVATE " + "KEY-----' in text:",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_a_file_with_a_secret_makes_no_document(secret: str) -> None:
    assert has_secret(secret)
    assert document_of("project", "settings.py", f"{PADDING}{secret}\n".encode()) is None


@pytest.mark.parametrize("line", HARMLESS)
def test_what_only_speaks_of_secrets_does(line: str) -> None:
    assert document_of("project", "settings.py", f"{PADDING}{line}\n".encode()) is not None


@pytest.mark.parametrize("name", [".env", "deploy/.env.local", "home/.ssh/id_ed25519", "certs/server.pem", ".npmrc"])
def test_files_that_keep_secrets_are_known_by_name(name: str) -> None:
    assert has_secret_name(name)
    assert document_of("project", name, PADDING.encode()) is None


@pytest.mark.parametrize("name", ["environment.py", "secrets.py", "key.py", "src/env/main.py"])
def test_code_of_such_names_is_code(name: str) -> None:
    assert not has_secret_name(name)


def test_minified_code_is_known_by_name() -> None:
    assert document_of("project", "static/app.min.js", PADDING.encode()) is None
