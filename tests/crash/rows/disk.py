"""The row of a disk that takes nothing (full, read-only, failing, locked) and recovers, under one desk."""

import asyncio
import multiprocessing
import resource
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count, takewhile
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from bot.commands.values import Draw
from bot.desk import files
from bot.errors import CannotSave
from bot.messages import format_error
from bot.outcomes import Platform, Receipt
from bot.policy.rules import Rules
from tests.crash.laws import broken_laws
from tests.crash.rows import Measured, Row, Scale
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness, until
from tests.fakes.renderer import FakeRenderer

RICH = Rules(daily_credits=1_000_000, max_waiting=100)
MOST_WAITING = 8
PROMPT = "面" * 800  # the longest: hardly a job finds a page with room for it


@dataclass
class Suffered:
    """What happened to people in one process."""

    receipts: dict[str, str] = field(default_factory=dict)  # event → job
    refused: int = 0
    is_ill: bool = False
    newest: str = ""
    strange: list[str] = field(default_factory=list)
    told: int = 0
    sentences: set[str] = field(default_factory=set)
    laws: list[str] = field(default_factory=list)


async def fill(harness: DeskHarness) -> None:
    """No page more, and what is free in the others taken by somebody else."""
    query = harness.store.query
    [(pages,)] = await harness.store._run("PRAGMA page_count")
    await harness.store._run(f"PRAGMA max_page_count = {pages}")
    for letters in (3_000, 300, 30):
        with suppress(CannotSave):
            while True:
                junk = {"event_id": f"junk {next(_numbers)}", "payload": letters * "x"}
                await query("chats.sql", "add_event", platform="web", now_ms=0, **junk)


async def make_room(harness: DeskHarness) -> None:
    await harness.store._run("PRAGMA max_page_count = 1000000")
    async with harness.store.atomic():  # not within a transaction of the desk, which may be rolled back
        await harness.store._run("DELETE FROM inbox WHERE platform = 'web'")


async def forbid(harness: DeskHarness) -> None:
    """As a file system that was remounted read-only."""
    await harness.store._run("PRAGMA query_only = 1")


async def allow(harness: DeskHarness) -> None:
    await harness.store._run("PRAGMA query_only = 0")


async def fail(_: DeskHarness) -> None:
    """Every write of this process beyond the first page fails in the kernel: an I/O error to SQLite."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))


async def mend(_: DeskHarness) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


async def lock(harness: DeskHarness) -> None:
    """As a host's own ``sqlite3`` shell in the middle of a transaction."""
    await harness.store._run("PRAGMA busy_timeout = 5")
    _shells[harness.folder] = shell = sqlite3.connect(
        harness.folder / "sugarbot.db", isolation_level=None, timeout=5, check_same_thread=False
    )
    await asyncio.to_thread(shell.execute, "BEGIN IMMEDIATE")


async def unlock(harness: DeskHarness) -> None:
    _shells.pop(harness.folder).close()


_shells: dict[Path, sqlite3.Connection] = {}
_numbers = count()

Turn = Callable[[DeskHarness], Awaitable[None]]
ILLS: dict[str, tuple[Turn, Turn]] = {
    "full": (fill, make_room),
    "read-only": (forbid, allow),
    "failing": (fail, mend),
    "locked": (lock, unlock),
}


def ill_disk(scale: Scale) -> Measured:
    """Take the disk away and give it back under one desk, again and again, for each kind of illness."""
    times = scale.of(3, 100)
    found = {ill: _in_a_process(scale.folder / ill, ill, times) for ill in ILLS}
    refused = sum(each.refused for each in found.values())
    jobs = sum(len(each.receipts) for each in found.values())
    strange = [f"{ill}: {what}" for ill, each in found.items() for what in (*each.strange, *each.laws)]
    untold = jobs - sum(each.told for each in found.values())
    is_said = all(len(each.sentences) == 2 for each in found.values())
    said = (
        f"{len(ILLS)} × {times} times ill and well without a restart: {refused:,} refused in both languages, "
        f"{jobs:,} accepted, {untold} of them not told, {len(strange)} laws broken"
    )
    return Measured(said + (f"; first: {strange[0]}" if strange else ""), not (strange or untold) and is_said)


def _in_a_process(folder: Path, ill: str, times: int) -> Suffered:
    folder.mkdir()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.crash.preload"])
    wait_for_change, tell = context.Pipe(duplex=False)
    process = context.Process(target=suffer, args=(folder, ill, times, tell), daemon=True)
    process.start()
    tell.close()
    try:
        with wait_for_change:
            found: Suffered = wait_for_change.recv()
    except EOFError:
        found = Suffered(strange=["the process ended before it could tell"])
    process.join(30)
    process.kill()
    process.join()
    if process.exitcode:
        found.strange.append(f"exit code {process.exitcode}")
    return found


def suffer(folder: Path, ill: str, times: int, tell: Connection) -> None:
    """Be ill and well so often; tells what happened."""
    files.SAVE_AGAIN_S = 0.01
    suffered = Suffered()
    asyncio.run(_suffer(folder, ill, times, suffered))
    connection = sqlite3.connect(folder / "sugarbot.db")
    suffered.laws = broken_laws(connection)
    connection.close()
    tell.send(suffered)


async def _suffer(folder: Path, ill: str, times: int, suffered: Suffered) -> None:
    fall_ill, recover = ILLS[ill]
    random = Random(19)
    async with (
        open_harness(folder, rules=RICH, renderer=FakeRenderer(step_s=0.0003)) as harness,
        harness.running(),
    ):
        async with _knocking(harness, suffered):
            for _ in range(times):
                await asyncio.sleep(random.uniform(0, 0.02))
                refused = suffered.refused
                await fall_ill(harness)
                suffered.is_ill = True
                await until(lambda: suffered.refused > refused, 20)  # noqa: B023
                await asyncio.sleep(random.uniform(0, 0.03))
                await recover(harness)
                suffered.is_ill = False
                receipts = len(suffered.receipts)
                await until(lambda: len(suffered.receipts) > receipts, 20)  # noqa: B023
                await until(
                    lambda: harness.desk.parts.queue.scheduler.ahead_of(suffered.newest).jobs < MOST_WAITING,
                    60,
                )
        await harness.chat.wait_for_results(len(suffered.receipts), timeout_s=60)
        suffered.told = len(
            {result.job_id for result in harness.chat.results} & set(suffered.receipts.values())
        )
        suffered.laws = []


@asynccontextmanager
async def _knocking(harness: DeskHarness, suffered: Suffered) -> AsyncIterator[None]:
    """People come all the time, some through the inbox."""
    is_over = asyncio.Event()

    async def press() -> None:
        for number in takewhile(lambda _: not is_over.is_set(), count()):
            # A full line is no reason to stay away from an ill disk: nobody draws then.
            if (
                suffered.is_ill
                or harness.desk.parts.queue.scheduler.ahead_of(suffered.newest).jobs < MOST_WAITING
            ):
                await _ask(harness, f"press {number}", suffered)
            await asyncio.sleep(0.002)

    async def hand_over() -> None:
        for number in takewhile(lambda _: not is_over.is_set(), count()):
            event = f"message {number}"
            await harness.desk.store_events(Platform.CONSOLE, [(event, event)])
            await _ask(harness, event, suffered)
            await harness.desk.finish_event(Platform.CONSOLE, event)
            await asyncio.sleep(0.02)

    tasks = {asyncio.create_task(press(), name="presses"), asyncio.create_task(hand_over(), name="messages")}
    try:
        yield
    finally:
        is_over.set()
        await asyncio.wait(tasks)
        suffered.strange += [repr(error) for task in tasks if (error := task.exception())]


async def _ask(harness: DeskHarness, event: str, suffered: Suffered) -> None:
    try:
        receipt = await harness.desk.handle(Draw(prompt=PROMPT, count=2), a_context(event, event))
    except CannotSave as error:
        suffered.refused += 1
        suffered.sentences |= {format_error(error, locale) for locale in ("en", "zh-CN")}
        return
    assert isinstance(receipt, Receipt)
    suffered.receipts[event] = suffered.newest = receipt.job_id


ROWS = (
    Row(
        "19",
        "disk full, read-only and failing, database locked, while the desk works",
        "0 corrupt, 0 charged for nothing, a clear message, recovers without restart",
        ill_disk,
    ),
)
