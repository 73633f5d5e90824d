"""Hundreds of people at once while the worker renders: the time until Discord sees an acknowledgement.

The bot is a separate process with a worker process. The platforms run in this process, so that the times are
those that Discord would see.
"""

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from tests.crash.platforms.fork_server import open_fork_server, wait_for_end
from tests.crash.whole_bot import environment
from tests.fakes.discord_gateway import until
from tests.fakes.discord_rest import ACKNOWLEDGE_S, Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.telegram_server import TelegramServer
from tests.fakes.telegram_values import Person
from tests.unit.engine.folders import write_model

READY_S = 60.0
ALL_ANSWERED_S = 60.0
QUIET_S = 1.0
MAX_ACKNOWLEDGED_S = 1.0  # Discord gives three
MAX_LAG_S = 0.05


@dataclass(frozen=True)
class BurstTimes:
    """Sorted seconds from an interaction to its acknowledgement, and the lags of the bot's loop."""

    acknowledged_s: tuple[float, ...]
    lags_s: tuple[float, ...]
    drawn: int
    accepted_s: float

    def acknowledged(self, share: float) -> float:
        return _at(self.acknowledged_s, share)

    def lag(self, share: float) -> float:
        return _at(self.lags_s, share)

    def holds(self, *, is_alone: bool) -> bool:
        """Whether Discord accepted each acknowledgement; ``is_alone`` also requires our own times.

        Other tests on the same cores take time, too, so our own times are checked only without them.
        """
        is_fast = self.acknowledged(0.999) <= MAX_ACKNOWLEDGED_S and self.lag(0.99) <= MAX_LAG_S
        return isfinite(self.acknowledged_s[-1]) and (is_fast or not is_alone)

    @property
    def summary(self) -> str:
        """The figures in one line."""
        return (
            f"acknowledged after {self.acknowledged(0.5):.3f} s (p50), {self.acknowledged(0.999):.3f} s "
            f"(p99.9), {self.acknowledged_s[-1]:.3f} s at most; loop lag {1_000 * self.lag(0.99):.1f} ms "
            f"(p99), {1_000 * self.lags_s[-1]:.0f} ms at most"
        )


def measure_burst(
    folder: Path,
    people: int,
    *,
    renderer: str = "child",
    over_s: float = 0.0,
    acknowledge_s: float = ACKNOWLEDGE_S,
) -> BurstTimes:
    """Let ``people`` people on Discord, and a tenth as many on Telegram, send a command within ``over_s``.

    The renderer is a worker process that sleeps (``child``) or the built-in model on the CPU (``real``),
    which uses every core. The fake refuses an acknowledgement after ``acknowledge_s``.
    """
    return asyncio.run(_measure(folder, people, renderer, over_s, acknowledge_s))


async def _measure(
    folder: Path, people: int, renderer: str, over_s: float, acknowledge_s: float
) -> BurstTimes:
    async with (
        FakeDiscord() as discord,
        TelegramServer() as telegram,
        open_fork_server(folder / "bots.log") as server,
    ):
        discord.acknowledge_s = acknowledge_s
        environ = environment(folder, write_model(folder / "models" / "tiny"), discord, telegram)
        environ |= {"TEST_RENDERER": renderer, "TEST_LAGS": str(folder / "lags.log")}
        if renderer == "real":
            del environ["SUGARBOT_ENGINE__MODEL"]
        pid = await server.start(environ)
        try:
            began_s, ended_s, asked = await _send_all(discord, telegram, people, over_s)
        finally:
            os.kill(pid, signal.SIGKILL)
            await wait_for_end(pid)
        drawn = sum(_is_drawn(discord, one.message_id) for one in asked)
    lines = [line.split() for line in (folder / "lags.log").read_text().splitlines() if line.count(" ") == 1]
    lags = sorted(max(0.0, float(lag)) for at_s, lag in lines if began_s <= float(at_s) <= ended_s)
    times = sorted((one.acknowledged_s or float("inf")) - one.sent_s for one in asked)
    return BurstTimes(tuple(times), tuple(lags), drawn, ended_s - began_s)


async def _send_all(
    discord: FakeDiscord, telegram: TelegramServer, people: int, over_s: float
) -> tuple[float, float, list[Interaction]]:
    """Return the times of the first command and of the last answer (or the time-out), and the commands."""
    await until(lambda: discord.gateway.is_connected and telegram.named("getUpdates"), READY_S)
    # The worker already renders when the burst begins.
    first = [await discord.slash("sugar", {"prompt": f"face {number}", "count": 4}) for number in range(4)]
    await until(lambda: any(_is_drawn(discord, one.message_id) for one in first), READY_S)
    await asyncio.sleep(QUIET_S)
    began_s = time.monotonic()
    asked = list[Interaction]()
    for number in range(people):
        user_id = str(900_000_000_000_000_100 + number)
        asked.append(await discord.slash("sugar", {"prompt": "a face"}, user_id=user_id))
        if number % 10 == 0:
            telegram.world.say("a fox", by=Person(1_000 + number))
            await telegram.wake()
        if over_s:
            await asyncio.sleep(max(0.0, began_s + over_s * number / people - time.monotonic()))
    with contextlib.suppress(TimeoutError):  # the figures show missing acknowledgements
        await until(lambda: all(one.message_id in discord.edits for one in asked), ALL_ANSWERED_S)
    return began_s, time.monotonic(), asked


def _is_drawn(discord: FakeDiscord, message_id: str) -> bool:
    return bool(message_id) and bool(discord.messages[message_id]["attachments"])


def _at(values: tuple[float, ...], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]
