"""Finds the file of a link: where its bytes are, and what its site says about them."""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, Field, ValidationError
from yarl import URL

from bot.downloads.links import CivitaiVersion, RepositoryFile
from bot.downloads.sites import Site, SiteName
from bot.errors import DownloadFailed, DownloadMissing, NotSafetensors
from engine.formatting import printable

MAX_NAME_BYTES = 200  # file systems allow 255; a draft's name is longer than its file's
_UNUSABLE = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]')


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that can be downloaded.

    Attributes:
        name: Its name as downloaded; safe inside a folder.
        bytes: 0 if the site does not say.
        sha256: Empty if the site does not say.
    """

    site: SiteName
    url: URL
    name: str
    bytes: int = 0
    sha256: str = ""


def safe_name(name: str) -> str:
    """Return the last part of a name.

    Raises:
        NotSafetensors: It is no ``.safetensors``, or cannot be a file's name.
    """
    last = PurePosixPath(name.strip()).name
    is_safe = last.isprintable() and not _UNUSABLE.search(last) and not last.startswith(".")
    if not is_safe or not last.lower().endswith(".safetensors") or len(last.encode()) > MAX_NAME_BYTES:
        raise NotSafetensors(name=printable(last[:MAX_NAME_BYTES]))
    return last


def hub_file(link: RepositoryFile, site: Site) -> RemoteFile:
    """Return where the Hub has a file; its answer names size and sha256 in headers."""
    path = f"/{link.repository}/resolve/{quote(link.revision, safe='')}/{quote(link.path)}"
    return RemoteFile(site.name, _join(site, path), safe_name(link.path))


def modelscope_listing(link: RepositoryFile, site: Site) -> URL:
    """Return the address of the listing of the file's folder."""
    folder = str(PurePosixPath(link.path).parent)
    root = "" if folder == "." else folder
    path = f"/api/v1/models/{link.repository}/repo/files"
    return _join(site, path).with_query(Revision=link.revision, Root=root)


def modelscope_file(link: RepositoryFile, site: Site, listing: bytes) -> RemoteFile:
    """Return the file that the listing describes.

    Raises:
        DownloadMissing: It lists no such file.
        DownloadFailed: The listing is malformed.
    """
    name = safe_name(link.path)
    try:
        files = _Listing.model_validate_json(listing).Data.Files
    except ValidationError as error:
        raise DownloadFailed(site=site.name, detail="the listing of the files is malformed") from error
    for file in files:
        if file.Path == link.path:
            url = _join(site, f"/api/v1/models/{link.repository}/repo")
            url = url.with_query(Revision=link.revision, FilePath=link.path)
            return RemoteFile(site.name, url, name, file.Size, file.Sha256.lower())
    raise DownloadMissing(site=site.name)


def civitai_page(link: CivitaiVersion, site: Site) -> URL:
    """Return the address of the description of the version, or of its model if no version is named."""
    kind, number = ("model-versions", link.version) if link.version else ("models", link.model)
    return _join(site, f"/api/v1/{kind}/{number}")


def civitai_file(link: CivitaiVersion, site: Site, page: bytes) -> RemoteFile:
    """Return the file that the description names: the primary one, else the first of its safetensors.

    Raises:
        DownloadMissing: It has no safetensors file.
        DownloadFailed: The description is malformed.
    """
    try:
        if link.version:
            versions = [_Version.model_validate_json(page)]
        else:
            versions = list(_Model.model_validate_json(page).modelVersions)[:1]  # the newest
    except ValidationError as error:
        raise DownloadFailed(site=site.name, detail="the description of the model is malformed") from error
    named = [file for version in versions for file in version.files]
    files = [file for file in named if file.name.lower().endswith(".safetensors")]
    if not files:
        raise DownloadMissing(site=site.name)
    file = next((each for each in files if each.primary), files[0])
    url = _join(site, f"/api/download/models/{versions[0].id}")
    if not file.primary:
        url = url.with_query(type="Model", format="SafeTensor")
    return RemoteFile(site.name, url, safe_name(file.name), sha256=file.hashes.SHA256.lower())


def _join(site: Site, path: str) -> URL:
    return site.origin.with_path(path, encoded=True)


_Sha256 = Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{64})?$")]


class _ListedFile(BaseModel):
    Path: str
    Size: Annotated[int, Field(ge=0)] = 0
    Sha256: _Sha256 = ""


class _Files(BaseModel):
    Files: list[_ListedFile] = []


class _Listing(BaseModel):
    Data: _Files


class _Hashes(BaseModel):
    SHA256: _Sha256 = ""


class _VersionFile(BaseModel):
    name: str
    primary: bool = False
    hashes: _Hashes = _Hashes()


class _Version(BaseModel):
    id: int
    files: list[_VersionFile] = []


class _Model(BaseModel):
    modelVersions: list[_Version] = []
