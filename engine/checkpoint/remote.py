"""What the Hub, a mirror or ModelScope says about a published model: its newest commit, its files. Blocking.

The names, sizes and hashes of the files are those of one commit, so that a download can be checked, and its
size is known before it begins.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Any

import httpx

from engine.config import EngineConfig
from engine.errors import ModelUnreachable
from engine.formatting import printable, without_passwords

HUB = "https://huggingface.co"
MODELSCOPE = "https://www.modelscope.cn"
NEWEST = {"hub": "main", "modelscope": "master"}
"""The branch that each source names for what is newest."""
FILES_OF_A_MODEL = ["*.json", "*.safetensors", "*.txt", "*.jinja"]  # never a pickle, never code
ASK_TIMEOUT_S = 20.0
MAX_LISTED_FILES = 1_000  # Z-Image-Turbo has about 30
MAX_DETAIL = 300  # characters of a library's error


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a published model.

    Attributes:
        path: Within the model's folder, with slashes.
        sha256: Of its content; empty if only ``git_sha1`` is known, as for small files of the Hub.
        git_sha1: The id that git gives its content; empty if ``sha256`` is known.
    """

    path: str
    size_bytes: int
    sha256: str = ""
    git_sha1: str = ""


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """The files of a published model that the engine needs, at one commit."""

    commit: str
    files: tuple[ModelFile, ...]

    @property
    def total_bytes(self) -> int:
        """The bytes of all files."""
        return sum(file.size_bytes for file in self.files)


def endpoint_of(config: EngineConfig) -> str:
    """Return the address of the source, without a slash at its end."""
    usual = MODELSCOPE if config.source == "modelscope" else os.environ.get("HF_ENDPOINT") or HUB
    return (config.endpoint or usual).rstrip("/")


def list_remote(config: EngineConfig, *, timeout_s: float = ASK_TIMEOUT_S) -> RemoteModel:
    """Ask the source for the files of the model at the commit of the settings, or at the newest commit.

    Args:
        config: Names the model and the source; without ``revision`` the newest commit is meant.
        timeout_s: For each part of the exchange.

    Raises:
        ModelUnreachable: The source does not answer, or does not have this model or commit.
    """
    revision = config.revision or NEWEST[config.source]
    try:
        with httpx.Client(timeout=timeout_s, follow_redirects=True) as client:
            answer = client.get(_listing_address(config, revision))
        answer.raise_for_status()
        read = _read_modelscope if config.source == "modelscope" else _read_hub
        found = read(answer.json(), config.revision)
    except httpx.HTTPStatusError as error:
        raise unreachable(config, f"HTTP {error.response.status_code}") from error
    except httpx.HTTPError as error:
        raise unreachable(config, f"{type(error).__name__}: {error}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise unreachable(config, "the answer is no list of files") from error
    if not found.files:
        raise unreachable(config, "no files")
    return found


def unreachable(config: EngineConfig, detail: str) -> ModelUnreachable:
    """Return the error of a model that cannot be downloaded, on one line."""
    return ModelUnreachable(
        f"{config.model}: {printable(without_passwords(detail))[:MAX_DETAIL]}",
        model=config.model, revision=config.revision, source=config.source,
    )  # fmt: skip


def _listing_address(config: EngineConfig, revision: str) -> str:
    base = endpoint_of(config)
    if config.source == "modelscope":
        return f"{base}/api/v1/models/{config.model}/repo/files?Revision={revision}&Recursive=true"
    return f"{base}/api/models/{config.model}/revision/{revision}?blobs=true"


def _read_hub(answer: Mapping[str, Any], _: str) -> RemoteModel:
    files = [
        ModelFile(
            path=str(each["rfilename"]),
            size_bytes=int(each["size"]),
            sha256=str((each.get("lfs") or {}).get("sha256", "")),
            git_sha1="" if each.get("lfs") else str(each.get("blobId", "")),
        )
        for each in answer["siblings"][:MAX_LISTED_FILES]
    ]
    return RemoteModel(str(answer["sha"]), _needed(files))


def _read_modelscope(answer: Mapping[str, Any], revision: str) -> RemoteModel:
    """Read ModelScope's list; where it does not name its commit, that of its newest file is the newest."""
    data = answer["Data"]
    listed: list[dict[str, Any]] = data["Files"][:MAX_LISTED_FILES]
    rows = [each for each in listed if each.get("Type") != "tree"]
    files = [ModelFile(str(each["Path"]), int(each["Size"]), str(each["Sha256"])) for each in rows]
    newest: dict[str, Any] = max(rows, key=lambda each: int(each.get("CommittedDate") or 0), default={})
    named = str((data.get("LatestCommitter") or {}).get("Id") or newest.get("Revision", ""))
    return RemoteModel(revision or named, _needed(files))


def _needed(files: list[ModelFile]) -> tuple[ModelFile, ...]:
    """Return the files that the engine reads; a name that leaves the folder is no file of a model.

    Raises:
        ValueError: A name leaves the folder.
    """
    for file in files:
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError
    return tuple(file for file in files if any(fnmatch(file.path, each) for each in FILES_OF_A_MODEL))
