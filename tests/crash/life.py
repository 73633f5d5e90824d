"""One life of a desk under test: run in a process of its own that may be killed at any moment.

It plays a platform that repeats what was not confirmed: ``confirmed.log`` is what the platform knows,
``told.log`` what people saw. Both are only appended to, so that a kill leaves them true.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import pypinyin  # noqa: F401 - the shelf imports it late; here it comes before the fork
import structlog

from bot.commands.values import Cancel, Draw
from bot.desk.outcomes import Parcel, Receipt
from bot.errors import AlreadyEnded
from bot.policy.rules import Rules
from bot.store.database import Database
from bot.store.post import Post
from tests.fakes.chat import FakeChat
from tests.fakes.clock import FakeClock
from tests.fakes.renderer import Act, FakeRenderer
from tests.fakes.room import Room, a_visit, open_room

PEOPLE = 7
RULES = Rules(daily_credits=100_000, max_waiting=100_000)


class WallClock(FakeClock):
    """The real time: back-offs must end by themselves here."""

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000


class ToldChat(FakeChat):
    """Writes down what people saw before it says so."""

    def __init__(self, log: Path) -> None:
        super().__init__(deliver_s=0.001)
        self._log = log

    async def deliver(self, parcel: Parcel) -> None:
        await super().deliver(parcel)
        append(self._log, f"{parcel.job_id} {parcel.state} {len(parcel.pictures)}")
        await asyncio.sleep(0.001)  # seen, and not yet marked


def append(log: Path, line: str) -> None:
    """One short line in one write."""
    with log.open("a", encoding="utf-8") as file:
        file.write(line + "\n")


def live(folder: Path, seed: int, events: int, ready: Connection, fault: str = "") -> None:
    """Live until all ``events`` are answered, drawn and told, or until killed."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if fault:
        FAULTS[fault]()
    asyncio.run(_live(folder, Random(seed), events, ready))


async def _live(folder: Path, random: Random, events: int, ready: Connection) -> None:
    acts = random.choices([Act.DRAW, Act.FAIL, Act.LOSE], weights=[18, 1, 1], k=10 * events)
    async with open_room(
        folder,
        renderer=FakeRenderer(acts, step_s=0.0002),
        clock=WallClock(),
        chat=ToldChat(folder / "told.log"),
        rules=RULES,
    ) as room:
        ready.send("ready")
        async with room.running():
            await _send(room, folder / "confirmed.log", events, random)
            while await _is_busy(room):  # noqa: ASYNC110 - the store rings no bell
                await asyncio.sleep(0.01)


def _confirmed(log: Path) -> set[int]:
    lines = log.read_text(encoding="utf-8").split("\n")[:-1] if log.exists() else []
    return {int(line.split()[0]) for line in lines}


async def _send(room: Room, log: Path, events: int, random: Random) -> None:
    confirmed = await asyncio.to_thread(_confirmed, log)
    repeated = sorted(confirmed)[-2:]  # the platform did not hear us: once more
    for event in [*repeated, *sorted(set(range(events)) - confirmed)]:
        visit = a_visit(f"event {event}", f"person {event % PEOPLE}")
        receipt = await room.desk.handle(Draw(prompt="a face", count=1 + event % 3), visit)
        assert isinstance(receipt, Receipt)
        append(log, f"{event} {receipt.job_id}")
        if event % 5 == 0:
            await room.desk.handle(Draw(prompt="again"), visit)
        if event % 7 == 3:
            try:
                await room.desk.handle(Cancel(receipt.job_id), visit)
            except AlreadyEnded:
                continue
        await asyncio.sleep(random.uniform(0, 0.004))


async def _is_busy(room: Room) -> bool:
    [busy] = await room.store._database._run(
        "SELECT (SELECT count(*) FROM job WHERE ended_ms IS NULL)"
        "     + (SELECT count(*) FROM outbox WHERE state <> 'sent') AS count"
    )
    return bool(busy["count"])


def _without_transactions() -> None:
    """Every statement commits by itself."""

    @asynccontextmanager
    async def atomic(database: Database) -> AsyncIterator[None]:
        yield
        effects, database._after_commit = database._after_commit, []
        for effect in effects:
            effect()

    def after_commit(database: Database, effect: Callable[[], None]) -> None:
        database._after_commit.append(effect)

    Database.atomic = atomic  # type: ignore[method-assign]
    Database.after_commit = after_commit  # type: ignore[method-assign]


def _without_recovery() -> None:
    """What was being sent when the process died is forgotten."""

    async def recover(_: Post) -> None:
        return

    Post.recover = recover  # type: ignore[method-assign]


FAULTS = {"no transactions": _without_transactions, "no recovery of the outbox": _without_recovery}
"""Planted faults: a harness that does not see them is blind."""
