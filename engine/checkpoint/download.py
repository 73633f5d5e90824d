"""Downloads a published model into its folder and checks each file by its hash. Blocking: minutes to hours.

The files arrive in a draft beside the folder, which takes the folder's name when all of them are proved. So
an interrupted download goes on where it stopped, and a folder with the final name is whole.
"""

import contextlib
import hashlib
from pathlib import Path

import httpx

from engine.checkpoint.remote import (
    FILES_OF_A_MODEL,
    ModelFile,
    RemoteModel,
    endpoint_of,
    list_remote,
    unreachable,
)
from engine.config import EngineConfig
from engine.durable import make_folder, sync_file
from engine.errors import ModelDamaged

READ_TIMEOUT_S = 60.0  # without a byte
MAX_INTERRUPTIONS = 20  # of one file; each begins where the one before stopped
_DRAFT = ".download"
_PART = ".part"
_GIT_BLOB = b"blob %d\0"


def draft_folder(folder: Path) -> Path:
    """Return the folder that a download into ``folder`` fills before it is complete."""
    return folder.with_name(f"{folder.name}{_DRAFT}")


def downloaded_bytes(folder: Path) -> int:
    """Return the bytes that a download into ``folder`` has stored on the disk so far."""
    total = 0
    for path in draft_folder(folder).rglob("*"):
        with contextlib.suppress(OSError):  # it was renamed meanwhile
            total += path.stat().st_blocks * 512
    return total


def download(config: EngineConfig, folder: Path) -> None:
    """Download the model of the settings into ``folder``; it appears when it is whole and proved.

    Raises:
        ModelUnreachable: The source refuses or does not answer.
        ModelDamaged: A file has another content than the source states; it is removed, so try again.
        OSError: The disk refused.
        Exception: Any error of the Hub's library.
    """
    remote = list_remote(config)
    draft = draft_folder(folder)
    make_folder(draft.parent)
    if folder.is_dir() and not draft.exists():
        folder.rename(draft)  # what an earlier version downloaded in part
    make_folder(draft)
    if config.source == "modelscope":
        _from_modelscope(config, remote, draft)
    else:
        _from_hub(config, draft)
    for file in remote.files:
        _require_sound(draft / file.path, file)
    draft.rename(folder)
    sync_file(folder.parent)


def _from_hub(config: EngineConfig, draft: Path) -> None:
    import huggingface_hub as hub  # noqa: PLC0415 - only a Hub model needs it

    hub.snapshot_download(
        config.model,
        revision=config.revision,
        allow_patterns=FILES_OF_A_MODEL,
        local_dir=draft,
        endpoint=endpoint_of(config),
    )


def _from_modelscope(config: EngineConfig, remote: RemoteModel, draft: Path) -> None:
    """Download file by file. ModelScope's own library takes names of branches alone, no commit."""
    base = f"{endpoint_of(config)}/api/v1/models/{config.model}/repo"
    with httpx.Client(timeout=READ_TIMEOUT_S, follow_redirects=True) as client:
        for file in remote.files:
            into = draft / file.path
            if into.is_file() and into.stat().st_size == file.size_bytes:
                continue
            make_folder(into.parent)
            parameters = {"Revision": config.revision, "FilePath": file.path}
            for _ in range(MAX_INTERRUPTIONS):
                try:
                    _fill(client, base, parameters, into.with_name(into.name + _PART), file)
                    break
                except httpx.HTTPStatusError as error:
                    raise unreachable(config, f"HTTP {error.response.status_code}") from error
                except httpx.TransportError as error:
                    interruption = error
            else:
                raise unreachable(config, type(interruption).__name__) from interruption
            into.with_name(into.name + _PART).rename(into)


def _fill(client: httpx.Client, url: str, parameters: dict[str, str], part: Path, file: ModelFile) -> None:
    """Append what is missing to the part of a file.

    Raises:
        httpx.HTTPError: The connection broke, or the source refused.
    """
    have_bytes = part.stat().st_size if part.exists() else 0
    if have_bytes > file.size_bytes:
        part.unlink()
        have_bytes = 0
    if have_bytes == file.size_bytes and part.exists():
        return
    headers = {"Accept-Encoding": "identity"}
    if have_bytes:
        headers["Range"] = f"bytes={have_bytes}-"
    with client.stream("GET", url, params=parameters, headers=headers) as answer:
        answer.raise_for_status()
        mode = "ab" if answer.status_code == httpx.codes.PARTIAL_CONTENT else "wb"
        with part.open(mode) as target:
            for piece in answer.iter_bytes():
                target.write(piece)


def _require_sound(path: Path, file: ModelFile) -> None:
    """Return if the file on the disk is the published one.

    Raises:
        ModelDamaged: It is not, and was removed.
    """
    if path.is_file() and path.stat().st_size == file.size_bytes and _has_hash(path, file):
        sync_file(path)
        return
    path.unlink(missing_ok=True)
    raise ModelDamaged(f"{path} is not the published file.", path=str(path))


def _has_hash(path: Path, file: ModelFile) -> bool:
    if file.sha256:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
    content_id = hashlib.sha1(_GIT_BLOB % file.size_bytes, usedforsecurity=False)
    content_id.update(path.read_bytes())  # only small files have no SHA-256
    return content_id.hexdigest() == file.git_sha1
