"""Many jobs of one Telegram group end at once, on a clock that jumps: the group's limit is kept."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

import aiosqlite

from bot.chats.telegram_ import TelegramChat, TelegramConfig, adapter
from bot.chats.telegram_.gate import GROUP_MESSAGES_PER_MINUTE, Gate
from bot.chats.telegram_.place import Place
from bot.commands.values import Draw
from bot.desk.outcomes import Platform, Visit
from bot.policy.rules import Rules
from tests.fakes.chat import FakeChat
from tests.fakes.clock import START_MS, FakeClock
from tests.fakes.room import open_room
from tests.fakes.telegram_direct import DirectRequest
from tests.fakes.telegram_server import TOKEN, TelegramServer
from tests.fakes.telegram_world import Sent
from tests.fakes.virtual_time import VirtualLoop, run

GROUP_ID = -100_200
ALL_S = 3_600.0
RULES = Rules(allow=frozenset({"telegram:*"}), daily_credits=10_000, max_waiting=10_000)


@dataclass(frozen=True)
class Flood:
    """What the group saw."""

    delivered: int
    refused: int
    busiest_minute: int
    minutes: float


def flood(folder: Path, jobs: int) -> Flood:
    """End so many jobs at the same moment, each with its placeholder in the one group."""
    return run(_flood(folder, jobs))


async def _flood(folder: Path, jobs: int) -> Flood:
    loop = cast(VirtualLoop, asyncio.get_running_loop())
    server = TelegramServer()
    server.group_limit = GROUP_MESSAGES_PER_MINUTE
    with _without_sockets(server, loop):
        chat = TelegramChat(TelegramConfig(TOKEN, server.base_url, server.base_url), cast(Any, None))
        clock = LoopClock(loop)
        async with open_room(folder, clock=clock, chat=cast(FakeChat, chat), rules=RULES) as room:
            chat._delivery._desk = room.desk
            for number in range(jobs):
                place = Place(GROUP_ID, reply_to=number + 1, message_id=10_000 + number)
                server.world.messages[GROUP_ID, 10_000 + number] = Sent(
                    GROUP_ID, 10_000 + number, "text", "Got it!", reply_to=number + 1
                )
                visit = Visit(Platform.TELEGRAM, f"event {number}", str(number % 20), place.address())
                await room.desk.handle(Draw(prompt="a fox"), visit)
            began_s = loop.time()
            async with room.running(), asyncio.timeout(ALL_S):
                while _pictures(server) < jobs:  # noqa: ASYNC110 - a second of this clock costs nothing
                    await asyncio.sleep(1.0)
                minutes = (loop.time() - began_s) / 60
    times = server.in_groups[GROUP_ID]
    busiest = max(sum(at_s - 60 < other <= at_s for other in times) for at_s in times)
    return Flood(_pictures(server), len(server.refusals), busiest, minutes)


class LoopClock(FakeClock):
    """The desk's clock, by the loop's."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop
        self._began_s = loop.time()

    def __call__(self) -> int:
        return START_MS + int(1_000 * (self._loop.time() - self._began_s))


def _pictures(server: TelegramServer) -> int:
    return sum(sent.kind == "photo" for sent in server.world.messages.values())


@contextmanager
def _without_sockets(server: TelegramServer, loop: VirtualLoop) -> Iterator[None]:
    """The adapter on this server and this clock; SQLite's thread is waited for."""
    execute = aiosqlite.Connection._execute

    async def waited_for(connection: Any, *arguments: Any, **named: Any) -> Any:
        with loop.outside():
            return await execute(connection, *arguments, **named)

    with (
        patch.object(adapter, "_client", lambda *_, **__: DirectRequest(server)),
        patch.object(adapter, "Gate", lambda: Gate(loop.time)),
        patch.object(aiosqlite.Connection, "_execute", waited_for),
    ):
        yield
