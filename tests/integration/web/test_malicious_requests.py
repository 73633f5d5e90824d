"""The page's answers to malicious requests over real sockets, without a browser."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.chats.web import CardPanel, OperatorSources, WebChat
from bot.chats.web.conversation import Conversation
from bot.chats.web.desk_client import DeskClient
from bot.chats.web.operator.logins import OperatorLogins
from bot.chats.web.operator.routes import OperatorRoutes
from bot.chats.web.routes import PageRoutes, create_app, monitoring_routes
from bot.chats.web.sessions import MAX_SESSIONS, MAX_STREAMS_PER_SESSION, Sessions
from bot.errors import SugarbotError
from bot.messages import format_error
from bot.messages.page import page_text
from bot.monitoring.monitor import Monitor, Snapshot
from bot.uploads import MAX_PICTURE_BYTES
from engine.host import HostState
from tests.fakes.desk import ScriptedDesk
from tests.fakes.desk_harness import open_harness, until
from tests.integration.web.malicious_requests import MaliciousRequest, malicious_requests

SECRET = "content of a file that no route may show"
ROUTES = {
    ("GET", "/"),
    ("GET", "/page.css"),
    ("GET", "/page.js"),
    ("GET", "/live.js"),
    ("GET", "/icon.svg"),
    ("GET", "/strip.png"),
    ("GET", "/events"),
    ("GET", "/pictures/{job_id}/{name}"),
    ("GET", "/charts/{name}"),
    ("GET", "/exports/{name}"),
    ("POST", "/say"),
    ("POST", "/press"),
    ("POST", "/language"),
    ("POST", "/info"),
    ("GET", "/operator"),
    ("GET", "/operator.css"),
    ("GET", "/operator.js"),
    ("GET", "/operator/events"),
    ("GET", "/operator/preview"),
    ("POST", "/operator/login"),
    ("POST", "/operator/logout"),
    ("POST", "/operator/act"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
}


@dataclass
class RawResponse:
    """The page's answer; status 0 means that it closed the connection."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class RawClient:
    """Sends raw requests to the page, and keeps each connection until it has read the answer.

    If the page closed the connection, an answer that overtakes the body of its request would be lost.
    """

    own: str

    async def send(self, request: MaliciousRequest, cookie: str = "") -> RawResponse:
        host, port = self.own.rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(_bytes_of(request, self.own, cookie))
            async with asyncio.timeout(30):
                return await _read_response(reader, has_body=request.method != "HEAD")
        except (ConnectionError, asyncio.IncompleteReadError):
            return RawResponse(0, {}, b"")
        except TimeoutError:
            return RawResponse(-1, {}, b"")  # no test accepts this status
        finally:
            writer.close()

    async def get(self, path: str, cookie: str = "", **headers: str) -> RawResponse:
        return await self.send(MaliciousRequest("", "GET", path, headers), cookie)

    async def new_cookie(self) -> str:
        return (await self.get("/")).headers["set-cookie"].split(";")[0]


def _bytes_of(request: MaliciousRequest, own: str, cookie: str) -> bytes:
    headers = {"Host": own} | ({"Cookie": cookie} if cookie else {})
    if request.chunked:
        headers["Transfer-Encoding"] = "chunked"
    elif request.body or request.method == "POST":
        headers["Content-Length"] = str(len(request.body))
    headers |= request.headers
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    body = request.body
    if request.chunked:
        parts = [body[at : at + 9_000] for at in range(0, len(body), 9_000)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (*parts, b""))
    return f"{request.method} {request.path} HTTP/1.1\r\n{head}\r\n".encode() + body


async def _read_response(reader: asyncio.StreamReader, *, has_body: bool) -> RawResponse:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").rstrip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    status, body = int(first.split()[1]), b""
    if has_body and "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    elif has_body and status != 204:  # to the last chunk, or until the page closes the connection
        while not body.endswith(b"0\r\n\r\n") and (piece := await reader.read(2**16)):
            body += piece
    return RawResponse(status, headers, body)


@asynccontextmanager
async def open_page(folder: Path) -> AsyncIterator[tuple[WebChat, RawClient]]:
    async with open_harness(folder, default_lora="sugar") as harness:
        monitor = Monitor(lambda: Snapshot(HostState.READY), harness.store.respond)
        card = CardPanel("CPU", 1, 1, 2)
        chat = WebChat(harness.desk, card=lambda: card, monitor=monitor, host="127.0.0.1", port=0)
        harness.chat = chat
        async with harness.running():
            await chat.open()
            try:
                yield chat, RawClient(chat.url.removeprefix("http://").rstrip("/"))
            finally:
                await chat.close()


async def test_a_file_that_is_no_picture_or_too_large_is_refused_in_words_about_files(tmp_path: Path) -> None:
    sent = {
        "text/plain": (b"x", 415, b"no PNG, WebP or JPEG"),
        "image/png": (bytes(MAX_PICTURE_BYTES + 1), 413, b"This file is too large"),
    }
    async with open_page(tmp_path) as (_, client):
        cookie = await client.new_cookie()
        for kind, (body, status, said) in sent.items():
            answer = await client.send(
                MaliciousRequest("", "POST", "/info", {"Content-Type": kind}, body), cookie
            )
            assert (answer.status, said in answer.body) == (status, True), answer.body


@pytest.mark.parametrize("length", [4_001, 64_000, 70_000])
@pytest.mark.parametrize(
    ("language", "said"), [("en", "too long. Write at most 4000 characters."), ("zh-CN", "最多 4000 个字")]
)
async def test_a_text_that_is_too_long_is_answered_with_how_long_it_may_be(
    language: str, said: str, length: int, tmp_path: Path
) -> None:
    body = json.dumps({"text": "x" * length}).encode()
    async with open_page(tmp_path) as (_, client):
        page = await client.get("/", **{"Accept-Language": language})
        cookie = page.headers["set-cookie"].split(";")[0]
        request = MaliciousRequest("", "POST", "/say", {"Content-Type": "application/json"}, body)
        answer = await client.send(request, cookie)
    assert answer.status == 413
    assert said in answer.body.decode()


async def test_no_malicious_request_gets_a_file_an_internal_error_or_a_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET)
    async with open_page(tmp_path) as (chat, client):
        cookie = await client.new_cookie()
        requests = list(malicious_requests(str(secret), client.own))
        wrong = []
        for request in requests:
            answer = await client.send(request, cookie)
            about = (request.name, request.method, request.path[:80], request.headers, answer.status)
            if answer.status not in request.wanted or SECRET.encode() in answer.body:
                wrong.append(about)
            if any(name.startswith("access-control") for name in answer.headers):
                wrong.append(("CORS", *about))
        conversation = await client.get("/", cookie)

        assert wrong == []
        assert len(requests) >= 200
        assert SECRET.encode() not in conversation.body
        assert len(chat._sessions) == 1
    assert caplog.records == []
    assert "Traceback" not in "".join(capsys.readouterr())


async def test_the_secret_of_the_malicious_requests_would_be_found(tmp_path: Path) -> None:
    async with open_page(tmp_path) as (_, client):
        cookie = await client.new_cookie()
        message = b'{"text": "/quota ' + SECRET.encode() + b'"}'
        await client.send(
            MaliciousRequest("", "POST", "/say", {"Content-Type": "application/json"}, message), cookie
        )

        assert SECRET.encode() in (await client.get("/", cookie)).body


def test_the_routes_are_exactly_the_documented_ones() -> None:
    desk = ScriptedDesk(lambda *_: None)  # type: ignore[arg-type, return-value]
    card, logins = lambda: CardPanel("CPU", 1, 1, 2), OperatorLogins(lambda: None)
    client = DeskClient(desk)
    pages = PageRoutes(Sessions(), client, card, "cookie", logins)
    operator = OperatorRoutes(pages, logins, client, OperatorSources(), card)
    monitor = Monitor(lambda: Snapshot(HostState.READY), lambda: asyncio.sleep(0))

    routes = create_app(pages, [*operator.routes(), *monitoring_routes(monitor)]).routes

    found = {(method, route.path) for route in routes for method in (route.methods or ()) if method != "HEAD"}  # type: ignore[attr-defined]
    assert found == ROUTES
    assert len(routes) == len(ROUTES)


async def test_every_answer_carries_the_headers_that_protect_it(tmp_path: Path) -> None:
    async with open_page(tmp_path) as (_, client):
        cookie = await client.new_cookie()
        for path in ("/", "/page.js", "/nothing", "/say", "/pictures/a/0.png"):
            answer = await client.get(path, cookie)
            assert "default-src 'none'" in answer.headers["content-security-policy"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["x-frame-options"] == "DENY"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cache-control"] == ("no-cache" if path == "/page.js" else "no-store")
            assert "server" not in answer.headers
        cookie = (await client.get("/")).headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()


async def test_a_thousand_sessions_leave_a_limited_number_in_memory(tmp_path: Path) -> None:
    earlier = live_conversations()  # of other tests in this process
    async with open_page(tmp_path) as (chat, client):
        for _ in range(1_000):
            assert (await client.get("/")).status == 200

        gc.collect()
        assert len(chat._sessions) <= MAX_SESSIONS
        assert (
            len([one for one in live_conversations() if not any(one is other for other in earlier)])
            <= MAX_SESSIONS
        )
        assert not [task for task in asyncio.all_tasks() if "stream_events" in repr(task)]


def live_conversations() -> list[Conversation]:
    return [one for one in gc.get_objects() if type(one) is Conversation and not one.is_released]


async def test_many_new_sessions_do_not_release_an_open_one(tmp_path: Path) -> None:
    async with open_page(tmp_path) as (_, client):
        cookie = await client.new_cookie()
        message = MaliciousRequest(
            "", "POST", "/say", {"Content-Type": "application/json"}, b'{"text": "/quota"}'
        )
        await client.send(message, cookie)
        async with open_stream(client, cookie):
            for _ in range(MAX_SESSIONS + 10):
                await client.get("/")

            assert b"/quota" in (await client.get("/", cookie)).body


@asynccontextmanager
async def open_stream(client: RawClient, cookie: str) -> AsyncIterator[int]:
    """Open a stream of events; yield the status."""
    host, port = client.own.rsplit(":", 1)
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(_bytes_of(MaliciousRequest("", "GET", "/events"), client.own, cookie))
        async with asyncio.timeout(30):
            yield int((await reader.readline()).split()[1])
    finally:
        writer.close()


async def test_streams_are_limited_and_an_ended_one_frees_a_slot(tmp_path: Path) -> None:
    async with open_page(tmp_path) as (chat, client):
        cookie = await client.new_cookie()
        (session,) = chat._sessions._sessions.values()
        streams = [open_stream(client, cookie) for _ in range(MAX_STREAMS_PER_SESSION)]
        for stream in streams:
            assert await stream.__aenter__() == 200

        async with open_stream(client, cookie) as status:
            assert status == 429
        for stream in streams:
            await stream.__aexit__(None, None, None)
        await until(lambda: session.streams == 0)

        async with open_stream(client, cookie) as status:
            assert status == 200


async def test_a_request_without_a_session_does_nothing(tmp_path: Path) -> None:
    async with open_page(tmp_path) as (chat, client):
        message = MaliciousRequest(
            "", "POST", "/say", {"Content-Type": "application/json"}, b'{"text": "a face"}'
        )

        for cookie in ("", "other=1", f"sugarbot_{client.own.rsplit(':', 1)[1]}=short"):
            assert (await client.send(message, cookie)).status == 403
            assert (await client.get("/events", cookie)).status == 403

        assert len(chat._sessions) == 0


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
@pytest.mark.parametrize("pieces", [1, 5])
async def test_an_address_that_is_too_long_is_called_so(
    locale: str, pieces: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if pieces > 1:  # the page's server gets this much at a time
        monkeypatch.setattr("asyncio.selector_events._SelectorTransport.max_size", 17_000 // pieces)
    async with open_page(tmp_path) as (_, client):
        answer = await client.get("/?" + "x" * 17_000, **{"Accept-Language": locale})
    assert (answer.status, answer.body.decode()) == (431, page_text("head_too_large", locale))


async def test_a_refusal_is_in_the_language_chosen_on_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_page(tmp_path) as (chat, client):
        cookie = await client.new_cookie()
        chosen = MaliciousRequest(
            "", "POST", "/language", {"Content-Type": "application/json"}, b'{"locale": "zh-CN"}'
        )
        assert (await client.send(chosen, cookie)).status == 204

        for known, locale in (
            (cookie, "zh-CN"),
            ("", "en"),
            (cookie[:-1] + "~", "en"),
            (cookie[:-9] + 9 * "x", "en"),
        ):
            answer = await client.get("/nothing", known)
            assert (answer.status, answer.body.decode()) == (404, page_text("not_found", locale))
        assert len(chat._sessions) == 1  # a refusal begins none

        monkeypatch.setattr(DeskClient, "loras", lambda *_: 1 / 0)
        answer = await client.get("/", cookie)
        assert (answer.status, answer.body.decode()) == (500, format_error(SugarbotError(), "zh-CN"))


async def test_a_link_of_another_site_begins_no_session(tmp_path: Path) -> None:
    async with open_page(tmp_path) as (chat, client):
        context = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}

        answer = await client.get("/", **context)

        assert answer.status == 200
        assert b'http-equiv="refresh"' in answer.body
        assert "set-cookie" not in answer.headers
        assert len(chat._sessions) == 0


async def test_a_connection_with_an_incomplete_request_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.chats.web.server.HEAD_TIMEOUT_S", 0.2)
    monkeypatch.setattr("bot.chats.web.request_bodies.BODY_TIMEOUT_S", 0.2)
    async with open_page(tmp_path) as (_, client):
        cookie = await client.new_cookie()
        host, port = client.own.rsplit(":", 1)
        for sent in (b"", b"GET / HTT", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(sent)
            async with asyncio.timeout(30):
                assert await reader.read() == b""
            writer.close()

        slow = {"Content-Type": "application/json", "Content-Length": "100"}
        answer = await client.send(MaliciousRequest("", "POST", "/say", slow, b'{"text": '), cookie)

        assert answer.status == 408
