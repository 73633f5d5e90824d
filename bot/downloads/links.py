"""Reads links as people copy them from the pages of the sites."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from bot.downloads.sites import SiteName
from bot.errors import LinkNotAllowed, LinkNotUnderstood
from engine.formatting import printable

MAX_LINK_CHARS = 2_000

_HUB_HOSTS = ("huggingface.co", "www.huggingface.co", "hf.co")
_MODELSCOPE_HOSTS = ("modelscope.cn", "www.modelscope.cn")
_CIVITAI_HOSTS = ("civitai.com", "www.civitai.com")
_PART = r"[A-Za-z0-9][\w.-]{0,95}"  # of a repository's name, as both hubs allow
_REVISION = r"[\w.%-]{1,100}"  # with its slashes as %2F
_HUB_PATH = re.compile(rf"/({_PART}/{_PART})/(?:blob|resolve)/({_REVISION})/(.+)", re.ASCII)
_HUB_SHORT = re.compile(rf"(?:hf|huggingface):/{{0,2}}({_PART}/{_PART})/(.+)", re.ASCII | re.IGNORECASE)
_MODELSCOPE_PATH = re.compile(
    rf"/models/({_PART}/{_PART})/(?:file/view|resolve)/({_REVISION})/(.+)", re.ASCII
)
_MODELSCOPE_SHORT = re.compile(rf"modelscope:/{{0,2}}({_PART}/{_PART})/(.+)", re.ASCII | re.IGNORECASE)
_CIVITAI_PATH = re.compile(r"/models/([0-9]{1,12})(?:/[^/]*)?/?")
_CIVITAI_DOWNLOAD = re.compile(r"/api/download/models/([0-9]{1,12})/?")
_CIVITAI_SHORT = re.compile(r"civitai:/{0,2}([0-9]{1,12})(?:@([0-9]{1,12}))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RepositoryFile:
    """One file of a repository of the Hub or ModelScope."""

    site: SiteName
    repository: str
    revision: str
    path: str


@dataclass(frozen=True, slots=True)
class CivitaiVersion:
    """A version of a model of Civitai: its ``version``, or 0 for the newest of ``model``."""

    model: int
    version: int


def read_link(typed: str) -> RepositoryFile | CivitaiVersion:
    """Return what the link names: a page's address, ``hf:owner/name/file`` or ``civitai:model@version``.

    Raises:
        LinkNotUnderstood: It names no file.
        LinkNotAllowed: It leads elsewhere.
    """
    text = typed.strip().strip("<>")
    if len(text) > MAX_LINK_CHARS:
        raise LinkNotUnderstood
    if short := _HUB_SHORT.fullmatch(text):
        return _file(SiteName.HUB, short[1], "main", short[2])
    if short := _MODELSCOPE_SHORT.fullmatch(text):
        return _file(SiteName.MODELSCOPE, short[1], "master", short[2])
    if short := _CIVITAI_SHORT.fullmatch(text):
        return CivitaiVersion(int(short[1]), int(short[2] or 0))
    return _read_address(text)


def _read_address(text: str) -> RepositoryFile | CivitaiVersion:
    """Return what the address of a page names; raises as ``read_link``."""
    try:
        parts = urlsplit(text)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise LinkNotUnderstood from error
    if parts.scheme.lower() not in ("https", "http") or not host:
        raise LinkNotUnderstood
    if port not in (None, 443) or parts.username is not None:
        raise LinkNotAllowed(host=printable(parts.netloc.rpartition("@")[2]))
    path = parts.path
    if host in _HUB_HOSTS and (found := _HUB_PATH.fullmatch(path)):
        return _file(SiteName.HUB, found[1], unquote(found[2]), unquote(found[3]))
    if host in _MODELSCOPE_HOSTS and (found := _MODELSCOPE_PATH.fullmatch(path)):
        return _file(SiteName.MODELSCOPE, found[1], unquote(found[2]), unquote(found[3]))
    if host in _CIVITAI_HOSTS and (found := _CIVITAI_DOWNLOAD.fullmatch(path)):
        return CivitaiVersion(0, int(found[1]))
    if host in _CIVITAI_HOSTS and (found := _CIVITAI_PATH.fullmatch(path)):
        version = parse_qs(parts.query).get("modelVersionId", ["0"])[0]
        return CivitaiVersion(int(found[1]), int(version) if re.fullmatch("[0-9]{1,12}", version) else 0)
    if host not in (*_HUB_HOSTS, *_MODELSCOPE_HOSTS, *_CIVITAI_HOSTS):
        raise LinkNotAllowed(host=printable(host))
    raise LinkNotUnderstood


def _file(site: SiteName, repository: str, revision: str, path: str) -> RepositoryFile:
    parts = [*revision.split("/"), *path.split("/")]
    is_name = re.fullmatch(r"[\w./-]+", revision, re.ASCII)
    if not is_name or any(part in ("", ".", "..") or not part.isprintable() for part in parts):
        raise LinkNotUnderstood
    return RepositoryFile(site, repository, revision, path)
