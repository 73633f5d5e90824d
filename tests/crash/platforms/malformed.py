"""Malformed input: each payload and text is answered, or dropped with a reason in the log.

Hypothesis removes parts of valid payloads or replaces them by junk. The payloads go through the real
libraries.
"""

import asyncio
import copy
import itertools
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
from bot.commands.values import Command, Draw, Help, Reroll
from bot.errors import PersonError
from bot.outcomes import CommandContext, Outcome, Receipt
from tests.crash.platforms.telegram_direct import DirectRequest
from tests.fakes import discord_payloads, discord_rest, discord_server
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.telegram_app import RECIPE
from tests.fakes.telegram_server import TOKEN, TelegramServer
from tests.fakes.telegram_values import Group, Person, Sent

TIMEOUT_S = 60.0
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
REMOVED = object()
NUMBERS = itertools.count()


def mutations(bases: Sequence[Any]) -> st.SearchStrategy[Any]:
    """One of these values with up to four parts missing or replaced."""
    spots = st.tuples(st.integers(0, 10**6), st.one_of(st.just(REMOVED), JUNK))

    def change(chosen: tuple[Any, list[tuple[int, Any]]]) -> Any:
        value = copy.deepcopy(chosen[0])
        for number, junk in chosen[1]:
            if parts := list(_parts(value)):
                parent, key = parts[number % len(parts)]
                if junk is REMOVED:
                    del parent[key]
                else:
                    parent[key] = junk
        return value

    return st.tuples(st.sampled_from(bases), st.lists(spots, min_size=1, max_size=4)).map(change)


def _parts(value: Any) -> Iterator[tuple[Any, Any]]:
    items: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, part in list(items):
        yield value, key
        yield from _parts(part)


class LogCollector(logging.Handler):
    """Collects the log lines of our own code and of discord.py."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    @contextmanager
    def collecting(self) -> Iterator[None]:
        before = structlog.get_config()
        structlog.configure(processors=[self._collect], wrapper_class=structlog.BoundLogger)
        logger = logging.getLogger("discord")
        logger.addHandler(self)
        logger.propagate = False
        try:
            yield
        finally:
            logger.removeHandler(self)
            logger.propagate = True
            structlog.configure(**before)

    def _collect(self, _: Any, __: str, event: MutableMapping[str, Any]) -> Any:
        self.lines.append(f"{event['event']}: {event.get('reason', event.get('error', ''))}")
        raise structlog.DropEvent


def answer(command: Command, command_context: CommandContext) -> Outcome:
    if isinstance(command, Draw | Reroll):
        return Receipt(f"k{next(NUMBERS)}", RECIPE, 1, 9, 0, None)  # a job has one message
    return Help()


def check_malformed_input(folder: Path, count: int) -> Counter[str]:
    """Check so many inputs, shared by all kinds.

    Raises:
        Exception: An input was neither answered nor dropped with a reason, or left an unhandled error.
    """
    found: Counter[str] = Counter()
    check_texts(count // 5, found)
    asyncio.run(_on_telegram(count * 2 // 5, found))
    asyncio.run(_on_discord(folder, count * 2 // 5, found))
    return found


def check_texts(count: int, found: Counter[str]) -> None:
    """Every typed text and every button's data is a command or a refusal."""
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

    _run_examples(check, st.one_of(st.text(max_size=300), mixed), count)


async def _on_telegram(count: int, found: Counter[str]) -> None:
    server, desk, log = TelegramServer(), ScriptedDesk(answer), LogCollector()
    updates = _updates(server)
    server.world.updates.clear()
    with patch.object(adapter, "_make_client", lambda *_, **__: DirectRequest(server)), log.collecting():
        chat = TelegramChat(TelegramConfig(TOKEN, server.base_url, server.base_url), desk)
        await chat.open()
        serving = asyncio.create_task(chat.serve(), name="telegram serve")

        async def check(content: Any) -> None:
            calls, lines = len(server.calls), len(log.lines)
            settled = len(desk.settled)
            chat._rate_limiter._chats.clear()  # as if each came a minute after the previous one
            chat._rate_limiter._all_sent_at_s.clear()
            server.world.push({key: part for key, part in content.items() if key != "update_id"})
            await server.wake()
            await _until(lambda: len(desk.settled) > settled or serving.done())
            if serving.done():
                serving.result()
            answers = [call for call in server.calls[calls:] if call.method != "getUpdates"]
            found[_classify("telegram", bool(answers), log.lines[lines:])] += 1
            server.calls.clear()

        await _run_examples_on_loop(check, mutations(updates), count)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        await chat.close()


def _updates(server: TelegramServer) -> list[Any]:
    """Valid updates of every kind that the bot requests."""
    world = server.world
    world.say("a fox")
    world.say("/sugar@sugar_test_bot a fox", group=Group())
    world.say("@sugar_test_bot a fox", group=Group(is_forum=True), topic=7)
    world.say("/quota", by=Person(12, language="zh-hans"), reply_to=Sent(12, 5, "text", "Got it!"))
    world.press(Sent(11, 6, "text", "Got it!", (("Cancel", "v1:c:k3f9"),)), "Cancel")
    return [json.loads(json.dumps(update)) for update in world.updates]


async def _on_discord(folder: Path, count: int, found: Counter[str]) -> None:
    desk, log = ScriptedDesk(answer), LogCollector()
    async with AsyncExitStack() as open_now:
        discord = await open_now.enter_async_context(FakeDiscord())
        open_now.enter_context(log.collecting())
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
                asked = discord_rest.Interaction(event["id"], event["token"], discord_payloads.CHANNEL_ID)
                discord.interactions = {asked.token: asked}
            lines = len(log.lines)
            chat._client.parse_event(event)
            await _until(lambda: not _answer_tasks())
            answered = any(one.callbacks for one in discord.interactions.values())
            found[_classify("discord", answered, log.lines[lines:])] += 1
            discord.forget()
            log.lines.clear()

        await _run_examples_on_loop(check, mutations(bases), count)


def _answer_tasks() -> list[Any]:
    """The tasks in which discord.py runs our handlers."""
    return [
        task for task in asyncio.all_tasks() if task.get_name().startswith(("CommandTree", "discord.py:"))
    ]


def _events() -> list[Any]:
    """Valid interactions of every kind."""
    facts: dict[str, Any] = {
        "user_id": discord_payloads.MEMBER_ID,
        "locale": "en-US",
        "channel_id": discord_payloads.CHANNEL_ID,
        "permissions": 0,
        "file_bytes": 10**7,
    }
    drawing = discord_payloads.command("sugar", {"prompt": "a face", "count": 2, "private": True, "seed": 7})
    switch = discord_payloads.command("lora switch", {"name": "sugar", "where": "chat"})
    typed = discord_payloads.command("sugar", {"lora": "su"}, focused="lora")
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


def _classify(platform: str, answered: bool, lines: Sequence[str]) -> str:
    if answered:
        return f"{platform} answered"
    assert lines, "neither answered nor dropped with a reason"
    return f"{platform} dropped"


async def _until(is_so: Callable[[], Any]) -> None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while not is_so():  # noqa: ASYNC110 - the code under test sets no event
                await asyncio.sleep(0)
    except TimeoutError:
        raise AssertionError(f"never done with: {asyncio.all_tasks()}") from None


def _run_examples(check: Callable[[Any], None], values: st.SearchStrategy[Any], count: int) -> None:
    quiet = settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    quiet(given(values)(check))()


async def _run_examples_on_loop(
    check: Callable[[Any], Awaitable[None]], values: st.SearchStrategy[Any], count: int
) -> None:
    """Run the examples on this loop, where no error may stay unhandled."""
    loop, unhandled = asyncio.get_running_loop(), list[str]()
    loop.set_exception_handler(lambda _, context: unhandled.append(repr(context)))

    def ask(value: Any) -> None:
        done = asyncio.run_coroutine_threadsafe(_run_named(check(value)), loop)
        done.result(2 * TIMEOUT_S)
        assert not unhandled, unhandled[0]

    await asyncio.to_thread(_run_examples, ask, values, count)


async def _run_named(work: Awaitable[None]) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.set_name("check")
    await work
