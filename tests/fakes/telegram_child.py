"""A process to be killed: the Telegram adapter on a real desk and database, with a fake renderer.

Run as ``python -m tests.fakes.telegram_child BASE_URL FOLDER``; prints ``ready`` once it takes messages.
"""

import asyncio
import sys
import time
from pathlib import Path

from bot.chats.telegram_ import TelegramChat, TelegramConfig
from bot.desk.outcomes import Platform
from bot.policy.rules import Rules
from tests.fakes.clock import FakeClock
from tests.fakes.room import open_room
from tests.fakes.telegram_server import TOKEN

OPEN_TO_ALL = Rules(allow=frozenset({"telegram:*"}), daily_credits=10_000, max_waiting=10_000)


class WallClock(FakeClock):
    """The real time: after a crash, parcels are due again by it."""

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000


async def main(base_url: str, folder: Path) -> None:
    async with open_room(folder, clock=WallClock(), rules=OPEN_TO_ALL) as room:
        chat = TelegramChat(TelegramConfig(TOKEN, base_url, base_url), room.desk)
        await chat.open()
        print("ready", flush=True)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(room.desk.run({Platform.TELEGRAM: chat}), name="desk")
            tasks.create_task(chat.serve(), name="telegram")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
