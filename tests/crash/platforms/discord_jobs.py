"""Many jobs through the Discord adapter with the real desk and store: late jobs, and many faults."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, cast
from unittest.mock import patch

from pydantic import SecretStr

from bot.chats.discord_ import DiscordChat, DiscordConfig
from bot.chats.discord_.outgoing import placeholders
from bot.chats.discord_.outgoing.address import MOVE_AFTER_MS, TOKEN_LIFE_MS
from bot.desk.build import DeskInputs, build_desk
from bot.desk.desk import Desk
from bot.outcomes import Platform
from bot.policy.rules import Rules
from bot.store import Store, open_store
from engine.planner.costs.book import CostBook
from tests.crash.laws import UNFINISHED
from tests.fakes import discord_payloads, discord_server
from tests.fakes.desk_harness import MIGRATIONS, MODEL, SHELF, FakeProbe
from tests.fakes.discord_gateway import until
from tests.fakes.discord_http import Fault, Request
from tests.fakes.discord_rest import Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.lora_folder import shelf_inputs
from tests.fakes.renderer import BlockedRenderer, FakeRenderer

RULES = Rules(allow=frozenset({f"discord:{discord_payloads.GUILD_ID}"}), daily_credits=10_000, max_waiting=99)
ALL_S = 400.0
CLOSED_CHANNEL = "900000000000000021"
FAULT_RATES = (  # status, after the action, seconds to wait, how often among 100 requests
    (429, False, 0.05, 15),
    (500, False, 0.0, 3),
    (502, True, 0.0, 15),
)


class Clock:
    """The real time plus an offset that a test sets."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms


@dataclass
class Application:
    """A running desk on Discord."""

    discord: FakeDiscord
    store: Store
    desk: Desk
    clock: Clock

    async def ask(self, jobs: int, **where: Any) -> list[Interaction]:
        """Let this many people ask for a picture, a few at a time."""
        asked = []
        for number in range(jobs):
            user_id = str(900_000_000_000_000_100 + number)
            # Each request has words of its own: the same one again within a minute is no second job.
            words = {"prompt": f"face {len(self.discord.interactions)}"}
            asked.append(await self.discord.slash("sugar", words, user_id=user_id, **where))
            if number % 20 == 19:
                await until(lambda: all(one.callbacks for one in asked), 20)
        await until(lambda: all(one.message_id in self.discord.edits for one in asked), 60)
        return asked

    async def all_delivered(self) -> None:
        """Wait until no deliverable result is left."""
        async with asyncio.timeout(ALL_S):
            while await self._left():  # noqa: ASYNC110 - the store sends no signal
                await asyncio.sleep(0.05)

    async def _left(self) -> int:
        [row] = await self.store._run(UNFINISHED)
        return int(row[0])

    def pictures(self) -> Counter[str]:
        """Count how often the picture of each job is shown."""
        shown = [one for message in self.discord.messages.values() for one in message["attachments"]]
        return Counter(one["filename"].split("-")[1] for one in shown)


@asynccontextmanager
async def running_bot(
    folder: Path, renderer: FakeRenderer, rules: Rules = RULES
) -> AsyncIterator[Application]:
    clock = Clock()
    async with FakeDiscord() as discord:
        store = await open_store(folder / "sugarbot.db", MIGRATIONS)
        desk = build_desk(
            DeskInputs(
                store=store,
                renderer=renderer,
                shelf=SHELF,
                model=MODEL,
                probe=cast(Any, FakeProbe()),
                costs=CostBook("a test"),
                rules=rules,
                pictures_dir=folder / "pictures",
                clock=clock,
                **shelf_inputs(folder),
            )
        )
        config = DiscordConfig(
            token=SecretStr(discord_server.TOKEN),
            menu_file=folder / "menu",
            identifies_file=folder / "starts",
            api_base=discord.api_base,
            gateway=discord.gateway.url,
        )
        chat = DiscordChat(config, desk, clock)
        await chat.open()
        running = [
            asyncio.create_task(desk.run({Platform.DISCORD: chat}), name="desk"),
            asyncio.create_task(chat.serve(), name="serve"),
        ]
        try:
            yield Application(discord, store, desk, clock)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await chat.close()
            await store.close()


@dataclass(frozen=True)
class Late:
    """The outcome for jobs that ended after their tokens."""

    jobs: int
    moved: int
    shown_once: int
    by_token: int


async def late(folder: Path, jobs: int) -> Late:
    """Let half of the jobs wait in the twelfth minute; the other half ends in the sixteenth."""
    with patch.object(placeholders, "CHECK_INTERVAL_S", 0.1):
        return await _late(folder, jobs)


async def _late(folder: Path, jobs: int) -> Late:
    renderer = BlockedRenderer()
    async with running_bot(folder, renderer) as bot:
        first = await bot.ask(jobs // 2)
        bot.clock.ahead_ms = MOVE_AFTER_MS
        await until(lambda: len(bot.discord.in_channel(discord_payloads.CHANNEL_ID)) == len(first), 120)
        moved = len(first)
        bot.clock.ahead_ms = 0
        asked = first + await bot.ask(jobs - jobs // 2)
        bot.clock.ahead_ms = TOKEN_LIFE_MS + 60_000
        for one in asked:
            one.expired = True
        bot.discord.requests.clear()
        renderer.may_draw.set()
        await bot.all_delivered()
        by_token = sum(request.path.startswith("/webhooks") for request in bot.discord.requests)
        shown = bot.pictures()
    return Late(jobs, moved, sum(times == 1 for times in shown.values()), by_token)


@dataclass(frozen=True)
class FaultFinding:
    """The outcome for jobs during many faults; ``refused`` counts responses of 401, 403 and 429."""

    jobs: int
    refused: int
    most_refused: int
    shown_once: int
    twice: int
    kept: int
    faults: int


async def run_with_faults(folder: Path, jobs: int, seed: int = 1) -> FaultFinding:
    """Let a third of the requests fail and half of the answers expire; then close all channels."""
    random, faults = Random(seed), 0

    def inject(request: Request) -> Fault | None:
        nonlocal faults
        chance = random.randrange(100)
        for status, after, wait_s, share in FAULT_RATES:
            if chance < share and "/callback" not in request.path:
                faults += 1
                return Fault(request.method, "", status, after=after, retry_after_s=wait_s)
            chance -= share
        return None

    renderer = BlockedRenderer()
    async with running_bot(folder, renderer) as bot:
        for asked in (await bot.ask(jobs))[::2]:
            asked.expired = True  # so ordinary messages meet faults, too
        bot.discord.choose_fault = inject
        renderer.may_draw.set()
        await bot.all_delivered()
        bot.discord.choose_fault = None
        shown = bot.pictures()
        refused = _refused(bot.discord)
        kept = await _close_all_channels(bot, renderer, jobs)
        most = _refused(bot.discord)
    once = sum(times == 1 for times in shown.values())
    twice = sum(times > 1 for times in shown.values())
    return FaultFinding(jobs, refused, most, once, twice, kept, faults)


async def _close_all_channels(bot: Application, renderer: BlockedRenderer, jobs: int) -> int:
    """Add as many jobs in a channel that closes meanwhile, of people who accept no direct messages."""
    renderer.may_draw.clear()
    asked = await bot.ask(jobs, channel_id=CLOSED_CHANNEL)
    bot.discord.closed_channels[CLOSED_CHANNEL] = (403, 50013)
    for number, one in enumerate(asked):
        one.expired = True
        person = str(900_000_000_000_000_100 + number)
        bot.discord.closed_channels[bot.discord.direct_channel(person)] = (403, 50007)
    renderer.may_draw.set()
    before, now = -1, 0
    while now != before or not now:  # until the bot stops sending, or every result is kept
        await asyncio.sleep(1.0)
        before, now = now, _refused(bot.discord)
    [kept] = await bot.store._run("SELECT count(*) FROM outbox WHERE state = 'kept'")
    return int(kept[0])


def _refused(discord: FakeDiscord) -> int:
    return sum(discord.statuses[status] for status in (401, 403, 429))
