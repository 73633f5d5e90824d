"""The row of a disk that refuses writes (full, read-only, failing, locked) and recovers under one desk."""

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
PROMPT = "面" * 800  # the longest prompt, so that hardly a page has room for another job


@dataclass
class Observed:
    """What one process observes while its disk fails and recovers."""

    receipts: dict[str, str] = field(default_factory=dict)  # event → job
    newest_job: str = ""
    refused: int = 0
    refusal_texts: set[str] = field(default_factory=set)
    is_faulty: bool = False
    delivered: int = 0
    errors: list[str] = field(default_factory=list)
    broken_laws: list[str] = field(default_factory=list)


async def fill(harness: DeskHarness) -> None:
    """Allow no new page, and fill the free space of the existing ones."""
    query = harness.store.query
    [(pages,)] = await harness.store._run("PRAGMA page_count")
    await harness.store._run(f"PRAGMA max_page_count = {pages}")
    for letters in (3_000, 300, 30):
        with suppress(CannotSave):
            while True:
                junk = {"event_id": f"junk {next(_numbers)}", "payload": letters * "x"}
                await query("jobs.sql", "add_event", platform="web", now_ms=0, **junk)


async def make_room(harness: DeskHarness) -> None:
    await harness.store._run("PRAGMA max_page_count = 1000000")
    async with harness.store.atomic():  # separate from the desk's transactions, which may be rolled back
        await harness.store._run("DELETE FROM inbox WHERE platform = 'web'")


async def forbid(harness: DeskHarness) -> None:
    """Act like a file system that is remounted read-only."""
    await harness.store._run("PRAGMA query_only = 1")


async def allow(harness: DeskHarness) -> None:
    await harness.store._run("PRAGMA query_only = 0")


async def fail(_: DeskHarness) -> None:
    """Let the kernel refuse each write of this process beyond the first page: an I/O error for SQLite."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))


async def repair(_: DeskHarness) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


async def lock(harness: DeskHarness) -> None:
    """Act like a host's ``sqlite3`` shell in the middle of a transaction."""
    await harness.store._run("PRAGMA busy_timeout = 5")
    _shells[harness.folder] = shell = sqlite3.connect(
        harness.folder / "sugarbot.db", isolation_level=None, timeout=5, check_same_thread=False
    )
    await asyncio.to_thread(shell.execute, "BEGIN IMMEDIATE")


async def unlock(harness: DeskHarness) -> None:
    _shells.pop(harness.folder).close()


_shells: dict[Path, sqlite3.Connection] = {}
_numbers = count()

Change = Callable[[DeskHarness], Awaitable[None]]
DISK_FAULTS: dict[str, tuple[Change, Change]] = {  # what starts the fault, and what ends it
    "full": (fill, make_room),
    "read-only": (forbid, allow),
    "failing": (fail, repair),
    "locked": (lock, unlock),
}


def faulty_disk(scale: Scale) -> Measured:
    """Start and end each kind of disk fault repeatedly while one desk works."""
    times = scale.of(3, 100)
    observed = {fault: _run_process(scale.folder / fault, fault, times) for fault in DISK_FAULTS}
    refused = sum(each.refused for each in observed.values())
    jobs = sum(len(each.receipts) for each in observed.values())
    broken = [
        f"{fault}: {error}" for fault, each in observed.items() for error in (*each.errors, *each.broken_laws)
    ]
    undelivered = jobs - sum(each.delivered for each in observed.values())
    has_both_languages = all(len(each.refusal_texts) == 2 for each in observed.values())
    figures = (
        f"{len(DISK_FAULTS)} faults × {times} without a restart: {refused:,} requests refused in both "
        f"languages, {jobs:,} accepted, {undelivered} of them without a result, {len(broken)} laws broken"
    )
    return Measured(
        figures + (f"; first: {broken[0]}" if broken else ""),
        not (broken or undelivered) and has_both_languages,
    )


def _run_process(folder: Path, fault: str, times: int) -> Observed:
    folder.mkdir()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.crash.preload"])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=repeat_fault, args=(folder, fault, times, sender), daemon=True)
    process.start()
    sender.close()
    try:
        with receiver:
            observed: Observed = receiver.recv()
    except EOFError:
        observed = Observed(errors=["the process ended without a result"])
    process.join(30)
    process.kill()
    process.join()
    if process.exitcode:
        observed.errors.append(f"exit code {process.exitcode}")
    return observed


def repeat_fault(folder: Path, fault: str, times: int, sender: Connection) -> None:
    """Start and end the fault so many times, then send what was observed."""
    files.SAVE_AGAIN_S = 0.01
    observed = Observed()
    asyncio.run(_repeat_fault(folder, fault, times, observed))
    connection = sqlite3.connect(folder / "sugarbot.db")
    observed.broken_laws = broken_laws(connection)
    connection.close()
    sender.send(observed)


async def _repeat_fault(folder: Path, fault: str, times: int, observed: Observed) -> None:
    start, end = DISK_FAULTS[fault]
    random = Random(19)
    async with (
        open_harness(folder, rules=RICH, renderer=FakeRenderer(step_s=0.0003)) as harness,
        harness.running(),
    ):
        async with _requests(harness, observed):
            for _ in range(times):
                await asyncio.sleep(random.uniform(0, 0.02))
                refused = observed.refused
                await start(harness)
                observed.is_faulty = True
                await until(lambda: observed.refused > refused, 20)  # noqa: B023
                await asyncio.sleep(random.uniform(0, 0.03))
                await end(harness)
                observed.is_faulty = False
                receipts = len(observed.receipts)
                await until(lambda: len(observed.receipts) > receipts, 20)  # noqa: B023
                await until(lambda: _has_room(harness, observed), 60)
        await harness.chat.wait_for_results(len(observed.receipts), timeout_s=60)
        observed.delivered = len(
            {result.job_id for result in harness.chat.results} & set(observed.receipts.values())
        )


def _has_room(harness: DeskHarness, observed: Observed) -> bool:
    """Whether the queue is short enough for another job."""
    return harness.desk.parts.queue.scheduler.ahead_of(observed.newest_job).jobs < MOST_WAITING


@asynccontextmanager
async def _requests(harness: DeskHarness, observed: Observed) -> AsyncIterator[None]:
    """Let people send requests all the time, some of them through the inbox."""
    is_over = asyncio.Event()

    async def send_directly() -> None:
        for number in takewhile(lambda _: not is_over.is_set(), count()):
            # While the disk is faulty no job is drawn, so a full queue does not hold requests back.
            if observed.is_faulty or _has_room(harness, observed):
                await _request(harness, f"press {number}", observed)
            await asyncio.sleep(0.002)

    async def send_through_inbox() -> None:
        for number in takewhile(lambda _: not is_over.is_set(), count()):
            event = f"message {number}"
            await harness.desk.store_events(Platform.CONSOLE, [(event, event)])
            await _request(harness, event, observed)
            await harness.desk.finish_event(Platform.CONSOLE, event)
            await asyncio.sleep(0.02)

    tasks = {
        asyncio.create_task(send_directly(), name="presses"),
        asyncio.create_task(send_through_inbox(), name="messages"),
    }
    try:
        yield
    finally:
        is_over.set()
        await asyncio.wait(tasks)
        observed.errors += [repr(error) for task in tasks if (error := task.exception())]


async def _request(harness: DeskHarness, event: str, observed: Observed) -> None:
    try:
        receipt = await harness.desk.handle(Draw(prompt=PROMPT, count=2), a_context(event, event))
    except CannotSave as error:
        observed.refused += 1
        observed.refusal_texts |= {format_error(error, locale) for locale in ("en", "zh-CN")}
        return
    assert isinstance(receipt, Receipt)
    observed.receipts[event] = observed.newest_job = receipt.job_id


ROWS = (
    Row(
        "19",
        "disk full, read-only and failing, database locked, while the desk works",
        "0 corrupt, 0 charged for nothing, a clear message, recovers without restart",
        faulty_disk,
    ),
)
