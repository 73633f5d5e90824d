"""Downloads one file into a private folder, within limits of bytes, time and hosts."""

import asyncio
import hashlib
import os
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from urllib.request import getproxies

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver
from yarl import URL

from bot.commands.values import ReadFile, SentFile
from bot.downloads import locating
from bot.downloads.links import CivitaiVersion, RepositoryFile
from bot.downloads.locating import RemoteFile, safe_name
from bot.downloads.resolver import PrivateAddress, PublicResolver
from bot.downloads.sites import Site, SiteName
from bot.errors import (
    DownloadDamaged,
    DownloadFailed,
    DownloadMissing,
    DownloadNotAllowed,
    DownloadRedirected,
    DownloadTooLarge,
    PictureTooLarge,
)
from engine.durable import FILE_MODE

log = structlog.get_logger("bot.downloads")

MAX_REDIRECTS = 5
MAX_PAGE_BYTES = 4 * 2**20  # a description of a model with a thousand versions has less
CHUNK_BYTES = 2**20
CONNECT_S, SILENCE_S, PAGE_S = 15.0, 60.0, 60.0
DOWNLOAD_S = 3_600.0  # 1 GiB at 0.3 MB/s
ReportBytes = Callable[[int, int], None]
"""Takes the bytes received so far, and those of the whole file; 0 if that is not known."""
_SHA256 = re.compile(r'(?:W/)?"?([0-9a-f]{64})"?')


@dataclass(frozen=True, slots=True)
class Download:
    """A complete file on the disk.

    Attributes:
        source: The site, for the record.
    """

    path: Path
    bytes: int
    sha256: str
    source: str


class Downloader:
    """Downloads files of these sites, and files that people sent.

    Args:
        sites: Where links may lead.
        limit_bytes: The largest file.
        resolver: Finds addresses; None for public ones alone.
    """

    def __init__(
        self,
        sites: Mapping[SiteName, Site],
        *,
        limit_bytes: int,
        resolver: Callable[[], AbstractResolver] | None = None,
    ) -> None:
        self._sites = sites
        self._limit_bytes = limit_bytes
        self._resolver = resolver or PublicResolver

    async def fetch(
        self,
        wanted: RepositoryFile | CivitaiVersion | SentFile,
        folder: Path,
        report: ReportBytes = lambda received, total: None,
    ) -> Download:
        """Write the file into ``folder`` under its own name, mode 600, and compare its sha256 if known.

        Args:
            wanted: A link, or a file of a chat.
            folder: A private, empty folder.
            report: Called with each piece.

        Raises:
            PersonError: One of ``bot.errors.downloads``; the folder may hold a part of the file.
        """
        if isinstance(wanted, SentFile) and wanted.read is not None:
            return await self._keep(wanted, wanted.read, folder)
        with _explained(_site_of(wanted)):
            async with asyncio.timeout(DOWNLOAD_S), self._session() as session:
                file = await self._locate(session, wanted)
                return await self._download(session, file, folder, report)

    async def read(self, sent: SentFile, limit_bytes: int) -> bytes:
        """Return the content of a picture that a person sent, in memory.

        Raises:
            PersonError: One of ``bot.errors.downloads``; PictureTooLarge above ``limit_bytes``.
        """

        def require_size(size: int) -> None:
            if size > limit_bytes:
                raise PictureTooLarge(limit_bytes=limit_bytes)

        require_size(sent.size)
        if sent.read is not None:
            content = await sent.read()
            require_size(len(content))
            return content
        site, received = self._sites[_site_of(sent)], bytearray()
        with _explained(site.name):
            async with (
                asyncio.timeout(PAGE_S),
                self._session() as session,
                self._open(session, site, URL(sent.url, encoded=True)) as (answer, _),
            ):
                async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                    received += chunk
                    require_size(len(received))
        return bytes(received)

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        proxy = getproxies().get("https", "")
        # A proxy resolves the names itself; the list of hosts holds all the same.
        connector = aiohttp.TCPConnector(resolver=None if proxy else self._resolver(), use_dns_cache=False)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
        async with aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            auto_decompress=False,  # a small body must not become a large one
            cookie_jar=aiohttp.DummyCookieJar(),
            proxy=proxy or None,
        ) as session:
            yield session

    async def _locate(
        self, session: aiohttp.ClientSession, wanted: RepositoryFile | CivitaiVersion | SentFile
    ) -> RemoteFile:
        site = self._sites[_site_of(wanted)]
        match wanted:
            case RepositoryFile(site=SiteName.HUB):
                return locating.hub_file(wanted, site)
            case RepositoryFile():
                page = await self._read_page(session, site, locating.modelscope_listing(wanted, site))
                return locating.modelscope_file(wanted, site, page)
            case CivitaiVersion():
                page = await self._read_page(session, site, locating.civitai_page(wanted, site))
                return locating.civitai_file(wanted, site, page)
            case SentFile(name=name, url=url, size=size):
                return RemoteFile(site.name, URL(url, encoded=True), safe_name(name), size)

    async def _read_page(self, session: aiohttp.ClientSession, site: Site, url: URL) -> bytes:
        async with asyncio.timeout(PAGE_S), self._open(session, site, url) as (answer, _):
            content = b""
            async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                content += chunk
                if len(content) > MAX_PAGE_BYTES:
                    raise DownloadFailed(site=site.name, detail="the description is too long")
        return content

    @asynccontextmanager
    async def _open(
        self, session: aiohttp.ClientSession, site: Site, url: URL
    ) -> AsyncIterator[tuple[aiohttp.ClientResponse, str]]:
        """Follow the redirects of this site; yield the answer and the sha256 that the site itself named."""
        sha256 = ""
        for _ in range(MAX_REDIRECTS + 1):
            site.require_own(url)
            async with session.get(url, headers=site.headers(url), allow_redirects=False) as answer:
                if url.origin() == site.origin and (
                    named := _SHA256.fullmatch(answer.headers.get("X-Linked-Etag", ""))
                ):
                    sha256 = named[1]
                if answer.status in (301, 302, 303, 307, 308):
                    url = _next_url(url, answer)
                    continue
                _require_success(answer.status, site)
                yield answer, sha256
                return
        raise DownloadFailed(site=site.name, detail="too many redirects")

    async def _download(
        self,
        session: aiohttp.ClientSession,
        file: RemoteFile,
        folder: Path,
        report: ReportBytes,
    ) -> Download:
        self._require_size(file.bytes)
        site = self._sites[file.site]
        async with self._open(session, site, file.url) as (answer, sha256_of_site):
            self._require_size(answer.content_length or file.bytes)
            path = folder / file.name
            total = answer.content_length or file.bytes
            chunks = answer.content.iter_chunked(CHUNK_BYTES)
            found = await self._write(path, chunks, lambda received: report(received, total))
        is_whole = answer.content_length in (None, found.bytes) and file.bytes in (0, found.bytes)
        expected = file.sha256 or sha256_of_site or found.sha256
        if not is_whole or expected != found.sha256:
            raise DownloadDamaged(site=file.site)
        log.info("file downloaded", site=file.site, bytes=found.bytes, sha256=found.sha256)
        return Download(path, found.bytes, found.sha256, file.site)

    async def _keep(self, sent: SentFile, read: ReadFile, folder: Path) -> Download:
        """Write a small file that its platform gave to the bot."""
        name = safe_name(sent.name)
        self._require_size(sent.size)
        content = await read()
        self._require_size(len(content))

        async def chunks() -> AsyncIterator[bytes]:
            yield content

        found = await self._write(folder / name, chunks(), lambda received: None)
        return Download(folder / name, found.bytes, found.sha256, "")

    async def _write(
        self, path: Path, chunks: AsyncIterator[bytes], report: Callable[[int], None]
    ) -> "_Written":
        digest, size = hashlib.sha256(), 0
        # A thread that goes on after a cancellation finds the file closed. The number of a closed descriptor
        # may belong to another file by then, such as the database.
        with await asyncio.to_thread(_create, path) as file:
            async for chunk in chunks:
                size += len(chunk)
                self._require_size(size)
                report(size)
                await asyncio.to_thread(_append, file, digest, chunk)
            await asyncio.to_thread(_sync, file)
        return _Written(size, digest.hexdigest())

    def _require_size(self, size: int) -> None:
        if size > self._limit_bytes:
            raise DownloadTooLarge(limit_bytes=self._limit_bytes)


@dataclass(frozen=True, slots=True)
class _Written:
    bytes: int
    sha256: str


def _create(path: Path) -> BufferedWriter:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb")


def _append(file: BufferedWriter, digest: "hashlib._Hash", chunk: bytes) -> None:
    digest.update(chunk)
    file.write(chunk)


def _sync(file: BufferedWriter) -> None:
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _explained(site: SiteName) -> Iterator[None]:
    """Turn the errors of a connection into those that a person reads."""
    try:
        yield
    except PrivateAddress as error:
        raise DownloadRedirected(host=str(error).split()[0]) from error
    except (aiohttp.ClientError, TimeoutError) as error:
        if isinstance(error.__cause__, PrivateAddress):
            raise DownloadRedirected(host=str(error.__cause__).split()[0]) from error
        # The text of the error may contain a signed address.
        raise DownloadFailed(site=site, detail=type(error).__name__) from error


def _site_of(wanted: RepositoryFile | CivitaiVersion | SentFile) -> SiteName:
    match wanted:
        case RepositoryFile(site=site):
            return site
        case CivitaiVersion():
            return SiteName.CIVITAI
        case SentFile():
            return SiteName.DISCORD


def _next_url(url: URL, answer: aiohttp.ClientResponse) -> URL:
    try:
        return url.join(URL(answer.headers.get("Location", ""), encoded=True))
    except ValueError as error:
        raise DownloadRedirected(host="") from error


def _require_success(status: int, site: Site) -> None:
    if status == 200:
        return
    if status in (401, 403):
        raise DownloadNotAllowed(site=site.name, setting=site.setting)
    if status in (404, 410):
        raise DownloadMissing(site=site.name)
    raise DownloadFailed(site=site.name, detail=f"status {status}")
