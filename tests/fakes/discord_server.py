"""A fake Discord on 127.0.0.1: a server for REST and the gateway, and what people do there.

It records what people would see (``messages``), all requests (``requests``), and, with a ``Schema``, every
request that violates Discord's own schema (``problems``). ``faults`` injects faults.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Self

from aiohttp import web

from tests.fakes import discord_payloads as payloads
from tests.fakes.discord_components import BUTTON, SELECT, walk
from tests.fakes.discord_gateway import FakeGateway, until
from tests.fakes.discord_http import PREFIX, Fault, Refused, Request, as_json, faulty, read_request
from tests.fakes.discord_rest import DEFERRED, PRESS_SEEN, SHOW_FORM, DiscordRest, Interaction
from tests.fakes.discord_schema import Schema

TOKEN = "a-bot-token"


def filled(form: dict[str, Any], **typed: str) -> list[dict[str, Any]]:
    """The fields of a form as a person sends them: typed or chosen, else unchanged."""
    fields = []
    for label in form["components"]:
        field = label["component"]
        name = field["custom_id"]
        sent = {"type": field["type"], "id": 9, "custom_id": name}
        if field["type"] == 4:
            fields.append(sent | {"value": typed.get(name, field.get("value") or "")})
        else:
            defaults = [one["value"] for one in field.get("options", ()) if one.get("default")]
            fields.append(sent | {"values": [typed[name]] if name in typed else defaults})
    return fields


class FakeDiscord(DiscordRest):
    """``async with FakeDiscord(schema) as discord: …``; see ``api_base`` and ``gateway.url``."""

    def __init__(self, schema: Schema | None = None) -> None:
        super().__init__(FakeGateway(TOKEN, payloads.ready()))
        self.schema = schema
        self.problems: list[str] = []
        self.requests: list[Request] = []
        self.faults: list[Fault] = []
        self.choose_fault: Callable[[Request], Fault | None] | None = None  # used instead of ``faults``
        self.statuses: Counter[int] = Counter()
        self.person_messages: dict[str, dict[str, Any]] = {}  # messages of people, as the gateway sent them
        self.before: Callable[[Request], Awaitable[None]] | None = (
            None  # called with each request before it …
        )
        self.after: Callable[[Request], Awaitable[None]] | None = None  # … and once it is carried out

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
        return await self._interact(
            payloads.APPLICATION_COMMAND, payloads.command(name, options or {}), **where
        )

    async def suggest(self, name: str, option: str, typed: str, **where: Any) -> list[dict[str, Any]]:
        """Type into an option and return the suggestions."""
        data = payloads.command(name, {option: typed}, focused=option)
        asked = await self._interact(payloads.AUTOCOMPLETE, data, **where)
        await until(lambda: asked.callbacks)
        choices: list[dict[str, Any]] = asked.callbacks[0]["data"]["choices"]
        return choices

    async def press(self, message_id: str, custom_id: str = "", **where: Any) -> Interaction:
        """Press a button of the message: the first one, unless ``custom_id`` names another."""
        message = self.messages[message_id]
        data = {"component_type": 2, "custom_id": custom_id or self.buttons(message_id)[0]["custom_id"]}
        return await self._interact(payloads.COMPONENT, data, message=message, **where)

    async def choose(self, message_id: str, value: str, **where: Any) -> Interaction:
        """Choose from a list of the message."""
        listed = next(one for one in walk(self.messages[message_id]["components"]) if one["type"] == SELECT)
        data = {"component_type": SELECT, "custom_id": listed["custom_id"], "values": [value]}
        return await self._interact(payloads.COMPONENT, data, message=self.messages[message_id], **where)

    async def form(self, asked: Interaction) -> dict[str, Any]:
        """Wait for the form that answers an interaction."""
        await until(lambda: asked.callbacks)
        assert asked.callbacks[0]["type"] == SHOW_FORM
        form: dict[str, Any] = asked.callbacks[0]["data"]
        return form

    async def submit(
        self,
        custom_id: str,
        fields: Sequence[dict[str, Any]] = (),
        files: dict[str, dict[str, Any]] | None = None,
        **where: Any,
    ) -> Interaction:
        """Send a form with these fields and uploaded files."""
        labels = [{"type": 18, "id": number, "component": one} for number, one in enumerate(fields, 1)]
        data = {"custom_id": custom_id, "components": labels}
        if files:
            data["resolved"] = {"attachments": files}
        return await self._interact(payloads.FORM, data, **where)

    async def context_menu(self, name: str, message_id: str = "", **where: Any) -> Interaction:
        """Choose an entry of the context menu of a message of the bot, or of one of a person."""
        target = message_id or self._snowflake()
        ordinary = {**payloads.message(target, payloads.CHANNEL_ID), "author": payloads.user()}
        resolved = {"messages": {target: self.messages.get(message_id, ordinary)}}
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
        shown = walk(self.messages[message_id]["components"])
        return [one for one in shown if one["type"] == BUTTON]

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
        guild_locale: str = "en-US",
        roles: Sequence[str] = (),
    ) -> Interaction:
        asked = Interaction(self._snowflake(age_s), f"interaction-token-{next(self._counter)}", channel_id)
        asked.is_own_install = is_own_install
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
            guild_locale=guild_locale,
            roles=roles,
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
        except ConnectionError:  # the bot was killed during its request
            return web.Response(status=400)
        self.requests.append(request)
        if self.schema is not None:
            self.problems += self.schema.problems(
                request.method, request.path, request.query, request.body, tuple(request.files)
            )
        try:
            return await self._carried_out(request)
        except ConnectionError:  # raised by a hook of a test that killed the bot
            return web.Response(status=400)

    async def _carried_out(self, request: Request) -> web.Response:
        if self.before is not None:
            await self.before(request)
        fault = self._fault(request)
        if fault is not None and not fault.after:
            await asyncio.sleep(fault.delay_s)
            return faulty(fault)
        try:
            answer = await self.carry_out(request)
        except Refused as refused:
            return as_json({"code": refused.code, "message": refused.text}, refused.status)
        if self.after is not None:
            await self.after(request)
        if fault is not None:
            return faulty(fault)
        return web.Response(status=204) if answer is None else as_json(answer)

    def _fault(self, request: Request) -> Fault | None:
        if self.choose_fault is not None:
            return self.choose_fault(request)
        for fault in self.faults:
            if fault.times and fault.method == request.method and fault.part in request.path:
                fault.times -= 1
                return fault
        return None
