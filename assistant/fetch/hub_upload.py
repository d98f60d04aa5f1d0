"""Publishing in a repository of the Hugging Face hub: model, signature and index come in one commit."""

import tempfile
from pathlib import Path

import httpx2
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    LocalTokenNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

from assistant.errors import FetchError, PublicationError
from assistant.publishing.index import INDEX_FILE, Index, parse_index
from assistant.publishing.places import HubPlace
from assistant.publishing.preparing import (
    Published,
    Wanted,
    already_there,
    grown,
    prepare,
    require_key,
    signature,
)
from assistant.publishing.signing import signature_file

_CONFLICT = (409, 412)


def publish_to_hub(wanted: Wanted, place: HubPlace, work: Path) -> Published:
    """Adds a sub-model to what is published in a repository, which has to be there.

    Args:
        wanted: what to publish.
        place: where.
        work: a folder with room for the model's file.

    Raises:
        PublicationError: another sub-model has the name there, or someone else changed the repository meanwhile.
        FetchError: the hub cannot be reached, or refuses.
        UsageError: the index is signed, and no key was given.
    """
    try:
        return _publish(wanted, place, work)
    except RepositoryNotFoundError as error:
        raise FetchError(
            f"{place.description} is not there, or not for you to see; make it with hf repo create {place.repo}, "
            "or run hf auth login."
        ) from error
    except LocalTokenNotFoundError as error:
        raise FetchError("The hub wants to know who you are; run hf auth login.") from error
    except OfflineModeIsEnabled as error:
        raise FetchError("HF_HUB_OFFLINE is set; unset it to publish on the hub.") from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status in _CONFLICT:
            raise PublicationError(f"{place.description} was changed meanwhile; run the command again.") from error
        raise FetchError(
            f"The hub answers {status} {error.response.reason_phrase} for {place.description}; "
            "hf auth whoami says who you are to it."
        ) from error
    except httpx2.TransportError as error:
        raise FetchError(f"The hub cannot be reached ({error}); try again with a connection.") from error
    except RuntimeError as error:  # so the library, and hf_xet, report a large file that cannot be uploaded
        reason = str(error.__cause__ or "no reason given").splitlines()[0].rstrip(".")
        raise FetchError(f"{str(error).rstrip('.')} ({reason}); run the command again.") from error


def _publish(wanted: Wanted, place: HubPlace, work: Path) -> Published:
    api = HfApi()
    head = api.repo_info(place.repo).sha
    with tempfile.TemporaryDirectory(prefix="publishing-", dir=work) as name:
        folder = Path(name)
        data = _read(place, INDEX_FILE, head, folder)
        index = Index() if data is None else parse_index(data, place.description)
        signed = data is not None and api.file_exists(place.repo, signature_file(data), revision=head)
        require_key(signed=signed, key=wanted.key, place=place.description)
        out = folder / "model.gguf"
        publication = prepare(wanted, out)
        known = already_there(index, publication, place.description)
        files: dict[str, Path | bytes] = {}
        if not known or data is None:
            data = grown(index, publication, place.description)
            files = {publication.file: out, INDEX_FILE: data}
        if not (known and signed):
            files |= signature(data, wanted.key)
        if files:
            api.create_commit(
                place.repo,
                [CommitOperationAdd(path, content) for path, content in files.items()],
                commit_message=f"Publish {publication.name}",
                parent_commit=head,  # whoever publishes at the same time is not overwritten
            )
        return Published(publication, new=not known, signed=wanted.key is not None)


def _read(place: HubPlace, name: str, revision: str | None, folder: Path) -> bytes | None:
    try:
        return Path(hf_hub_download(place.repo, name, revision=revision, local_dir=folder)).read_bytes()
    except EntryNotFoundError:
        return None
