"""The routes of the operator tab; ``bot.chats.web.routes`` lists them among all routes of the page.

Each needs the browser's session, and all but the tab itself and the login a login of this session. Without a
password in the settings nobody can log in, and the tab says how to set one.
"""

import asyncio
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bot.chats.web.conversation import Conversation
from bot.chats.web.desk_client import DeskClient
from bot.chats.web.middleware import is_link_from_elsewhere
from bot.chats.web.operator.actions import ActionBody, command_of
from bot.chats.web.operator.logins import OperatorLogins, TooManyTries, WrongPassword
from bot.chats.web.operator.rendering import (
    TABS,
    render_audit,
    render_charts,
    render_errors,
    render_log,
    render_login,
    render_loras,
    render_no_password,
    render_people,
    render_queue,
    render_refusal,
    render_status,
    render_tab,
)
from bot.chats.web.operator.sources import OperatorSources
from bot.chats.web.operator.stream import EVERY_S, SLOWLY_S, stream_parts
from bot.chats.web.panel import CardPanel
from bot.chats.web.rendering import render_redirect
from bot.chats.web.request_bodies import StrictBody, read_body, replace_control_characters
from bot.chats.web.routes import EventResponse, PageRoutes, head_of, static_file
from bot.commands.reading import MAX_PAGE
from bot.commands.values import (
    Command,
    ListHostActions,
    ListPeople,
    LoraInfo,
    LoraList,
    ShowQueue,
    ShowStatus,
)
from bot.errors import SugarbotError
from bot.messages import format_error, format_outcome
from bot.messages.operator import tab_text
from bot.outcomes import LoraDetails
from engine.shelf.names import MAX_NAME

MAX_PASSWORD_CHARS = 200
MAX_SEARCH_CHARS = 64
MAX_PREVIEWS = 2  # that are drawn or read at the same time

_PAGE = re.compile(r"[1-9][0-9]{0,3}")


class LoginBody(StrictBody):
    """The password that a person typed."""

    password: Annotated[str, Field(max_length=MAX_PASSWORD_CHARS)]


class EmptyBody(StrictBody):
    """Nothing: the route says it all."""


class OperatorRoutes:
    """Handles the requests of the operator tab.

    Args:
        pages: Knows the sessions.
        logins: Knows who has logged in.
        desk_client: Asks the desk.
        sources: What the tab reads from memory.
        card: Reads the card and its queue from memory.
    """

    def __init__(
        self,
        pages: PageRoutes,
        logins: OperatorLogins,
        desk_client: DeskClient,
        sources: OperatorSources,
        card: Callable[[], CardPanel],
    ) -> None:
        self._pages = pages
        self._desk_client = desk_client
        self._drawing = asyncio.Semaphore(MAX_PREVIEWS)
        self._logins = logins
        self._sources = sources
        self._card = card

    def routes(self) -> list[Route]:
        """All routes of the tab."""
        return [
            Route("/operator", self._tab, methods=["GET"]),
            Route("/operator.css", static_file("operator/operator.css", "text/css"), methods=["GET"]),
            Route("/operator.js", static_file("operator/operator.js", "text/javascript"), methods=["GET"]),
            Route("/operator/events", self._events, methods=["GET"]),
            Route("/operator/preview", self._preview, methods=["GET"]),
            Route("/operator/login", self._log_in, methods=["POST"]),
            Route("/operator/logout", self._log_out, methods=["POST"]),
            Route("/operator/act", self._act, methods=["POST"]),
        ]

    async def _tab(self, request: Request) -> Response:
        pages = self._pages
        if is_link_from_elsewhere(request.headers):
            return HTMLResponse(render_redirect(pages.locale_of(request), "/operator"))
        if request.method == "HEAD":
            return head_of("text/html")
        session, secret = await pages.begin(request)
        locale = session.conversation.locale
        if not self._logins.has_password:
            answer = HTMLResponse(render_no_password(locale))
        elif not pages.is_operator(request):
            answer = HTMLResponse(render_login(locale))
        else:
            place = _place_of(request)
            parts = await self._parts(place, session.conversation)
            answer = HTMLResponse(render_tab(place.tab, place.page, place.search, parts, locale))
        pages.keep_secret(answer, secret)
        return answer

    async def _events(self, request: Request) -> Response:
        session, place = await self._pages.session(request), _place_of(request)
        if not self._pages.is_operator(request, is_used=False):
            return _not_logged_in(session.conversation.locale)
        return EventResponse(
            stream_parts(
                partial(self._parts, place, session.conversation),
                lambda: self._pages.is_operator(request, is_used=False),
                EVERY_S if place.tab == "overview" else SLOWLY_S,
            ),
            lambda: self._pages.count_stream(session),
        )

    async def _log_in(self, request: Request) -> Response:
        session = await self._pages.session(request)
        body = await read_body(request, LoginBody)
        conversation = session.conversation
        try:
            secret = await self._logins.log_in(conversation.chat_id, body.password)
        except WrongPassword:
            return PlainTextResponse(tab_text("wrong_password", conversation.locale), 403)
        except TooManyTries as error:
            wait_s = math.ceil(error.wait_s)
            sentence = tab_text("too_many_tries", conversation.locale, seconds=wait_s)
            return PlainTextResponse(sentence, 429, {"Retry-After": str(wait_s)})
        answer = Response(status_code=204)
        self._pages.keep_login(answer, secret)
        return answer

    async def _log_out(self, request: Request) -> Response:
        session = await self._pages.session(request)
        await read_body(request, EmptyBody)
        if self._pages.is_operator(request):
            self._logins.log_out(session.conversation.chat_id)
        answer = Response(status_code=204)
        self._pages.keep_login(answer, "")
        return answer

    async def _act(self, request: Request) -> Response:
        """Carry out a command; the answer is its sentence, and whether it is a refusal."""
        session = await self._pages.session(request)
        body, locale = await read_body(request, ActionBody), session.conversation.locale
        if not self._pages.is_operator(request):
            return _not_logged_in(locale)
        try:
            command = command_of(body)
            if command is None:
                raise HTTPException(422)
            outcome = await self._desk_client.ask(session.conversation, command)
        except SugarbotError as error:
            return JSONResponse({"said": format_error(error, locale), "is_refusal": True})
        return JSONResponse({"said": format_outcome(outcome, locale), "is_refusal": False})

    async def _preview(self, request: Request) -> Response:
        session = await self._pages.session(request)
        if not self._pages.is_operator(request, is_used=False):
            return _not_logged_in(session.conversation.locale)
        name = request.query_params.get("lora", "")
        try:
            async with self._drawing:  # a tab asks for one after the other
                details = await self._desk_client.ask(session.conversation, LoraInfo(name[: MAX_NAME + 1]))
        except SugarbotError as error:
            raise HTTPException(404) from error
        if not isinstance(details, LoraDetails) or not details.strip:
            raise HTTPException(404)
        return Response(details.strip, media_type="image/png")

    async def _parts(self, place: "_Place", conversation: Conversation) -> Mapping[str, str]:
        """Return the parts of a tab as HTML, by name."""
        locale, sources = conversation.locale, self._sources
        if place.tab == "log":
            return {"log": await asyncio.to_thread(render_log, sources.log.events(), locale)}
        if place.tab == "people":
            wanted = ListPeople(place.search, place.page)
            return {"people": await self._render(conversation, wanted, render_people)}
        if place.tab == "audit":
            return {"audit": await self._render(conversation, ListHostActions(place.page), render_audit)}
        if place.tab == "loras":
            return {"loras": await self._render(conversation, LoraList(page=place.page), render_loras)}
        return {
            "status": await self._render(conversation, ShowStatus(), partial(render_status, self._card())),
            "queue": await self._render(conversation, ShowQueue(), render_queue),
            "charts": await asyncio.to_thread(render_charts, sources.readings(), locale),
            "errors": render_errors(sources.worker_errors(), sources.log.events(), locale),
        }

    async def _render(
        self, conversation: Conversation, command: Command, render: Callable[[Any, str], str]
    ) -> str:
        """Ask the desk and render its answer or its refusal."""
        try:
            outcome = await self._desk_client.ask(conversation, command)
        except SugarbotError as error:
            return render_refusal(error, conversation.locale)
        return render(outcome, conversation.locale)


def _not_logged_in(locale: str) -> PlainTextResponse:
    return PlainTextResponse(tab_text("not_logged_in", locale), 403)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the tab somebody is."""

    tab: str
    page: int
    search: str


def _place_of(request: Request) -> _Place:
    """Return the tab and the page that the address names, the first ones without names.

    Raises:
        HTTPException: 404, there is no such tab or page.
    """
    tab, page = request.query_params.get("tab", TABS[0]), request.query_params.get("page", "1")
    if tab not in TABS or not _PAGE.fullmatch(page) or int(page) > MAX_PAGE:
        raise HTTPException(404)
    search = replace_control_characters(request.query_params.get("search", ""))
    return _Place(tab, int(page), search.strip()[:MAX_SEARCH_CHARS])
