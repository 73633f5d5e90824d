"""A small Telegram Bot API on 127.0.0.1: real offsets, faults on demand, every request checked.

Use: ``async with TelegramServer(schema) as server``; ``server.world`` acts for people, and tests wait with
``server.until``. The server keeps every request in ``server.calls`` and checks it against the vendor's
schema; ``server.problems`` must stay empty.
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from tests.fakes.forms import read_form
from tests.fakes.telegram_schema import TelegramSchema
from tests.fakes.telegram_values import Refusal
from tests.fakes.telegram_world import World

NOT_SHOWN = ("getUpdates", "getMyCommands", "setMyCommands")  # when a test fails: they are long
TOKEN = "123456789:AAF3kDq-EXAMPLEexampleEXAMPLEexample12"


@dataclass(frozen=True)
class Call:
    """One request of the bot; ``at_s`` is the loop's time."""

    method: str
    params: dict[str, str]
    files: dict[str, tuple[str, bytes]] = field(repr=False)
    at_s: float = 0.0


@dataclass
class Fault:
    """A failure of the next requests of a method.

    Attributes:
        is_done_first: The server does the work anyway, as if its answer were lost.
    """

    refusal: Refusal
    times: int = 1
    is_done_first: bool = False


class TelegramServer:
    """The server; ``world`` is what it knows."""

    def __init__(self, schema: TelegramSchema | None = None, *, world: World | None = None) -> None:
        self.world = world or World()
        self.calls: list[Call] = []
        self.problems: list[str] = []
        self.faults: dict[str, Fault] = {}
        self.delays_s: dict[str, float] = {}  # for the next request of a method, before it does anything
        self.refusals: list[Refusal] = []
        self.choose_fault: Callable[[Call], Fault | None] | None = None  # overrides ``faults``
        self.before: Callable[[Call], Awaitable[None]] | None = None  # called with each request before it …
        self.after: Callable[[Call], Awaitable[None]] | None = None  # … and once it is carried out
        self.group_limit: int | None = None  # messages a minute
        self.in_groups: dict[int, list[float]] = {}  # when each group got one
        self.port = 0
        self.longest_poll_s = 30.0
        self._schema = schema
        self._changed = asyncio.Condition()
        self._is_closing = False
        self._polls = 0
        self._runner: web.AppRunner | None = None

    @property
    def base_url(self) -> str:
        """The base URL for the adapter's settings, up to the token."""
        return f"http://127.0.0.1:{self.port}/bot"

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_route("*", "/bot{token}/{method}", self._serve)
        app.router.add_get("/bot{token}/documents/{file_id}", self._serve_document)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._is_closing = True
        await self.wake()
        assert self._runner is not None
        await self._runner.cleanup()

    def fail(
        self,
        method: str,
        code: int,
        description: str,
        *,
        times: int = 1,
        is_done_first: bool = False,
        **parameters: int,
    ) -> None:
        """Let the next ``times`` requests of a method fail."""
        self.faults[method] = Fault(Refusal(code, description, parameters), times, is_done_first)

    def named(self, method: str) -> list[Call]:
        """The requests of one method so far."""
        return [call for call in self.calls if call.method == method]

    async def wake(self) -> None:
        """Let waiting polls and tests check again after ``world`` changed."""
        async with self._changed:
            self._changed.notify_all()

    async def until(self, is_true: Callable[[], object], timeout_s: float = 30.0) -> None:
        """Wait until a condition holds; on timeout fail the test with the list of requests."""
        try:
            async with asyncio.timeout(timeout_s):
                while not is_true():
                    await self.wake()
                    await asyncio.sleep(0.01)
        except TimeoutError:
            sent = [(call.method, call.params) for call in self.calls if call.method not in NOT_SHOWN]
            raise AssertionError(f"timeout; the bot sent {sent}") from None

    async def _serve(self, request: web.Request) -> web.Response:
        try:
            call = await _read(request)
        except ConnectionError:  # the client was killed during the request
            return web.Response(status=400)
        status, body = await self.answer(call, request.match_info["token"])
        return web.json_response(body, status=status)

    async def _serve_document(self, request: web.Request) -> web.Response:
        """Serve a file that a person sent, at the path of ``getFile``."""
        file_id = request.match_info["file_id"]
        content = None if file_id in self.world.unreadable else self.world.documents.get(file_id)
        if request.match_info["token"] != TOKEN or content is None:
            return web.Response(status=404)
        return web.Response(body=content)

    async def answer(self, call: Call, token: str = TOKEN) -> tuple[int, dict[str, Any]]:
        """Answer a request: the HTTP status and the JSON."""
        self.calls.append(call)
        if token != TOKEN:
            return _refused(Refusal(401, "Unauthorized"))
        if self._schema is not None:
            self.problems += self._schema.problems(call.method, call.params, call.files)
        try:
            result = await self._result(call)
        except Refusal as refusal:
            self.refusals.append(refusal)
            return _refused(refusal)
        finally:
            await self.wake()
        return 200, {"ok": True, "result": result}

    async def _result(self, call: Call) -> Any:
        await asyncio.sleep(self.delays_s.pop(call.method, 0.0))
        self._check_flood(call)
        fault = self.choose_fault(call) if self.choose_fault else self.faults.get(call.method)
        if fault is None or fault.times == 0:
            if self.before is not None:
                await self.before(call)
            result = await self._done(call)
            if self.after is not None:
                await self.after(call)
            return result
        fault.times -= 1
        if fault.is_done_first:
            await self._done(call)
        raise fault.refusal

    def _check_flood(self, call: Call) -> None:
        """Refuse more messages than a group may get in a minute, edits included."""
        chat_id = int(call.params.get("chat_id", 0) or 0)
        if self.group_limit is None or chat_id >= 0 or not call.method.startswith(("send", "edit")):
            return
        messages = len(json.loads(call.params["media"])) if call.method == "sendMediaGroup" else 1
        recent = self.in_groups.setdefault(chat_id, [])
        lately = [at_s for at_s in recent if at_s > call.at_s - 60]
        if len(lately) + messages > self.group_limit:
            after_s = math.ceil(lately[0] + 60 - call.at_s)
            raise Refusal(429, f"Too Many Requests: retry after {after_s}", {"retry_after": after_s})
        recent += [call.at_s] * messages

    async def _done(self, call: Call) -> Any:
        world, params, files = self.world, call.params, call.files
        match call.method:
            case "getUpdates":
                return await self._poll(params)
            case "getMe":
                return world.get_me()
            case "deleteWebhook":
                return True
            case "getWebhookInfo":
                return {"url": "", "has_custom_certificate": False, "pending_update_count": 0}
            case "setMyCommands":
                return world.set_commands(params)
            case "deleteMyCommands":
                return world.delete_commands(params)
            case "getMyCommands":
                return world.get_commands(params)
            case "getChatMember":
                return world.get_member(params)
            case "sendMessage":
                return world.send("text", params, files)
            case "sendPhoto":
                return world.send("photo", params, files)
            case "sendDocument":
                return world.send("document", params, files)
            case "sendMediaGroup":
                return world.send_album(params, files)
            case "editMessageText":
                return world.edit_text(params)
            case "editMessageMedia":
                return world.edit_media(params, files)
            case "deleteMessage":
                return world.delete(params)
            case "answerCallbackQuery":
                return world.answer_press(params)
            case "sendChatAction":
                return world.act(params)
            case "setMessageReaction":
                return world.react(params)
            case "sendMessageDraft":
                return world.draft(params)
            case "answerInlineQuery":
                return world.answer_inline(params)
            case "getFile":
                return world.find_document(params)
        raise Refusal(404, "Not Found: method not found")

    async def _poll(self, params: dict[str, str]) -> list[Any]:
        """Long polling: a second poll ends the first with 409, as Telegram does."""
        self._polls += 1
        mine = self._polls
        self.world.forget_below(int(params.get("offset", 0)))
        updates = self.world.waiting(params)
        try:
            async with (
                asyncio.timeout(min(float(params.get("timeout", "0")), self.longest_poll_s)),
                self._changed,
            ):
                while not updates and not self._is_closing:
                    await self._changed.wait()
                    if mine != self._polls:
                        raise Refusal(
                            409,
                            "Conflict: terminated by other getUpdates request; only one may run",
                        )
                    updates = self.world.waiting(params)
        except TimeoutError:
            return []
        return updates


async def _read(request: web.Request) -> Call:
    fields, files = await read_form(request)
    params = dict(request.query) | fields
    return Call(request.match_info["method"], params, files, asyncio.get_running_loop().time())


def _refused(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    body: dict[str, Any] = {"ok": False, "error_code": refusal.code, "description": refusal.description}
    if refusal.parameters:
        body["parameters"] = refusal.parameters
    return refusal.code, body
