"""A download is whole and from its site, or refused; hostile servers get nothing."""

import asyncio
import contextlib
import gzip
import hashlib
import json
import os
import re
import stat
import threading
from pathlib import Path

import pytest
from aiohttp import web
from pydantic import SecretStr
from yarl import URL

from bot.commands.values import SentFile
from bot.downloads import Downloader, Site, SiteName, downloader, read_link
from bot.downloads.resolver import PublicResolver
from bot.errors import (
    DownloadDamaged,
    DownloadFailed,
    DownloadMissing,
    DownloadNotAllowed,
    DownloadRedirected,
    DownloadTooLarge,
    NotSafetensors,
)
from tests.unit.bot.downloads.fake_site import Answer, FakeSite, Loopback

CONTENT = bytes(range(256)) * 40
SHA256 = hashlib.sha256(CONTENT).hexdigest()
LINK = read_link("hf:o/n/sub/My Face.safetensors")


def sites_at(port: int) -> dict[SiteName, Site]:
    """Every site at 127.0.0.1; files may also come from files.test."""
    hosts, token = re.compile(r"files\.test"), SecretStr("hf_secret")
    origin = URL(f"http://127.0.0.1:{port}")
    return {name: Site(name, origin, hosts, token, "huggingface.token") for name in SiteName}


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def fetch(
    answer: Answer, folder: Path, wanted: object = LINK, limit: int = 1_000_000
) -> tuple[object, FakeSite]:
    async with FakeSite(answer).open() as site:
        made = Downloader(sites_at(site.port), limit_bytes=limit, resolver=Loopback)
        found = await made.fetch(wanted, folder)  # type: ignore[arg-type]
    return found, site


async def whole(request: web.Request) -> web.StreamResponse:
    return web.Response(body=CONTENT, headers={"X-Linked-Etag": f'"{SHA256}"'})


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


async def test_a_file_arrives_whole_under_its_own_name_and_private(tmp_path: Path) -> None:
    found, site = await fetch(whole, tmp_path)
    path = tmp_path / "My Face.safetensors"
    assert found == downloader.Download(path, len(CONTENT), SHA256, SiteName.HUB)
    assert path.read_bytes() == CONTENT
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert site.asked == [("127.0.0.1", "/o/n/resolve/main/sub/My%20Face.safetensors", "Bearer hf_secret")]


@pytest.mark.parametrize("has_length", [True, False])
async def test_a_download_tells_how_much_has_arrived(tmp_path: Path, *, has_length: bool) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if has_length:
            return web.Response(body=CONTENT)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(CONTENT)
        return response

    told: list[tuple[int, int]] = []
    async with FakeSite(answer).open() as site:
        made = Downloader(sites_at(site.port), limit_bytes=1_000_000, resolver=Loopback)
        await made.fetch(LINK, tmp_path, lambda received, total: told.append((received, total)))
    assert told[-1] == (len(CONTENT), len(CONTENT) if has_length else 0)
    assert [received for received, _ in told] == sorted({received for received, _ in told})


async def test_a_redirect_to_the_sites_own_files_is_followed_without_the_token(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.host.startswith("files.test"):
            return web.Response(body=CONTENT, headers={"X-Linked-Etag": "0" * 64})  # not the site's word
        there = f"http://files.test:{request.url.port}/signed?key=1%2B2"
        return web.Response(status=302, headers={"Location": there, "X-Linked-Etag": f'"{SHA256}"'})

    _, site = await fetch(answer, tmp_path)
    assert site.asked[1] == ("files.test", "/signed?key=1%2B2", "")


@pytest.mark.parametrize(
    "location",
    [
        "http://evil.test:{port}/a",
        "https://127.0.0.1:{port}/a",
        "http://127.0.0.1:1/a",
        "http://user@127.0.0.1:{port}/a",
        "file:///etc/passwd",
        "http://[::1]:{port}/a",
        "//evil.test/a",
        "http://127.0.0.1.evil.test:{port}/a",
        "http://[",
        "http://127.0.0.1:99999/a",
        "http://127.0.0.1:x/a",
    ],
)
async def test_a_redirect_elsewhere_is_refused_unread(location: str, tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        there = location.format(port=request.url.port)
        return web.Response(status=302, headers={"Location": there})

    with pytest.raises(DownloadRedirected):
        await fetch(answer, tmp_path)
    assert not files_in(tmp_path)


async def test_redirects_end(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "/again"})

    with pytest.raises(DownloadFailed):
        await fetch(answer, tmp_path)


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (401, DownloadNotAllowed),
        (403, DownloadNotAllowed),
        (404, DownloadMissing),
        (500, DownloadFailed),
        (206, DownloadFailed),
        (300, DownloadFailed),
    ],
)
async def test_a_refusal_of_the_site_is_explained(status: int, refusal: type, tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=CONTENT)

    with pytest.raises(refusal) as refused:
        await fetch(answer, tmp_path)
    assert "hf_secret" not in str(refused.value)


async def test_an_announced_size_over_the_limit_is_refused_before_reading(tmp_path: Path) -> None:
    with pytest.raises(DownloadTooLarge):
        await fetch(whole, tmp_path, limit=len(CONTENT) - 1)
    assert not files_in(tmp_path)


async def test_a_body_that_does_not_end_is_cut_at_the_limit(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        while True:
            await response.write(bytes(4096))

    with pytest.raises(DownloadTooLarge):
        await fetch(answer, tmp_path, limit=100_000)
    assert sum(path.stat().st_size for path in files_in(tmp_path)) <= 100_000


async def test_a_compressed_body_is_not_inflated(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Encoding": "gzip", "X-Linked-Etag": f'"{SHA256}"'}
        return web.Response(body=gzip.compress(CONTENT), headers=headers)

    with pytest.raises(DownloadDamaged):
        await fetch(answer, tmp_path)


async def test_other_bytes_than_announced_are_refused(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" + CONTENT[1:], headers={"X-Linked-Etag": f'"{SHA256}"'})

    with pytest.raises(DownloadDamaged):
        await fetch(answer, tmp_path)


async def test_a_body_that_breaks_off_is_refused(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(CONTENT))})
        await response.prepare(request)
        await response.write(CONTENT[:100])
        assert request.transport is not None
        request.transport.close()
        return response

    with pytest.raises(DownloadFailed):
        await fetch(answer, tmp_path)


async def test_a_silent_server_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloader, "SILENCE_S", 0.05)
    ended = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        await ended.wait()
        return web.Response()

    async with FakeSite(answer).open() as site:
        made = Downloader(sites_at(site.port), limit_bytes=1, resolver=Loopback)
        with pytest.raises(DownloadFailed):
            await made.fetch(LINK, tmp_path)  # type: ignore[arg-type]
        ended.set()


async def test_a_name_that_leads_into_the_network_is_refused(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": f"http://files.test:{request.url.port}/a"})

    async with FakeSite(answer).open() as site:
        resolver = lambda: PublicResolver(Loopback())  # noqa: E731
        made = Downloader(sites_at(site.port), limit_bytes=10**6, resolver=resolver)
        with pytest.raises(DownloadRedirected) as refused:
            await made.fetch(LINK, tmp_path)  # type: ignore[arg-type]
    assert refused.value.facts == {"host": "files.test"}
    assert len(site.asked) == 1


async def test_civitai_and_modelscope_are_asked_for_the_file_first(tmp_path: Path) -> None:
    version = {"id": 34, "files": [{"name": "F.safetensors", "primary": True, "hashes": {"SHA256": SHA256}}]}
    listed = {"Path": "a.safetensors", "Size": len(CONTENT), "Sha256": SHA256}
    pages = {
        "/api/v1/model-versions/34": version,
        "/api/v1/models/o/n/repo/files": {"Data": {"Files": [listed]}},
    }

    async def answer(request: web.Request) -> web.StreamResponse:
        page = pages.get(request.path)
        return web.Response(body=json.dumps(page).encode() if page else CONTENT)

    for link, name in (("civitai:12@34", "F.safetensors"), ("modelscope:o/n/a.safetensors", "a.safetensors")):
        found, _ = await fetch(answer, tmp_path, read_link(link))
        assert found.path == tmp_path / name  # type: ignore[attr-defined]


async def test_a_description_that_does_not_end_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloader, "MAX_PAGE_BYTES", 10_000)

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(body=bytes(20_000))

    with pytest.raises(DownloadFailed):
        await fetch(answer, tmp_path, read_link("civitai:12"))


async def test_a_sent_file_is_read_from_its_platform(tmp_path: Path) -> None:
    async def read() -> bytes:
        return CONTENT

    found, site = await fetch(whole, tmp_path, SentFile("Face.safetensors", len(CONTENT), read=read))
    assert found == downloader.Download(tmp_path / "Face.safetensors", len(CONTENT), SHA256, "")
    assert not site.asked
    with pytest.raises(DownloadTooLarge):
        await fetch(whole, tmp_path, SentFile("B.safetensors", 10, read=read), limit=100)
    with pytest.raises(NotSafetensors):
        await fetch(whole, tmp_path, SentFile("a.pt", 10, read=read))


async def test_what_is_cancelled_while_it_writes_writes_into_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system gives the number of a closed file to the next one that is opened, such as the database."""
    began, goes_on, ended = threading.Event(), threading.Event(), threading.Event()
    append = downloader._append

    def append_late(*arguments: object) -> None:
        began.set()
        goes_on.wait(60)
        try:
            append(*arguments)  # type: ignore[arg-type]
        finally:
            ended.set()

    async def read() -> bytes:
        return CONTENT

    monkeypatch.setattr(downloader, "_append", append_late)
    sent = SentFile("Face.safetensors", len(CONTENT), read=read)
    work = asyncio.create_task(Downloader(sites_at(1), limit_bytes=10**6).fetch(sent, tmp_path))
    assert await asyncio.to_thread(began.wait, 60)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context((tmp_path / f"{number}.db").open("wb")) for number in range(3)]
        goes_on.set()
        assert await asyncio.to_thread(ended.wait, 60)
        assert [os.fstat(other.fileno()).st_size for other in others] == [0, 0, 0]
