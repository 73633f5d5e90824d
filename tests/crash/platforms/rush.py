"""Hundreds of people at once, while the worker renders: how soon Discord sees an acknowledgement.

The bot is a process of its own with a worker process behind it; the platforms are in this one, so that times
are what Discord would see.
"""

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from tests.crash.platforms.nursery import ended, nursery
from tests.crash.whole_bot import environment
from tests.fakes.discord_gateway import until
from tests.fakes.discord_server import Asked, FakeDiscord
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_world import Person
from tests.unit.engine.folders import write_model

READY_S = 60.0
ALL_ANSWERED_S = 60.0
QUIET_S = 1.0
REACH_ACKNOWLEDGED_S = 1.0  # Discord gives three
REACH_LAG_S = 0.05


@dataclass(frozen=True)
class Rush:
    """Seconds, sorted: from an interaction to its acknowledgement, and how late the bot's loop was."""

    acknowledged_s: tuple[float, ...]
    lags_s: tuple[float, ...]
    drawn: int
    accepted_s: float

    def acknowledged(self, share: float) -> float:
        return _at(self.acknowledged_s, share)

    def lag(self, share: float) -> float:
        return _at(self.lags_s, share)

    def holds(self, *, is_alone: bool) -> bool:
        """Whether people are answered in time; ``is_alone`` also asks for a loop that is never late.

        Lag is the machine's as much as the bot's: beside other tests on the same cores it says nothing.
        """
        is_in_time = self.acknowledged(0.999) <= REACH_ACKNOWLEDGED_S
        return is_in_time and (not is_alone or self.lag(0.99) <= REACH_LAG_S)

    @property
    def said(self) -> str:
        """The figures in one line."""
        return (
            f"acknowledged after {self.acknowledged(0.5):.3f} s (p50), {self.acknowledged(0.999):.3f} s "
            f"(p99.9), {self.acknowledged_s[-1]:.3f} s at most; loop lag {1_000 * self.lag(0.99):.1f} ms "
            f"(p99), {1_000 * self.lags_s[-1]:.0f} ms at most"
        )


def rush(folder: Path, people: int, *, renderer: str = "child", over_s: float = 0.0) -> Rush:
    """So many people on Discord, and a tenth as many on Telegram, ask within ``over_s``.

    The renderer is a worker process that sleeps (``child``), or the built-in model on the CPU (``real``),
    which takes every core there is.
    """
    return asyncio.run(_rush(folder, people, renderer, over_s))


async def _rush(folder: Path, people: int, renderer: str, over_s: float) -> Rush:
    async with FakeDiscord() as discord, TelegramServer() as telegram, nursery(folder / "said.log") as bots:
        environ = environment(folder, write_model(folder / "model"), discord, telegram)
        environ |= {"TEST_RENDERER": renderer, "TEST_LAGS": str(folder / "lags")}
        if renderer == "real":
            del environ["SUGARBOT_ENGINE__MODEL"]
        pid = await bots.start(environ)
        try:
            began_s, ended_s, asked = await _come_at_once(discord, telegram, people, over_s)
        finally:
            os.kill(pid, signal.SIGKILL)
            await ended(pid)
        drawn = sum(_is_drawn(discord, one.message_id) for one in asked)
    lines = [line.split() for line in (folder / "lags").read_text().splitlines() if line.count(" ") == 1]
    lags = sorted(max(0.0, float(lag)) for at_s, lag in lines if began_s <= float(at_s) <= ended_s)
    times = sorted((one.acked_s or float("inf")) - one.asked_s for one in asked)
    return Rush(tuple(times), tuple(lags), drawn, ended_s - began_s)


async def _come_at_once(
    discord: FakeDiscord, telegram: TelegramServer, people: int, over_s: float
) -> tuple[float, float, list[Asked]]:
    """When it began, when all were answered (or it was given up), and what was asked."""
    await until(lambda: discord.gateway.is_connected and telegram.named("getUpdates"), READY_S)
    # The card is at work before the rush begins.
    first = [await discord.slash("sugar", {"prompt": "a face", "count": 4}) for _ in range(4)]
    await until(lambda: any(_is_drawn(discord, one.message_id) for one in first), READY_S)
    await asyncio.sleep(QUIET_S)
    began_s = time.monotonic()
    asked = list[Asked]()
    for number in range(people):
        user_id = str(900_000_000_000_000_100 + number)
        asked.append(await discord.slash("sugar", {"prompt": "a face"}, user_id=user_id))
        if number % 10 == 0:
            telegram.world.say("a fox", by=Person(1_000 + number))
            await telegram.wake()
        if over_s:
            await asyncio.sleep(max(0.0, began_s + over_s * number / people - time.monotonic()))
    with contextlib.suppress(TimeoutError):  # whoever was not acknowledged shows in the figures
        await until(lambda: all(one.message_id in discord.edits for one in asked), ALL_ANSWERED_S)
    return began_s, time.monotonic(), asked


def _is_drawn(discord: FakeDiscord, message_id: str) -> bool:
    return bool(message_id) and bool(discord.messages[message_id]["attachments"])


def _at(values: tuple[float, ...], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]
