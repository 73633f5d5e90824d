"""The Telegram adapter on a real desk and store, with many jobs at once, on a clock that jumps."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, cast
from unittest.mock import patch

import aiosqlite

from bot.chats.telegram_ import TelegramChat, TelegramConfig, adapter
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.rate_limiter import GROUP_MESSAGES_PER_MINUTE, RateLimiter
from bot.commands.values import Draw
from bot.outcomes import CommandContext, Platform, Receipt
from bot.policy.rules import Rules
from tests.crash.laws import UNFINISHED
from tests.crash.platforms.telegram_direct import DirectRequest
from tests.crash.platforms.virtual_time import VirtualLoop, run
from tests.fakes.chat import FakeChat
from tests.fakes.clock import START_MS, FakeClock
from tests.fakes.desk_harness import DeskHarness, open_harness
from tests.fakes.telegram_server import TOKEN, Call, Fault, TelegramServer
from tests.fakes.telegram_values import Refusal, Sent

GROUP_ID = -100_200
ALL_S = 4 * 3_600.0  # of the loop's clock
FAULT_RATE = 0.4
RULES = Rules(allow=frozenset({"telegram:*"}), daily_credits=10_000, max_waiting=10_000)


@dataclass(frozen=True)
class Flood:
    """The deliveries to the group."""

    delivered: int
    refused: int
    busiest_minute: int
    minutes: float


def flood(folder: Path, jobs: int) -> Flood:
    """End ``jobs`` jobs at the same moment, each with its placeholder in the same group."""
    return run(_flood(folder, jobs))


async def _flood(folder: Path, jobs: int) -> Flood:
    server = TelegramServer()
    server.group_limit = GROUP_MESSAGES_PER_MINUTE
    async with _open_desk(folder, server) as harness:
        for number in range(jobs):
            await _accept(harness, server, number, GROUP_ID, count=1)
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        async with harness.running():
            await _all_delivered(harness)
            minutes = (loop.time() - start_s) / 60
    times = server.in_groups[GROUP_ID]
    busiest = max(sum(at_s - 60 < other <= at_s for other in times) for at_s in times)
    return Flood(sum(_pictures(server).values()), len(server.refusals), busiest, minutes)


@dataclass(frozen=True)
class FaultFinding:
    """The deliveries after many faults."""

    pictures: int
    shown: int
    twice: int
    left_open: int
    faults: int


def run_with_faults(folder: Path, jobs: int, seed: int = 1) -> FaultFinding:
    """Let four of ten requests fail: refused for a while, failed, or done with the answer lost."""
    return run(_run_with_faults(folder, jobs, Random(seed)))


async def _run_with_faults(folder: Path, jobs: int, random: Random) -> FaultFinding:
    server, faults = TelegramServer(), 0

    def inject(call: Call) -> Fault | None:
        nonlocal faults
        if random.random() > FAULT_RATE or not call.method.startswith(("send", "edit")):
            return None
        faults += 1
        kind = random.randrange(3)
        if kind == 0:
            return Fault(Refusal(429, "Too Many Requests: retry after 2", {"retry_after": 2}))
        return Fault(Refusal(502, "Bad Gateway"), is_done_first=kind == 1)

    wanted: dict[str, int] = {}
    async with _open_desk(folder, server) as harness:
        server.choose_fault = inject
        for number in range(jobs):
            count = random.choice((1, 2))
            job_id = await _accept(
                harness, server, number, 1_000 + number, count, has_placeholder=random.random() < 0.7
            )
            wanted[job_id] = count
        async with harness.running():
            await _all_delivered(harness)
        kept = await harness.store._run("SELECT job FROM outbox WHERE state = 'kept'")
    shown = _pictures(server)
    twice = sum(shown[job_id] > count for job_id, count in wanted.items())
    return FaultFinding(sum(wanted.values()), sum(shown.values()), twice, len(kept), faults)


@asynccontextmanager
async def _open_desk(folder: Path, server: TelegramServer) -> AsyncIterator[DeskHarness]:
    """Open a desk with the real adapter on this server and the loop's clock."""
    loop = cast(VirtualLoop, asyncio.get_running_loop())
    with _without_sockets(server, loop):
        chat = TelegramChat(TelegramConfig(TOKEN, server.base_url, server.base_url), cast(Any, None))
        async with open_harness(
            folder, clock=LoopClock(loop), chat=cast(FakeChat, chat), rules=RULES
        ) as harness:
            chat._delivery._desk = harness.desk
            yield harness


async def _accept(
    harness: DeskHarness,
    server: TelegramServer,
    number: int,
    chat_id: int,
    count: int,
    *,
    has_placeholder: bool = True,
) -> str:
    """Accept a job of this chat as the adapter does; return its id."""
    address = ChatAddress(chat_id, reply_to=number + 1)
    if has_placeholder:
        address = replace(address, message_id=10_000 + number)
        sent = Sent(chat_id, 10_000 + number, "text", "Got it!", reply_to=number + 1)
        server.world.messages[chat_id, 10_000 + number] = sent
    context = CommandContext(Platform.TELEGRAM, f"event {number}", str(number % 20), address.to_address())
    receipt = await harness.desk.handle(Draw(prompt="a fox", count=count, again=True), context)
    assert isinstance(receipt, Receipt)
    return receipt.job_id


async def _all_delivered(harness: DeskHarness) -> None:
    async with asyncio.timeout(ALL_S):
        while (await harness.store._run(UNFINISHED))[0][0]:  # noqa: ASYNC110 - the store sends no signal
            await asyncio.sleep(1.0)


def _pictures(server: TelegramServer) -> Counter[str]:
    """How many pictures of each job are shown."""
    return Counter(sent.file_name.split("-")[1] for sent in server.world.messages.values() if sent.file)


class LoopClock(FakeClock):
    """A desk clock that follows the loop's clock."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop
        self._start_s = loop.time()

    def __call__(self) -> int:
        return START_MS + int(1_000 * (self._loop.time() - self._start_s))


@contextmanager
def _without_sockets(server: TelegramServer, loop: VirtualLoop) -> Iterator[None]:
    """Run the adapter on this server and clock; the clock stops during SQLite's work."""
    execute = aiosqlite.Connection._execute

    async def execute_outside(connection: Any, *arguments: Any, **named: Any) -> Any:
        with loop.outside():
            return await execute(connection, *arguments, **named)

    with (
        patch.object(adapter, "_make_client", lambda *_, **__: DirectRequest(server)),
        patch.object(adapter, "RateLimiter", lambda: RateLimiter(loop.time)),
        patch.object(aiosqlite.Connection, "_execute", execute_outside),
    ):
        yield
