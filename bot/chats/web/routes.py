"""All routes of the page.

    GET  /                           the page; starts a session
    GET  /page.css /page.js /live.js /icon.svg /strip.png    five files, read once at the start
    GET  /events                     server-sent events of the session
    GET  /pictures/{job_id}/{name}   a picture of the session's conversation
    GET  /charts/{name}              a picture that belongs to an answer in it
    GET  /exports/{name}             a ZIP file that belongs to an answer in it
    POST /say /press /language       JSON; status 204, the answer follows as an event
    POST /info                       a picture file, whose settings are read; answered in the same way
    GET  /operator                   the operator tab, its login, or how to set its password; starts a session
    GET  /operator.css /operator.js  two files, read once at the start
    GET  /operator/events            server-sent events of one tab; needs the login
    GET  /operator/preview           the preview of one LoRA, a PNG; needs the login
    POST /operator/login             JSON with the password; five wrong ones a minute over all sessions
    POST /operator/logout            JSON, empty; ends the login
    POST /operator/act               JSON; a command of the operator and its answer; needs the login
    GET  /livez /readyz              200 or 503: whether the bot lives, and whether it can draw
    GET  /metrics                    the figures for Prometheus

The last two rows and the files need no session: programs of this machine ask for them. Where GET is answered,
HEAD is, too, and changes nothing.

No path or name of a request ever reaches the file system.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import structlog
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
from bot.chats.web.operator.logins import OperatorLogins
from bot.chats.web.panel import CardPanel
from bot.chats.web.rendering import lora_title, render_page, render_panel, render_redirect
from bot.chats.web.request_bodies import (
    MAX_TEXT_CHARS,
    LanguageBody,
    PressBody,
    SayBody,
    read_body,
    read_picture,
)
from bot.chats.web.sessions import (
    Session,
    Sessions,
    TooManyStreams,
    chat_id_of,
    is_secret,
    new_secret,
)
from bot.errors import PicturesDamaged, SugarbotError
from bot.messages import format_error
from bot.messages.page import page_text
from bot.monitoring.monitor import Monitor
from bot.outcomes import PictureFile
from engine.durable import read_whole

STATIC = {
    "/page.css": "text/css",
    "/page.js": "text/javascript",
    "/live.js": "text/javascript",
    "/icon.svg": "image/svg+xml",
    "/strip.png": "image/png",
}
log = structlog.get_logger(__name__)

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
        logins: Knows who has logged in as the operator.
    """

    def __init__(
        self,
        sessions: Sessions,
        desk_client: DeskClient,
        card: Callable[[], CardPanel],
        cookie: str,
        logins: OperatorLogins,
    ) -> None:
        self._sessions = sessions
        self._desk_client = desk_client
        self._card = card
        self._cookie = cookie
        self._logins = logins
        self._uploads = asyncio.Semaphore(MAX_UPLOADS)

    def routes(self) -> list[Route]:
        """All routes."""
        return [
            Route("/", self._page, methods=["GET"]),
            *(
                Route(path, static_file(path.removeprefix("/"), kind), methods=["GET"])
                for path, kind in STATIC.items()
            ),
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
        locale, cause = self.locale_of(request), error.__cause__
        if isinstance(cause, SugarbotError):
            return PlainTextResponse(format_error(cause, locale), error.status_code)
        sentence = page_text(REFUSALS[error.status_code], locale, limit=MAX_TEXT_CHARS)
        return PlainTextResponse(sentence, error.status_code)

    async def fail(self, request: Request, _: Exception) -> Response:
        """Answer a request that a bug ended."""
        return PlainTextResponse(format_error(SugarbotError(), self.locale_of(request)), 500)

    async def _page(self, request: Request) -> Response:
        if is_link_from_elsewhere(request.headers):
            return HTMLResponse(render_redirect(self.locale_of(request)))
        if request.method == "HEAD":
            return head_of("text/html")
        session, secret = await self.begin(request)
        conversation = session.conversation
        answer = HTMLResponse(
            render_page(conversation, await self._panel(conversation), self._desk_client.loras(conversation))
        )
        self.keep_secret(answer, secret)
        return answer

    async def _events(self, request: Request) -> Response:
        session = await self.session(request)
        return EventResponse(
            stream_events(session.conversation, self._panel), lambda: self.count_stream(session)
        )

    async def _picture(self, request: Request) -> Response:
        conversation = (await self.session(request)).conversation
        job_id, name = request.path_params["job_id"], _PICTURE.fullmatch(request.path_params["name"])
        found = conversation.picture(job_id, int(name[1])) if name else None
        if found is None:
            raise HTTPException(404)
        if not isinstance(found, PictureFile):
            return Response(found.png, media_type="image/png")
        try:
            png = await asyncio.to_thread(read_whole, found.path, found.sha256)
        except OSError:
            raise HTTPException(404) from None
        if png is None:
            log.error("picture damaged on the disk", job_id=job_id, index=found.index)
            raise HTTPException(410) from PicturesDamaged(job_id=job_id)
        disposition = f'inline; filename="sugarbot-{job_id}-{found.index + 1}.png"'
        return Response(png, media_type="image/png", headers={"Content-Disposition": disposition})

    async def _chart(self, request: Request) -> Response:
        conversation = (await self.session(request)).conversation
        name = _CHART.fullmatch(request.path_params["name"])
        png = conversation.chart(int(name[1])) if name else None
        if png is None:
            raise HTTPException(404)
        return Response(png, media_type="image/png")

    async def _export(self, request: Request) -> Response:
        conversation = (await self.session(request)).conversation
        path = conversation.export(request.path_params["name"])
        if path is None or not await asyncio.to_thread(path.is_file):
            raise HTTPException(404)
        return FileResponse(path, media_type="application/zip", filename=path.name)

    async def _say(self, request: Request) -> Response:
        conversation = (await self.session(request)).conversation
        body = await read_body(request, SayBody)
        await self._desk_client.say(
            conversation, body.text, body.options, body.edits, is_operator=self.is_operator(request)
        )
        return Response(status_code=204)

    async def _press(self, request: Request) -> Response:
        conversation = (await self.session(request)).conversation
        body = await read_body(request, PressBody)
        await self._desk_client.press(conversation, body.press, is_operator=self.is_operator(request))
        return Response(status_code=204)

    async def _language(self, request: Request) -> Response:
        conversation = (await self.session(request)).conversation
        locale = (await read_body(request, LanguageBody)).locale
        conversation.chosen_locale = conversation.locale = locale
        return Response(status_code=204)

    async def _info(self, request: Request) -> Response:
        conversation = (await self.session(request)).conversation
        async with self._uploads:
            content = await read_picture(request)
        await self._desk_client.read_settings(conversation, content)
        return Response(status_code=204)

    async def begin(self, request: Request) -> tuple[Session, str]:
        """Return the session of a request and its secret, both new if the browser has none."""
        secret = self._secret_of(request) or new_secret()
        return await self._open(request, secret), secret

    async def session(self, request: Request) -> Session:
        """Return the session of a request; a HEAD changes none and opens none.

        Raises:
            HTTPException: 403, the browser has none.
        """
        secret = self._secret_of(request)
        if secret is None:
            raise HTTPException(403)
        if request.method == "HEAD":
            return self._sessions.look(secret, self.locale_of(request))
        return await self._open(request, secret)

    def is_operator(self, request: Request, *, is_used: bool = True) -> bool:
        """Whether this browser has logged in as the operator.

        Args:
            request: With both cookies.
            is_used: The person does something; see ``OperatorLogins.is_logged_in``.
        """
        secret, login = self._secret_of(request), request.cookies.get(self._login_cookie, "")
        return secret is not None and self._logins.is_logged_in(chat_id_of(secret), login, is_used=is_used)

    def keep_secret(self, answer: Response, secret: str) -> None:
        """Let the browser keep the secret of its session."""
        self._set_cookie(answer, self._cookie, secret, COOKIE_DAYS * 86_400)

    def keep_login(self, answer: Response, secret: str) -> None:
        """Let the browser keep the secret of its login until it is closed; an empty one deletes it."""
        self._set_cookie(answer, self._login_cookie, secret, None if secret else 0)

    def count_stream(self, session: Session) -> AbstractContextManager[None]:
        """Count an event stream of this session while the block runs."""
        return self._sessions.stream(session)

    @property
    def _login_cookie(self) -> str:
        return f"{self._cookie}_operator"

    def _set_cookie(self, answer: Response, name: str, value: str, max_age_s: int | None) -> None:
        answer.set_cookie(name, value, max_age=max_age_s, path="/", httponly=True, samesite="strict")

    async def _open(self, request: Request, secret: str) -> Session:
        """Open a session; one of an earlier run starts with the person's newest jobs."""
        session, is_new = self._sessions.open(secret, self.locale_of(request))
        if is_new:
            self._desk_client.follow_settings(session.conversation)
        if is_new and self._secret_of(request):
            await self._desk_client.restore_history(session.conversation)
        return session

    def _secret_of(self, request: Request) -> str | None:
        secret = request.cookies.get(self._cookie, "")
        return secret if is_secret(secret) else None

    def locale_of(self, request: Request) -> str:
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


def head_of(media_type: str) -> Response:
    """Return the answer to a HEAD whose GET would open something; its length is not known."""
    answer = Response(media_type=media_type)
    del answer.headers["Content-Length"]
    return answer


class EventResponse(StreamingResponse):
    """A stream of events that counts towards the limit while it is open."""

    def __init__(
        self, events: AsyncIterator[str], counting: Callable[[], AbstractContextManager[None]]
    ) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._counting = counting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until either side closes the stream; 429 if there are too many streams."""
        if scope["method"] == "HEAD":
            await head_of("text/event-stream")(scope, receive, send)
            return
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


def static_file(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers with a file of this package, which is read now."""
    content = (Path(__file__).parent / name).read_bytes()

    async def answer(_: Request) -> Response:
        return Response(content, media_type=media_type, headers={"Cache-Control": "no-cache"})

    return answer
