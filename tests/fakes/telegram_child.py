"""A process to be killed: the Telegram adapter on a real desk and database, with a fake renderer."""

import asyncio
import time
from multiprocessing.connection import Connection
from pathlib import Path

from bot.chats.telegram_ import TelegramChat, TelegramConfig
from bot.desk.outcomes import Platform
from bot.policy.rules import Rules
from tests.fakes.clock import FakeClock
from tests.fakes.room import open_room

OPEN_TO_ALL = Rules(allow=frozenset({"telegram:*"}), daily_credits=10_000, max_waiting=10_000)


class WallClock(FakeClock):
    """The real time: after a crash, parcels are due again by it."""

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000


def run(base_url: str, token: str, folder: str, ready: Connection) -> None:
    """The process's entry; sends one word through ``ready`` once messages are taken."""
    asyncio.run(_serve(base_url, token, Path(folder), ready))


async def _serve(base_url: str, token: str, folder: Path, ready: Connection) -> None:
    async with open_room(folder, clock=WallClock(), rules=OPEN_TO_ALL) as room:
        chat = TelegramChat(TelegramConfig(token, base_url, base_url), room.desk)
        await chat.open()
        ready.send("ready")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(room.desk.run({Platform.TELEGRAM: chat}), name="desk")
            tasks.create_task(chat.serve(), name="telegram")
