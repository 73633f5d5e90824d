"""All routes of the page.

    GET  /                           the page; the only route that starts a session
    GET  /page.css /page.js /icon.svg /strip.png    four files, read once at the start
    GET  /events                     server-sent events of the session
    GET  /pictures/{job_id}/{name}   a picture of the session's conversation
    GET  /charts/{name}              a picture that belongs to an answer in it
    GET  /exports/{name}             a ZIP file that belongs to an answer in it
    POST /say /press /language       JSON; status 204, the answer follows as an event
    POST /info                       a picture file, whose settings are read; answered in the same way
    GET  /livez /readyz              200 or 503: whether the bot lives, and whether it can draw
    GET  /metrics                    the figures for Prometheus

The last two rows need no session: programs of this machine ask for them.

No path or name of a request ever reaches the file system.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bot.chats.web.conversation import Conversation
from bot.chats.web.desk_client import DeskClient, preferred_locale
from bot.chats.web.event_stream import stream_events
from bot.chats.web.middleware import is_link_from_elsewhere
from bot.chats.web.panel import CardPanel
from bot.chats.web.rendering import lora_title, render_page, render_panel, render_redirect
from bot.chats.web.request_bodies import LanguageBody, PressBody, SayBody, read_body, read_picture
from bot.chats.web.sessions import Session, Sessions, TooManyStreams, is_secret, new_secret
from bot.errors import SugarbotError
from bot.messages import format_error
from bot.messages.page import page_text
from bot.monitoring.monitor import Monitor
from bot.outcomes import PictureFile

STATIC = {
    "/page.css": "text/css",
    "/page.js": "text/javascript",
    "/icon.svg": "image/svg+xml",
    "/strip.png": "image/png",
}
COOKIE_DAYS = 30
MAX_UPLOADS = 2  # pictures in memory that are still arriving
REFUSALS = {
    400: "malformed",
    403: "no_session",
    404: "not_found",
    405: "wrong_method",
    408: "too_slow",
    413: "too_large",
    415: "not_json",
    422: "malformed",
    429: "too_many_tabs",
}
"""Status → the sentence of ``bot.messages.page`` that is the answer's body."""

_CHART = re.compile(r"([0-9]{1,9})\.png")
_PICTURE = re.compile(r"([0-9]{1,2})\.png")


class PageRoutes:
    """Handles the requests of the page.

    Args:
        card: Reads the card and its queue from memory.
        cookie: The cookie's name; it contains the port, because browsers share cookies between ports.
    """

    def __init__(
        self, sessions: Sessions, desk_client: DeskClient, card: Callable[[], CardPanel], cookie: str
    ) -> None:
        self._sessions = sessions
        self._desk_client = desk_client
        self._card = card
        self._cookie = cookie
        self._uploads = asyncio.Semaphore(MAX_UPLOADS)

    def routes(self) -> list[Route]:
        """All routes."""
        return [
            Route("/", self._page, methods=["GET"]),
            *(Route(path, _static_file(path), methods=["GET"]) for path in STATIC),
            Route("/events", self._events, methods=["GET"]),
            Route("/pictures/{job_id}/{name}", self._picture, methods=["GET"]),
            Route("/charts/{name}", self._chart, methods=["GET"]),
            Route("/exports/{name}", self._export, methods=["GET"]),
            Route("/say", self._say, methods=["POST"]),
            Route("/press", self._press, methods=["POST"]),
            Route("/language", self._language, methods=["POST"]),
            Route("/info", self._info, methods=["POST"]),
        ]

    async def refuse(self, request: Request, error: Exception) -> Response:
        """Answer a request that a route refused, or that no route takes."""
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
        locale, cause = self._locale_of(request), error.__cause__
        if isinstance(cause, SugarbotError):
            return PlainTextResponse(format_error(cause, locale), error.status_code)
        return PlainTextResponse(page_text(REFUSALS[error.status_code], locale), error.status_code)

    async def fail(self, request: Request, _: Exception) -> Response:
        """Answer a request that a bug ended."""
        return PlainTextResponse(format_error(SugarbotError(), self._locale_of(request)), 500)

    async def _page(self, request: Request) -> Response:
        if is_link_from_elsewhere(request.headers):
            return HTMLResponse(render_redirect(self._locale_of(request)))
        secret = self._secret_of(request) or new_secret()
        conversation = (await self._session(request, secret)).conversation
        answer = HTMLResponse(
            render_page(conversation, await self._panel(conversation), self._desk_client.loras(conversation))
        )
        answer.set_cookie(
            self._cookie, secret, max_age=COOKIE_DAYS * 86_400, path="/", httponly=True, samesite="strict"
        )
        return answer

    async def _events(self, request: Request) -> Response:
        session = await self._session(request, self._secret_of(request))
        return _Events(
            stream_events(session.conversation, self._panel), lambda: self._sessions.stream(session)
        )

    async def _picture(self, request: Request) -> Response:
        conversation = (await self._session(request, self._secret_of(request))).conversation
        job_id, name = request.path_params["job_id"], _PICTURE.fullmatch(request.path_params["name"])
        found = conversation.picture(job_id, int(name[1])) if name else None
        if found is None:
            raise HTTPException(404)
        if not isinstance(found, PictureFile):
            return Response(found.png, media_type="image/png")
        if not await asyncio.to_thread(found.path.is_file):
            raise HTTPException(404)
        return FileResponse(
            found.path,
            media_type="image/png",
            filename=f"sugarbot-{job_id}-{found.index + 1}.png",
            content_disposition_type="inline",
        )

    async def _chart(self, request: Request) -> Response:
        conversation = (await self._session(request, self._secret_of(request))).conversation
        name = _CHART.fullmatch(request.path_params["name"])
        png = conversation.chart(int(name[1])) if name else None
        if png is None:
            raise HTTPException(404)
        return Response(png, media_type="image/png")

    async def _export(self, request: Request) -> Response:
        conversation = (await self._session(request, self._secret_of(request))).conversation
        path = conversation.export(request.path_params["name"])
        if path is None or not await asyncio.to_thread(path.is_file):
            raise HTTPException(404)
        return FileResponse(path, media_type="application/zip", filename=path.name)

    async def _say(self, request: Request) -> Response:
        conversation = (await self._session(request, self._secret_of(request))).conversation
        body = await read_body(request, SayBody)
        await self._desk_client.say(conversation, body.text, body.options, body.edits)
        return Response(status_code=204)

    async def _press(self, request: Request) -> Response:
        conversation = (await self._session(request, self._secret_of(request))).conversation
        body = await read_body(request, PressBody)
        await self._desk_client.press(conversation, body.press)
        return Response(status_code=204)

    async def _language(self, request: Request) -> Response:
        conversation = (await self._session(request, self._secret_of(request))).conversation
        conversation.locale = (await read_body(request, LanguageBody)).locale
        return Response(status_code=204)

    async def _info(self, request: Request) -> Response:
        conversation = (await self._session(request, self._secret_of(request))).conversation
        async with self._uploads:
            content = await read_picture(request)
        await self._desk_client.read_settings(conversation, content)
        return Response(status_code=204)

    async def _session(self, request: Request, secret: str | None) -> Session:
        """The session of a request; a session of an earlier run starts with the person's newest jobs."""
        if secret is None:
            raise HTTPException(403)
        session, is_new = self._sessions.open(secret, self._locale_of(request))
        if is_new and self._secret_of(request):
            await self._desk_client.restore_history(session.conversation)
        return session

    def _secret_of(self, request: Request) -> str | None:
        secret = request.cookies.get(self._cookie, "")
        return secret if is_secret(secret) else None

    def _locale_of(self, request: Request) -> str:
        """The language chosen on the page of this request, if it is open; else that of the browser."""
        secret = self._secret_of(request)
        conversation = self._sessions.find_by_secret(secret) if secret else None
        if conversation is not None:
            return conversation.locale
        return preferred_locale(request.headers.get("accept-language", ""))

    async def _panel(self, conversation: Conversation) -> str:
        card = self._card()
        try:
            lora = await self._desk_client.default_lora(conversation)
            title = lora_title(lora, conversation.locale) if lora else ""
        except SugarbotError:
            title = card.default_lora
        return render_panel(card, title, conversation.locale)


class _Events(StreamingResponse):
    """A stream of events that counts towards the limit while it is open."""

    def __init__(
        self, events: AsyncIterator[str], counting: Callable[[], AbstractContextManager[None]]
    ) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._counting = counting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until either side closes the stream; 429 if there are too many streams."""
        try:
            with self._counting():
                await super().__call__(scope, receive, send)
        except TooManyStreams:
            raise HTTPException(429) from None


def create_app(pages: PageRoutes, more: Sequence[Route] = ()) -> Starlette:
    """Create the application without its middleware."""
    app = Starlette(
        routes=[*pages.routes(), *more],
        exception_handlers={HTTPException: pages.refuse, Exception: pages.fail},
    )
    app.router.redirect_slashes = False
    return app


def monitoring_routes(monitor: Monitor) -> list[Route]:
    """The routes for programs that watch the bot."""

    async def livez(_: Request) -> Response:
        is_alive = await monitor.is_alive()
        return PlainTextResponse("alive\n" if is_alive else "not alive\n", 200 if is_alive else 503)

    async def readyz(_: Request) -> Response:
        readiness = monitor.readiness()
        return JSONResponse(readiness.facts, 200 if readiness.is_ready else 503)

    async def metrics(request: Request) -> Response:
        figures, content_type = await monitor.render_figures(request.headers.get("accept", ""))
        return Response(figures, headers={"Content-Type": content_type})

    return [
        Route("/livez", livez, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]


def _static_file(path: str) -> Callable[[Request], Awaitable[Response]]:
    content = Path(__file__).with_name(path.removeprefix("/")).read_bytes()

    async def answer(_: Request) -> Response:
        return Response(content, media_type=STATIC[path], headers={"Cache-Control": "no-cache"})

    return answer
