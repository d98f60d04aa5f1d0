"""Source: a file of a Hugging Face repository.

`huggingface_hub` says where the file is, which digest it has and how to authenticate. The bytes come over our own
transfer: the library's begins anew in each run.
"""

from pathlib import Path

import httpx2
from huggingface_hub import get_hf_file_metadata, hf_hub_url
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.utils._headers import build_hf_headers

from assistant.catalog import HuggingFaceSource
from assistant.fetch.http import receive
from assistant.fetch.transfer import Delivered, Expected, Listener, SourceError

_ANSWER_SECONDS = 5.0
_SHA256_DIGITS = 64


def download(source: HuggingFaceSource, work: Path, expected: Expected, listener: Listener) -> Delivered:
    """The file, verified against the catalog's digest, else against the one Hugging Face publishes for it.

    Raises:
        SourceError: it cannot be had, has no digest, or is not the expected one.
        FetchError: no space for it.
    """
    url = hf_hub_url(source.repo, source.file, revision=source.revision)
    published = _published(url)
    if expected.sha256 is not None and published.sha256 not in (None, expected.sha256):
        raise SourceError(f"its SHA-256 there is {published.sha256} instead of {expected.sha256}")
    wanted = Expected(
        size=expected.size if expected.size is not None else published.size,
        sha256=expected.sha256 or published.sha256,
    )
    if wanted.sha256 is None:
        raise SourceError("Hugging Face publishes no SHA-256 for it, and the catalog has none")
    return receive(url, build_hf_headers(), work, wanted, listener)


def _published(url: str) -> Expected:
    """Size and SHA-256 of a file on the hub; large files alone have one there (it is their Git LFS object's name)."""
    try:
        # One try: the library's own retries take 23 seconds to find out that there is no network.
        metadata = get_hf_file_metadata(url, timeout=_ANSWER_SECONDS)
    except OfflineModeIsEnabled as error:
        raise SourceError("HF_HUB_OFFLINE is set", unreachable=True) from error
    except GatedRepoError as error:
        raise SourceError("its licence must be accepted on its page first, and `hf auth login` run") from error
    except HfHubHTTPError as error:
        raise SourceError(f"the hub answers {error.response.status_code} {error.response.reason_phrase}") from error
    except HFValidationError as error:
        raise SourceError(str(error)) from error
    except httpx2.TransportError as error:
        raise SourceError(f"no connection ({error})", unreachable=True) from error
    etag = metadata.etag or ""
    is_digest = len(etag) == _SHA256_DIGITS and all(digit in "0123456789abcdef" for digit in etag)
    return Expected(metadata.size, etag if is_digest else None)
