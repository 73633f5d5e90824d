"""What no platform should send and no person types: each is answered, or dropped with a reason in the log.

Payloads are sound ones with a few parts left out or replaced by junk, made by Hypothesis; they go through the
real libraries.
"""

import asyncio
import copy
import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import structlog
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.chats.discord_ import DiscordChat, DiscordConfig
from bot.chats.telegram_ import TelegramChat, TelegramConfig, adapter
from bot.commands.buttons import press_of
from bot.commands.grammar import parse
from bot.commands.values import Command, Draw, Reroll
from bot.errors import PersonError
from bot.outcomes import CommandContext, Help, Outcome, Receipt
from tests.crash.platforms.telegram_direct import DirectRequest
from tests.fakes import discord_payloads, discord_server
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.telegram_app import RECIPE
from tests.fakes.telegram_server import TOKEN, TelegramServer
from tests.fakes.telegram_world import Group, Person, Sent

PATIENCE_S = 10.0
HUGE = 10**30
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-HUGE, HUGE),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(["", "0", "-1", "[]", "/sugar", "v1:c:x", "zh-CN", "\ud800", "\x00"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.sampled_from(["id", "type", "text", "name", "value"]), st.integers(), max_size=2),
)
GONE = object()


def mutated(bases: Sequence[Any]) -> st.SearchStrategy[Any]:
    """One of these values with up to four of its parts missing or replaced."""
    spots = st.tuples(st.integers(0, 10**6), st.one_of(st.just(GONE), JUNK))

    def change(chosen: tuple[Any, list[tuple[int, Any]]]) -> Any:
        value = copy.deepcopy(chosen[0])
        for number, junk in chosen[1]:
            if places := list(_places(value)):
                where, key = places[number % len(places)]
                if junk is GONE:
                    del where[key]
                else:
                    where[key] = junk
        return value

    return st.tuples(st.sampled_from(bases), st.lists(spots, min_size=1, max_size=4)).map(change)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, part in list(items):
        yield value, key
        yield from _places(part)


class Log(logging.Handler):
    """What our own code and discord.py say of each event."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    @contextmanager
    def kept(self) -> Iterator[None]:
        before = structlog.get_config()
        structlog.configure(processors=[self._keep], wrapper_class=structlog.BoundLogger)
        logger = logging.getLogger("discord")
        logger.addHandler(self)
        logger.propagate = False
        try:
            yield
        finally:
            logger.removeHandler(self)
            logger.propagate = True
            structlog.configure(**before)

    def _keep(self, _: Any, __: str, event: MutableMapping[str, Any]) -> Any:
        self.lines.append(f"{event['event']}: {event.get('reason', event.get('error', ''))}")
        raise structlog.DropEvent


def answer(command: Command, command_context: CommandContext) -> Outcome:
    if isinstance(command, Draw | Reroll):
        return Receipt("k3f9", RECIPE, 1, 9, 0, None)
    return Help()


def malformed(folder: Path, count: int) -> Counter[str]:
    """Try so many of each kind.

    Raises:
        Exception: One was neither answered nor dropped with a reason, or an error was left unhandled.
    """
    found: Counter[str] = Counter()
    texts(count // 5, found)
    asyncio.run(_on_telegram(count * 2 // 5, found))
    asyncio.run(_on_discord(folder, count * 2 // 5, found))
    return found


def texts(count: int, found: Counter[str]) -> None:
    """Whatever is typed or stands in a button is a command or a refusal for its person."""
    words = st.sampled_from(
        ["/sugar", "--lora", "--size", "2:3", "-n", "<lora:", ":0.8>", "比例", "张数", "--", "—"]
    )
    mixed = st.lists(st.one_of(words, st.text(max_size=12)), max_size=12).map(" ".join)

    def check(text: str) -> None:
        for read in (parse, press_of):
            try:
                read(text)
            except PersonError:
                found["texts refused"] += 1
            else:
                found["texts understood"] += 1

    _tried(check, st.one_of(st.text(max_size=300), mixed), count)


async def _on_telegram(count: int, found: Counter[str]) -> None:
    server, desk, log = TelegramServer(), ScriptedDesk(answer), Log()
    updates = _updates(server)
    server.world.updates.clear()
    with patch.object(adapter, "_make_client", lambda *_, **__: DirectRequest(server)), log.kept():
        chat = TelegramChat(TelegramConfig(TOKEN, server.base_url, server.base_url), desk)
        await chat.open()
        serving = asyncio.create_task(chat.serve(), name="telegram serve")

        async def check(content: Any) -> None:
            said, lines = len(server.calls), len(log.lines)
            settled = len(desk.settled)
            chat._rate_limiter._chats.clear()  # each comes a minute after the one before
            chat._rate_limiter._all_sent_at_s.clear()
            server.world.push({key: part for key, part in content.items() if key != "update_id"})
            await server.wake()
            await _until(lambda: len(desk.settled) > settled or serving.done())
            if serving.done():
                serving.result()
            answers = [call for call in server.calls[said:] if call.method != "getUpdates"]
            found[_verdict("telegram", bool(answers), log.lines[lines:])] += 1
            server.calls.clear()

        await _tried_here(check, mutated(updates), count)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await chat.close()


def _updates(server: TelegramServer) -> list[Any]:
    """Sound updates of every kind that we ask for."""
    world = server.world
    world.say("a fox")
    world.say("/sugar@sugar_test_bot a fox", group=Group())
    world.say("@sugar_test_bot a fox", group=Group(is_forum=True), topic=7)
    world.say("/quota", by=Person(12, language="zh-hans"), reply_to=Sent(12, 5, "text", "Got it!"))
    world.press(Sent(11, 6, "text", "Got it!", (("Cancel", "v1:c:k3f9"),)), "Cancel")
    return [json.loads(json.dumps(update)) for update in world.updates]


async def _on_discord(folder: Path, count: int, found: Counter[str]) -> None:
    desk, log = ScriptedDesk(answer), Log()
    async with AsyncExitStack() as open_now:
        discord = await open_now.enter_async_context(FakeDiscord())
        open_now.enter_context(log.kept())
        chat = DiscordChat(
            DiscordConfig(
                token=SecretStr(discord_server.TOKEN),
                menu_file=folder / "menu",
                identifies_file=folder / "starts",
                api_base=discord.api_base,
                gateway=discord.gateway.url,
                edit_interval_s=0.0,
            ),
            desk,
        )
        open_now.push_async_callback(chat.close)
        await chat.open()
        bases = _events()
        number = 0

        async def check(event: Any) -> None:
            nonlocal number
            number += 1
            if isinstance(event, dict) and event.get("id") == "1":
                event["id"], event["token"] = str((10**18) + number), f"token-{number}"
                asked = discord_server.Asked(event["id"], event["token"], discord_payloads.CHANNEL_ID)
                discord.asked = {asked.token: asked}
            lines = len(log.lines)
            chat._client.parse_event(event)
            await _until(lambda: not _answering())
            answered = any(one.callbacks for one in discord.asked.values())
            found[_verdict("discord", answered, log.lines[lines:])] += 1
            discord.forget()
            log.lines.clear()

        await _tried_here(check, mutated(bases), count)


def _answering() -> list[Any]:
    """The tasks in which discord.py lets us answer."""
    return [
        task for task in asyncio.all_tasks() if task.get_name().startswith(("CommandTree", "discord.py:"))
    ]


def _events() -> list[Any]:
    """Sound interactions of every kind."""
    facts: dict[str, Any] = {
        "user_id": discord_payloads.MEMBER_ID,
        "locale": "en-US",
        "channel_id": discord_payloads.CHANNEL_ID,
        "permissions": 0,
        "file_bytes": 10**7,
    }
    drawing = discord_server._command("sugar", {"prompt": "a face", "count": 2, "private": True, "seed": 7})
    switch = discord_server._command("lora switch", {"name": "sugar", "where": "chat"})
    typed = discord_server._command("sugar", {"lora": "su"}, focused="lora")
    press = {"component_type": 2, "custom_id": "v1:r:k3f9"}
    kinds = [
        (discord_payloads.APPLICATION_COMMAND, drawing),
        (discord_payloads.APPLICATION_COMMAND, switch),
        (discord_payloads.AUTOCOMPLETE, typed),
        (discord_payloads.COMPONENT, press),
    ]
    events = [
        discord_payloads.interaction("1", "t", kind, data, in_guild=in_guild, **facts)
        for kind, data in kinds
        for in_guild in (True, False)
    ]
    for event in events:
        if event["type"] == discord_payloads.COMPONENT:
            event["message"] = discord_payloads.message("9", discord_payloads.CHANNEL_ID, "Got it!")
    return events


def _verdict(platform: str, answered: bool, lines: Sequence[str]) -> str:
    if answered:
        return f"{platform} answered"
    assert lines, "neither answered nor dropped with a reason"
    return f"{platform} dropped"


async def _until(is_so: Callable[[], Any]) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not is_so():  # noqa: ASYNC110 - the code under test rings no bell
                await asyncio.sleep(0)
    except TimeoutError:
        raise AssertionError(f"never done with: {asyncio.all_tasks()}") from None


def _tried(check: Callable[[Any], None], values: st.SearchStrategy[Any], count: int) -> None:
    quiet = settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    quiet(given(values)(check))()


async def _tried_here(
    check: Callable[[Any], Awaitable[None]], values: st.SearchStrategy[Any], count: int
) -> None:
    """Likewise on this loop, where nothing may be left unhandled."""
    loop, left = asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(lambda _, context: left.append(repr(context)))

    def ask(value: Any) -> None:
        done = asyncio.run_coroutine_threadsafe(_named(check(value)), loop)
        done.result(2 * PATIENCE_S)
        assert not left, left[0]

    await asyncio.to_thread(_tried, ask, values, count)


async def _named(work: Awaitable[None]) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.set_name("check")
    await work
