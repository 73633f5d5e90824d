"""The state of the fake Discord, and its part of REST v10: what each request of the bot does."""

import itertools
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes import discord_components as components
from tests.fakes import discord_payloads as payloads
from tests.fakes.discord_gateway import FakeGateway
from tests.fakes.discord_http import Refused, Request

DISCORD_EPOCH_MS = 1_420_070_400_000
ACKNOWLEDGE_S = 3.0
DEFERRED, PRESS_SEEN, MESSAGE, SUGGESTIONS, SHOW_FORM = (5,), 6, 4, 8, 9
MAX_FOLLOW_UPS = 5  # of one interaction, where the app belongs to a person and not to the server


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
    is_own_install: bool = False
    sent_s: float = field(default_factory=time.monotonic)
    acknowledged_s: float | None = None


class DiscordRest:
    """Carries out the requests of a bot; ``messages`` is what people would see."""

    def __init__(self, gateway: FakeGateway) -> None:
        self.gateway = gateway
        self.acknowledge_s = ACKNOWLEDGE_S
        self.max_file_bytes = 10 * 1024 * 1024
        self.messages: dict[str, dict[str, Any]] = {}
        self.files: dict[str, dict[str, bytes]] = {}
        self.edits: dict[str, list[dict[str, Any]]] = {}
        self.commands: list[dict[str, Any]] = []
        self.interactions: dict[str, Interaction] = {}
        self.closed_channels: dict[str, tuple[int, int]] = {}
        self._events: dict[str, dict[str, Any]] = {}
        self._nonces: dict[tuple[str, str], str] = {}
        self._counter = itertools.count(1)

    async def carry_out(self, request: Request) -> Any:
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

    async def _gateway(self, request: Request) -> Any:
        limit = {"total": 1000, "remaining": 999, "reset_after": 0, "max_concurrency": 1}
        return {"url": self.gateway.url, "shards": 1, "session_start_limit": limit}

    async def _guilds(self, request: Request) -> Any:
        return []

    async def _commands(self, request: Request, application_id: str) -> Any:
        return self.commands

    async def _set_commands(self, request: Request, application_id: str) -> Any:
        fixed = {"application_id": application_id, "version": "1", "default_member_permissions": None}
        fixed |= {"description": ""}  # a context menu has none, and Discord returns it empty
        self.commands = [{**fixed, **command, "id": self._snowflake()} for command in request.body]
        return self.commands

    async def _callback(self, request: Request, interaction_id: str, token: str) -> Any:
        asked = self.interactions.get(token)
        if asked is None or asked.interaction_id != interaction_id or asked.expired:
            raise Refused(404, 10062, "Unknown interaction")
        if asked.callbacks:
            raise Refused(400, 40060, "Interaction has already been acknowledged.")
        if time.monotonic() - asked.sent_s > self.acknowledge_s:
            raise Refused(404, 10062, "Unknown interaction")
        asked.callbacks.append(request.body)
        asked.acknowledged_s = time.monotonic()
        kind, data = request.body["type"], request.body.get("data") or {}
        if kind == SUGGESTIONS:
            return {"interaction": {"id": interaction_id, "type": payloads.AUTOCOMPLETE}}
        if kind == SHOW_FORM:
            return {"interaction": {"id": interaction_id, "type": payloads.COMPONENT}}
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
        message["components"] = data.get("components", [])
        components.check(message, data, set(), was_v2=False)
        message["text"] = components.text_of(message)
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
            return self._change(thinking, request)
        if asked.is_own_install and len(asked.followups) >= MAX_FOLLOW_UPS:
            raise Refused(400, 40094, "Cannot send more follow-up messages for this interaction")
        message = self._new_message(asked.channel_id)
        asked.followups.append(message["id"])
        return self._change(message, request, is_new=True)

    async def _create_message(self, request: Request, channel_id: str) -> Any:
        self._check_channel(channel_id)
        body = request.body
        if body.get("enforce_nonce") and (channel_id, body["nonce"]) in self._nonces:
            return self.messages[self._nonces[channel_id, body["nonce"]]]
        message = self._new_message(channel_id)
        message["reply_to"] = str((body.get("message_reference") or {}).get("message_id", ""))
        self._nonces[channel_id, str(body.get("nonce"))] = message["id"]
        return self._change(message, request, is_new=True)

    async def _edit_message(self, request: Request, channel_id: str, message_id: str) -> Any:
        self._check_channel(channel_id)
        return self._change(self._message(message_id), request)

    async def _delete_message(self, request: Request, channel_id: str, message_id: str) -> Any:
        self._check_channel(channel_id)
        if self._message(message_id)["flags"] & payloads.EPHEMERAL:
            raise Refused(404, 10008, "Unknown Message")
        del self.messages[message_id]

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

    def _change(self, message: dict[str, Any], request: Request, *, is_new: bool = False) -> dict[str, Any]:
        """Apply the changes of a request; it removes attachments that the request does not list."""
        body, was_v2 = request.body, bool(message["flags"] & components.V2)
        changed = {key: body[key] for key in ("content", "components") if body.get(key) is not None}
        changed["flags"] = components.flags_after(message, body, is_new=is_new)
        if changed["flags"] & components.V2:
            changed["content"] = body.get("content") or ""
        kept = {one["id"]: one for one in message["attachments"]}
        listed = body["attachments"] if "attachments" in body else list(kept.values())
        names = {(kept.get(str(one["id"])) or one)["filename"] for one in listed}
        try:
            components.check({**message, **changed}, body, names, was_v2)
            self._check_size(request)
        except Refused:
            if is_new:
                del self.messages[message["id"]]
            raise
        message |= changed
        message["text"] = components.text_of(message)
        message["attachments"] = [
            kept.get(str(one["id"])) or self._attach(message["id"], one, request.files) for one in listed
        ]
        self.edits.setdefault(message["id"], []).append(dict(message))
        return message

    def _check_size(self, request: Request) -> None:
        if any(len(data) > self.max_file_bytes for data in request.files.values()):
            raise Refused(413, 40005, "Request entity too large")

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
    ("GET", r"/users/@me", DiscordRest._me),
    ("GET", r"/oauth2/applications/@me", DiscordRest._application),
    ("GET", r"/applications/@me", DiscordRest._application),
    ("GET", r"/gateway/bot", DiscordRest._gateway),
    ("GET", r"/users/@me/guilds", DiscordRest._guilds),
    ("GET", r"/applications/(\d+)/commands", DiscordRest._commands),
    ("PUT", r"/applications/(\d+)/commands", DiscordRest._set_commands),
    ("POST", r"/interactions/(\d+)/([\w-]+)/callback", DiscordRest._callback),
    ("GET", r"/webhooks/(\d+)/([\w-]+)/messages/@original", DiscordRest._get_answer),
    ("PATCH", r"/webhooks/(\d+)/([\w-]+)/messages/(@original|\d+)", DiscordRest._edit_answer),
    ("DELETE", r"/webhooks/(\d+)/([\w-]+)/messages/@original", DiscordRest._delete_answer),
    ("POST", r"/webhooks/(\d+)/([\w-]+)", DiscordRest._follow_up),
    ("POST", r"/channels/(\d+)/messages", DiscordRest._create_message),
    ("PATCH", r"/channels/(\d+)/messages/(\d+)", DiscordRest._edit_message),
    ("DELETE", r"/channels/(\d+)/messages/(\d+)", DiscordRest._delete_message),
    ("POST", r"/users/@me/channels", DiscordRest._open_direct),
)
