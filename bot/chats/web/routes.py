"""The routes of the page; there are no others.

    GET  /                           the page; the only answer that begins a session
    GET  /page.css /page.js /icon.svg /strip.png    four files, read once at the start
    GET  /events                     server-sent events of the session
    GET  /pictures/{job_id}/{name}   a picture that the session's conversation shows
    POST /say /press /language       JSON; 204, and the answer comes as an event

No path or name that a browser sends ever reaches the file system.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bot.chats.web.body import read_body
from bot.chats.web.card import CardView
from bot.chats.web.conversation import Conversation
from bot.chats.web.events import follow
from bot.chats.web.guard import is_link_from_elsewhere
from bot.chats.web.incoming import LanguageBody, PressBody, SayBody
from bot.chats.web.sessions import Session, Sessions, TooManyStreams, is_secret, new_secret
from bot.chats.web.talks import Talks, language_of
from bot.chats.web.view import card_html, gate_html, page_html, title_of
from bot.errors import SugarbotError
from bot.messages import explain
from bot.messages.page import page
from bot.outcomes import PictureFile

STATIC = {
    "/page.css": "text/css",
    "/page.js": "text/javascript",
    "/icon.svg": "image/svg+xml",
    "/strip.png": "image/png",
}
COOKIE_DAYS = 30
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

_PICTURE = re.compile(r"([0-9]{1,2})\.png")


class Pages:
    """Answers the requests of the page.

    Args:
        card: Reads the card and its queue from memory.
        cookie: Its name; the port is part of it, because browsers share cookies between ports.
    """

    def __init__(self, sessions: Sessions, talks: Talks, card: Callable[[], CardView], cookie: str) -> None:
        self._sessions = sessions
        self._talks = talks
        self._card = card
        self._cookie = cookie

    def routes(self) -> list[Route]:
        """Every route there is."""
        return [
            Route("/", self._page, methods=["GET"]),
            *(Route(path, _static(path), methods=["GET"]) for path in STATIC),
            Route("/events", self._events, methods=["GET"]),
            Route("/pictures/{job_id}/{name}", self._picture, methods=["GET"]),
            Route("/say", self._say, methods=["POST"]),
            Route("/press", self._press, methods=["POST"]),
            Route("/language", self._language, methods=["POST"]),
        ]

    async def _page(self, request: Request) -> Response:
        if is_link_from_elsewhere(request.headers):
            return HTMLResponse(gate_html(_locale_of(request)))
        secret = self._secret_of(request) or new_secret()
        talk = (await self._session(request, secret)).conversation
        answer = HTMLResponse(page_html(talk, await self._panel(talk), self._talks.loras(talk.locale)))
        answer.set_cookie(
            self._cookie, secret, max_age=COOKIE_DAYS * 86_400, path="/", httponly=True, samesite="strict"
        )
        return answer

    async def _events(self, request: Request) -> Response:
        session = await self._session(request, self._secret_of(request))
        return _Events(follow(session.conversation, self._panel), lambda: self._sessions.stream(session))

    async def _picture(self, request: Request) -> Response:
        talk = (await self._session(request, self._secret_of(request))).conversation
        job_id, name = request.path_params["job_id"], _PICTURE.fullmatch(request.path_params["name"])
        found = talk.picture(job_id, int(name[1])) if name else None
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

    async def _say(self, request: Request) -> Response:
        talk = (await self._session(request, self._secret_of(request))).conversation
        body = await read_body(request, SayBody)
        await self._talks.say(talk, body.text, body.wishes)
        return Response(status_code=204)

    async def _press(self, request: Request) -> Response:
        talk = (await self._session(request, self._secret_of(request))).conversation
        body = await read_body(request, PressBody)
        await self._talks.press(talk, body.press)
        return Response(status_code=204)

    async def _language(self, request: Request) -> Response:
        talk = (await self._session(request, self._secret_of(request))).conversation
        talk.locale = (await read_body(request, LanguageBody)).locale
        return Response(status_code=204)

    async def _session(self, request: Request, secret: str | None) -> Session:
        """The session of a request; one of an earlier run begins with the person's newest jobs."""
        if secret is None:
            raise HTTPException(403)
        session, is_new = self._sessions.open(secret, _locale_of(request))
        if is_new and self._secret_of(request):
            await self._talks.recall(session.conversation)
        return session

    def _secret_of(self, request: Request) -> str | None:
        secret = request.cookies.get(self._cookie, "")
        return secret if is_secret(secret) else None

    async def _panel(self, talk: Conversation) -> str:
        card = self._card()
        try:
            lora = await self._talks.default_lora(talk)
            title = title_of(lora, talk.locale) if lora else ""
        except SugarbotError:
            title = card.default_lora
        return card_html(card, title, talk.locale)


class _Events(StreamingResponse):
    """A stream of events that counts as one from its first byte until its tab is gone."""

    def __init__(
        self, events: AsyncIterator[str], counting: Callable[[], AbstractContextManager[None]]
    ) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._counting = counting

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until either side ends; 429 where there are too many streams."""
        try:
            with self._counting():
                await super().__call__(scope, receive, send)
        except TooManyStreams:
            raise HTTPException(429) from None


def make_app(pages: Pages) -> Starlette:
    """The application without its guard."""
    app = Starlette(routes=pages.routes(), exception_handlers={HTTPException: _refuse, Exception: _fail})
    app.router.redirect_slashes = False
    return app


def _static(path: str) -> Callable[[Request], Awaitable[Response]]:
    content = Path(__file__).with_name(path.removeprefix("/")).read_bytes()

    async def answer(_: Request) -> Response:
        return Response(content, media_type=STATIC[path], headers={"Cache-Control": "no-cache"})

    return answer


def _refuse(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    return PlainTextResponse(page(REFUSALS[error.status_code], _locale_of(request)), error.status_code)


def _fail(request: Request, _: Exception) -> Response:
    return PlainTextResponse(explain(SugarbotError(), _locale_of(request)), 500)


def _locale_of(request: Request) -> str:
    return language_of(request.headers.get("accept-language", ""))
