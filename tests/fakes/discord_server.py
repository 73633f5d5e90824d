"""A fake Discord on 127.0.0.1: the part of REST v10 that the bot needs, and a gateway.

It records what people would see (``messages``), all requests (``requests``), and, with a ``Schema``, every
request that violates Discord's own schema (``problems``). ``faults`` injects faults.
"""

import asyncio
import itertools
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from tests.fakes import discord_payloads as payloads
from tests.fakes.discord_gateway import FakeGateway, until
from tests.fakes.discord_http import PREFIX, Fault, Refused, Request, as_json, faulty, read_request
from tests.fakes.discord_schema import Schema

DISCORD_EPOCH_MS = 1_420_070_400_000
TOKEN = "a-bot-token"
ACKNOWLEDGE_S = 3.0
DEFERRED, PRESS_SEEN, MESSAGE, SUGGESTIONS = (5,), 6, 4, 8


@dataclass
class Interaction:
    """One interaction that a person started, and the bot's answer to it."""

    interaction_id: str
    token: str
    channel_id: str
    callbacks: list[dict[str, Any]] = field(default_factory=list)
    message_id: str = ""
    deleted: bool = False
    followups: list[str] = field(default_factory=list)
    expired: bool = False
    sent_s: float = field(default_factory=time.monotonic)
    acknowledged_s: float | None = None


class FakeDiscord:
    """``async with FakeDiscord(schema) as discord: …``; see ``api_base`` and ``gateway.url``."""

    def __init__(self, schema: Schema | None = None) -> None:
        self.schema = schema
        self.problems: list[str] = []
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.storm: Callable[[Request], Fault | None] | None = None  # used instead of ``faults``
        self.statuses: Counter[int] = Counter()
        self.messages: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.edits: dict[str, list[dict[str, Any]]] = {}
        self.commands: list[dict[str, Any]] = []
        self.interactions: dict[str, Interaction] = {}
        self.person_messages: dict[str, dict[str, Any]] = {}  # messages of people, as the gateway sent them
        self.before: Callable[[Request], Awaitable[None]] | None = (
            None  # called with each request before it …
        )
        self.after: Callable[[Request], Awaitable[None]] | None = None  # … and once it is carried out
        self.closed_channels: dict[str, tuple[int, int]] = {}
        self.gateway = FakeGateway(TOKEN, payloads.ready())
        self._events: dict[str, dict[str, Any]] = {}
        self._nonces: dict[tuple[str, str], str] = {}
        self._counter = itertools.count(1)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/gateway", self.gateway.serve)
        app.router.add_route("*", PREFIX + "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.api_base = f"http://127.0.0.1:{port}{PREFIX}"
        self.gateway.url = f"ws://127.0.0.1:{port}/gateway"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.gateway.close()
        await self._runner.cleanup()

    # What a person does.

    async def slash(self, name: str, options: dict[str, Any] | None = None, **where: Any) -> Interaction:
        """Run a slash command: ``slash("lora switch", {"name": "sugar"})``."""
        return await self._interact(payloads.APPLICATION_COMMAND, _command(name, options or {}), **where)

    async def suggest(self, name: str, option: str, typed: str, **where: Any) -> list[dict[str, Any]]:
        """Type into an option and return the suggestions."""
        data = _command(name, {option: typed}, focused=option)
        asked = await self._interact(payloads.AUTOCOMPLETE, data, **where)
        await until(lambda: asked.callbacks)
        choices: list[dict[str, Any]] = asked.callbacks[0]["data"]["choices"]
        return choices

    async def press(self, message_id: str, custom_id: str = "", **where: Any) -> Interaction:
        """Press a button of the message: the first one, unless ``custom_id`` names another."""
        message = self.messages[message_id]
        data = {"component_type": 2, "custom_id": custom_id or self.buttons(message_id)[0]["custom_id"]}
        return await self._interact(payloads.COMPONENT, data, message=message, **where)

    async def submit(self, custom_id: str, **where: Any) -> Interaction:
        """Submit a form."""
        data = {"custom_id": custom_id, "components": []}
        return await self._interact(payloads.FORM, data, **where)

    async def context_menu(self, name: str, **where: Any) -> Interaction:
        """Choose an entry of the context menu of a message."""
        target = self._snowflake()
        resolved = {"messages": {target: payloads.message(target, payloads.CHANNEL_ID)}}
        data = {
            "id": "900000000000000098",
            "name": name,
            "type": 3,
            "target_id": target,
            "resolved": resolved,
        }
        return await self._interact(payloads.APPLICATION_COMMAND, data, **where)

    async def send_message(
        self,
        content: str,
        *,
        user_id: str = payloads.MEMBER_ID,
        channel_id: str = payloads.CHANNEL_ID,
        in_guild: bool = True,
        **changed: Any,
    ) -> str:
        """Write a message, in the channel or directly to the bot; return its id."""
        where = channel_id if in_guild else self.direct_channel(user_id)
        message_id = self._snowflake()
        event = payloads.message_event(
            message_id, where, content, user_id=user_id, in_guild=in_guild, **changed
        )
        self.person_messages[message_id] = event
        await self.gateway.dispatch("MESSAGE_CREATE", event)
        return message_id

    def replies(self, message_id: str) -> list[dict[str, Any]]:
        """The bot's replies to a person's message in their present form."""
        return [one for one in self.messages.values() if one.get("reply_to") == message_id]

    def buttons(self, message_id: str) -> list[dict[str, Any]]:
        """The buttons that a message shows."""
        rows = self.messages[message_id]["components"]
        return [button for row in rows for button in row["components"]]

    def answer_to(self, asked: Interaction) -> dict[str, Any]:
        """The answer to an interaction in its present form."""
        return self.messages[asked.message_id]

    def in_channel(self, channel_id: str) -> list[dict[str, Any]]:
        """The ordinary messages of a channel, without the responses to interactions."""
        answers = {one.message_id for one in self.interactions.values()}
        return [
            message
            for message in self.messages.values()
            if message["channel_id"] == channel_id and message["id"] not in answers
        ]

    def forget_nonces(self) -> None:
        """Forget the nonces, as Discord does after some minutes."""
        self._nonces.clear()

    def forget(self) -> None:
        """Drop all messages, interactions and requests, and the nonces that name those messages."""
        for kept in (self.interactions, self.messages, self.edits, self.requests, self._nonces):
            kept.clear()

    async def replay(self, asked: Interaction) -> None:
        """Send the same interaction a second time, as a resumed gateway may."""
        await self.gateway.dispatch("INTERACTION_CREATE", self._events[asked.token])

    def event_of(self, asked: Interaction) -> dict[str, Any]:
        """The interaction as the gateway sent it."""
        return self._events[asked.token]

    async def acknowledge(self, asked: Interaction, *, secret: bool = False, is_press: bool = False) -> None:
        """Acknowledge the interaction in place of the bot, as if the bot had stopped right after it."""
        flags = payloads.EPHEMERAL if secret else 0
        body = {"type": PRESS_SEEN} if is_press else {"type": DEFERRED[0], "data": {"flags": flags}}
        request = Request("POST", "", {}, body, {}, "")
        await self._callback(request, asked.interaction_id, asked.token)

    async def _interact(
        self,
        kind: int,
        data: dict[str, Any],
        *,
        user_id: str = payloads.MEMBER_ID,
        locale: str = "en-US",
        channel_id: str = payloads.CHANNEL_ID,
        in_guild: bool = True,
        permissions: int = 0,
        file_bytes: int = 10 * 1024 * 1024,
        message: dict[str, Any] | None = None,
        may_post: bool = True,
        is_own_install: bool = False,
        age_s: float = 0.0,
    ) -> Interaction:
        asked = Interaction(self._snowflake(age_s), f"interaction-token-{next(self._counter)}", channel_id)
        self.interactions[asked.token] = asked
        event = payloads.interaction(
            asked.interaction_id,
            asked.token,
            kind,
            data,
            user_id=user_id,
            locale=locale,
            channel_id=channel_id,
            in_guild=in_guild,
            permissions=permissions,
            file_bytes=file_bytes,
            may_post=may_post,
            is_own_install=is_own_install,
        )
        if message is not None:
            event["message"] = message
        self._events[asked.token] = event
        await self.gateway.dispatch("INTERACTION_CREATE", event)
        return asked

    # What the bot requests.

    async def _serve(self, http: web.Request) -> web.Response:
        response = await self._respond(http)
        self.statuses[response.status] += 1
        return response

    async def _respond(self, http: web.Request) -> web.Response:
        try:
            request = await read_request(http)
        except ConnectionError:  # whoever asked was killed in the middle of it
            return web.Response(status=400)
        self.requests.append(request)
        if self.schema is not None:
            self.problems += self.schema.problems(
                request.method, request.path, request.query, request.body, tuple(request.files)
            )
        try:
            return await self._carried_out(request)
        except ConnectionError:  # by a hook of a test that killed whoever asked
            return web.Response(status=400)

    async def _carried_out(self, request: Request) -> web.Response:
        if self.before is not None:
            await self.before(request)
        fault = self._fault(request)
        if fault is not None and not fault.after:
            await asyncio.sleep(fault.delay_s)
            return faulty(fault)
        try:
            answer = await self._route(request)
        except Refused as refused:
            return as_json({"code": refused.code, "message": refused.text}, refused.status)
        if self.after is not None:
            await self.after(request)
        if fault is not None:
            return faulty(fault)
        return web.Response(status=204) if answer is None else as_json(answer)

    def _fault(self, request: Request) -> Fault | None:
        if self.storm is not None:
            return self.storm(request)
        for fault in self.faults:
            if fault.times and fault.method == request.method and fault.part in request.path:
                fault.times -= 1
                return fault
        return None

    async def _route(self, request: Request) -> Any:
        for method, pattern, answer in _ROUTES:
            match = re.fullmatch(pattern, request.path)
            if match and method == request.method:
                if not request.path.startswith(("/webhooks", "/interactions")):
                    self._check_token(request)
                return await answer(self, request, *match.groups())
        raise Refused(404, 0, f"the fake knows no {request.method} {request.path}")

    def _check_token(self, request: Request) -> None:
        if request.authorization != f"Bot {self.gateway.token}":
            raise Refused(401, 0, "401: Unauthorized")

    async def _me(self, request: Request) -> Any:
        return payloads.BOT

    async def _application(self, request: Request) -> Any:
        return payloads.application()

    async def _set_commands(self, request: Request, application_id: str) -> Any:
        fixed = {"application_id": application_id, "version": "1", "default_member_permissions": None}
        self.commands = [{**fixed, **command, "id": self._snowflake()} for command in request.body]
        return self.commands

    async def _callback(self, request: Request, interaction_id: str, token: str) -> Any:
        asked = self.interactions.get(token)
        if asked is None or asked.interaction_id != interaction_id or asked.expired:
            raise Refused(404, 10062, "Unknown interaction")
        if asked.callbacks:
            raise Refused(400, 40060, "Interaction has already been acknowledged.")
        if time.monotonic() - asked.sent_s > ACKNOWLEDGE_S:
            raise Refused(404, 10062, "Unknown interaction")
        asked.callbacks.append(request.body)
        asked.acknowledged_s = time.monotonic()
        kind, data = request.body["type"], request.body.get("data") or {}
        if kind == SUGGESTIONS:
            return {"interaction": {"id": interaction_id, "type": payloads.AUTOCOMPLETE}}
        if kind == PRESS_SEEN:  # the pressed message itself is the answer
            asked.message_id = self._events[token]["message"]["id"]
            about = {
                "id": interaction_id,
                "type": payloads.COMPONENT,
                "response_message_id": asked.message_id,
            }
            return {"interaction": about}
        flags = data.get("flags", 0) | (payloads.LOADING if kind in DEFERRED else 0)
        message = self._new_message(asked.channel_id, data.get("content", ""), flags)
        asked.message_id = message["id"]
        return {
            "interaction": {
                "id": interaction_id,
                "type": payloads.APPLICATION_COMMAND,
                "response_message_id": message["id"],
                "response_message_loading": kind in DEFERRED,
                "response_message_ephemeral": bool(flags & payloads.EPHEMERAL),
            },
            "resource": {"type": kind, "message": message},
        }

    def _answer_of(self, token: str) -> Interaction:
        asked = self.interactions.get(token)
        if asked is None or asked.expired:
            raise Refused(401, 50027, "Invalid Webhook Token")
        return asked

    async def _get_answer(self, request: Request, application_id: str, token: str) -> Any:
        return self._message(self._answer_of(token).message_id)

    async def _edit_answer(self, request: Request, application_id: str, token: str, message_id: str) -> Any:
        asked = self._answer_of(token)
        message = self._message(asked.message_id if message_id == "@original" else message_id)
        message["flags"] &= ~payloads.LOADING
        return self._change(message, request)

    async def _delete_answer(self, request: Request, application_id: str, token: str) -> Any:
        asked = self._answer_of(token)
        self._message(asked.message_id)
        del self.messages[asked.message_id]
        asked.deleted = True

    async def _follow_up(self, request: Request, application_id: str, token: str) -> Any:
        asked = self._answer_of(token)
        thinking = self.messages.get(asked.message_id)
        if thinking is not None and thinking["flags"] & payloads.LOADING:
            thinking["flags"] &= ~payloads.LOADING  # Discord edits the deferred answer, visible as it is
            return self._change(thinking, Request("", "", {}, {**request.body, "flags": None}, {}, ""))
        message = self._new_message(asked.channel_id, flags=request.body.get("flags", 0))
        asked.followups.append(message["id"])
        return self._change(message, request)

    async def _create_message(self, request: Request, channel_id: str) -> Any:
        self._check_channel(channel_id)
        body = request.body
        if body.get("enforce_nonce") and (channel_id, body["nonce"]) in self._nonces:
            return self.messages[self._nonces[channel_id, body["nonce"]]]
        message = self._new_message(channel_id)
        message["reply_to"] = str((body.get("message_reference") or {}).get("message_id", ""))
        self._nonces[channel_id, str(body.get("nonce"))] = message["id"]
        return self._change(message, request)

    async def _edit_message(self, request: Request, channel_id: str, message_id: str) -> Any:
        self._check_channel(channel_id)
        return self._change(self._message(message_id), request)

    async def _open_direct(self, request: Request) -> Any:
        person = request.body["recipient_id"]
        return {"id": self.direct_channel(str(person)), "type": 1, "recipients": [payloads.user(str(person))]}

    @staticmethod
    def direct_channel(user_id: str) -> str:
        """The id of the channel between the bot and this person."""
        return str(int(user_id) + 5_000)

    def _check_channel(self, channel_id: str) -> None:
        if channel_id in self.closed_channels:
            raise Refused(*self.closed_channels[channel_id])

    def _message(self, message_id: str) -> dict[str, Any]:
        if message_id not in self.messages:
            raise Refused(404, 10008, "Unknown Message")
        return self.messages[message_id]

    def _new_message(self, channel_id: str, content: str = "", flags: int = 0) -> dict[str, Any]:
        message = payloads.message(self._snowflake(), channel_id, content, flags)
        self.messages[message["id"]] = message
        return message

    def _change(self, message: dict[str, Any], request: Request) -> dict[str, Any]:
        """Apply the changes of a request; it removes attachments that the request does not list."""
        body = request.body
        message |= {key: body[key] for key in ("content", "components", "flags") if body.get(key) is not None}
        if "attachments" in body or request.files:
            kept = {one["id"]: one for one in message["attachments"]}
            message["attachments"] = [
                kept.get(str(one["id"])) or self._attach(message["id"], one, request.files)
                for one in body.get("attachments", [])
            ]
        self.edits.setdefault(message["id"], []).append(dict(message))
        return message

    def _attach(self, message_id: str, one: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
        data = files[f"files[{one['id']}]"]
        self.files.setdefault(message_id, {})[one["filename"]] = data
        return {
            "id": self._snowflake(),
            "filename": one["filename"],
            "description": one.get("description"),
            "size": len(data),
            "url": "http://127.0.0.1/never",
            "proxy_url": "http://127.0.0.1/never",
        }

    def _snowflake(self, age_s: float = 0.0) -> str:
        made_ms = int((time.time() - age_s) * 1000) - DISCORD_EPOCH_MS
        return str((made_ms << 22) | (next(self._counter) & 0xFFF))


Route = Callable[..., Awaitable[Any]]
_ROUTES: tuple[tuple[str, str, Route], ...] = (
    ("GET", r"/users/@me", FakeDiscord._me),
    ("GET", r"/oauth2/applications/@me", FakeDiscord._application),
    ("PUT", r"/applications/(\d+)/commands", FakeDiscord._set_commands),
    ("POST", r"/interactions/(\d+)/([\w-]+)/callback", FakeDiscord._callback),
    ("GET", r"/webhooks/(\d+)/([\w-]+)/messages/@original", FakeDiscord._get_answer),
    ("PATCH", r"/webhooks/(\d+)/([\w-]+)/messages/(@original|\d+)", FakeDiscord._edit_answer),
    ("DELETE", r"/webhooks/(\d+)/([\w-]+)/messages/@original", FakeDiscord._delete_answer),
    ("POST", r"/webhooks/(\d+)/([\w-]+)", FakeDiscord._follow_up),
    ("POST", r"/channels/(\d+)/messages", FakeDiscord._create_message),
    ("PATCH", r"/channels/(\d+)/messages/(\d+)", FakeDiscord._edit_message),
    ("POST", r"/users/@me/channels", FakeDiscord._open_direct),
)


def _command(name: str, options: dict[str, Any], focused: str = "") -> dict[str, Any]:
    types = {bool: 5, int: 4, float: 10, str: 3}
    given = [
        {"name": key, "type": types[type(value)], "value": value}
        | ({"focused": True} if key == focused else {})
        for key, value in options.items()
    ]
    top, _, below = name.partition(" ")
    if below:
        given = [{"name": below, "type": 1, "options": given}]
    return {"id": "900000000000000099", "name": top, "type": 1, "options": given}
