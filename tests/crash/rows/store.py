"""Rows of the open store: cancels inside ``atomic``, many writers, backups."""

import asyncio
import signal
import sqlite3
import time
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from types import CoroutineType

from bot.policy.rules import Rules
from bot.store.files import backup
from bot.store.files.restore import restore
from bot.store.rows import LedgerKind
from tests.crash.harness import begin
from tests.crash.rows import Measured, Row, Scale
from tests.fakes.desk_harness import MIGRATIONS, DeskHarness, open_harness
from tests.unit.bot.store.stored import a_person

RICH = Rules(daily_credits=1_000_000, max_waiting=100)
TASKS, WRITES = 50, 200
NOW_S = 1_790_000_000.0
RESTORE_WITHIN_S = 300.0


def cancels_inside(scale: Scale) -> Measured:
    """Cancel a task at every await of the transaction that accepts a job, while another task accepts one."""
    return asyncio.run(_cancels_inside(scale.folder, scale.of(150, 1_000)))


async def _cancels_inside(folder: Path, wanted: int) -> Measured:
    random, cancels, run, foreign, left_inside = Random(13), 0, 0, 0, 0
    awaits: set[str] = set()
    async with open_harness(folder, rules=RICH) as harness:
        while cancels < wanted:
            run += 1
            victim = asyncio.create_task(harness.accept(f"victim {run}", f"victim {run}"))
            neighbour = asyncio.create_task(harness.accept(f"neighbour {run}", f"neighbour {run}"))
            for _ in range(random.randint(0, 90)):
                await asyncio.sleep(0 if random.random() < 0.8 else 0.00005)
            if not victim.done() and (position := _await_of(victim)):
                awaits.add(position)
                victim.cancel()
                cancels += 1
            await asyncio.gather(victim, neighbour, return_exceptions=True)
            left_inside += harness.store._connection.in_transaction
            stored = await _stored_rows(harness, f"victim {run}")
            foreign += stored not in (0, 5) or await _stored_rows(harness, f"neighbour {run}") != 5
            queued = [
                job_id
                for job_id in harness.desk.parts.queue.scheduler.queue()
                if await _event_of(harness, job_id) == f"victim {run}"
            ]
            foreign += bool(stored) != bool(queued)  # the queue in memory must equal the database
            for job_id in harness.desk.parts.queue.scheduler.queue():
                harness.desk.parts.queue.remove(job_id)
    figures = (
        f"{cancels:,} cancels at {len(awaits)} awaits, {left_inside} times a transaction left open, "
        f"{foreign} times incomplete or foreign rows"
    )
    return Measured(figures, not left_inside and not foreign)


async def _stored_rows(harness: DeskHarness, event: str) -> int:
    """Count the rows of one acceptance: identity, account, origin, job and charge, so 0 or 5."""
    [(count,)] = await harness.store._run(
        "SELECT (SELECT count(*) FROM identity WHERE user_id = :event)"
        " + (SELECT count(*) FROM account JOIN identity USING (person) WHERE user_id = :event)"
        " + (SELECT count(*) FROM origin WHERE event_id = :event)"
        " + (SELECT count(*) FROM job JOIN origin ON origin.job = job.id WHERE event_id = :event)"
        " + (SELECT count(*) FROM ledger JOIN origin USING (job) WHERE event_id = :event"
        "    AND kind = 'charge')",
        {"event": event},
    )
    return int(count)


async def _event_of(harness: DeskHarness, job_id: str) -> str:
    [(event,)] = await harness.store._run("SELECT event_id FROM origin WHERE job = :job", {"job": job_id})
    return str(event)


def _await_of(task: asyncio.Task[None]) -> str:
    """Return where in the product a task waits; empty if it has not started or waits for its transaction."""
    position, work = "", task.get_coro()
    while isinstance(work, CoroutineType) and work.cr_frame is not None:
        code = work.cr_frame.f_code
        if "/bot/" in code.co_filename:
            position += f" {code.co_qualname}:{work.cr_frame.f_lineno}"
        work = work.cr_await
    return position if "atomic" not in position else ""


def many_writers(scale: Scale) -> Measured:
    """Let 50 tasks write 200 times each on one connection while backups run."""
    return asyncio.run(_many_writers(scale.folder, scale.of(20, WRITES)))


async def _many_writers(folder: Path, writes: int) -> Measured:
    busy, waits_s = 0, list[float]()
    async with open_harness(folder, rules=RICH) as harness:
        people = [await a_person(harness.store, "console", str(n), "", "en", 1) for n in range(TASKS)]

        async def write(person: int) -> None:
            nonlocal busy
            for number in range(writes):
                started_s = time.perf_counter()
                try:
                    async with harness.store.atomic():
                        await harness.store.people.move_credits(person, LedgerKind.GRANT, 1, number)
                except sqlite3.OperationalError as error:
                    busy += error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                waits_s.append(time.perf_counter() - started_s)

        backing_up = asyncio.create_task(_back_up_continuously(folder))
        await asyncio.gather(*(write(person) for person in people))
        backing_up.cancel()
        alone_s = []
        for number in range(200):
            started_s = time.perf_counter()
            async with harness.store.atomic():
                await harness.store.people.move_credits(people[0], LedgerKind.GRANT, 1, number)
            alone_s.append(time.perf_counter() - started_s)
        survey = await harness.store.survey()
    expected = TASKS * writes + len(alone_s)
    figures = (
        f"{TASKS} × {writes} writes during backups: {busy} busy; "
        f"a single write p99 {_p99_ms(alone_s):.1f} ms, behind 49 others p99 {_p99_ms(waits_s):.0f} ms"
    )
    return Measured(figures, not busy and survey.is_sound and survey.credits == expected)


async def _back_up_continuously(folder: Path) -> None:
    for number in range(10**6):
        await asyncio.to_thread(backup.back_up, folder / "sugarbot.db", folder / "backups", NOW_S + number)
        await asyncio.to_thread(backup.thin_out, folder / "backups", NOW_S + number)


def _p99_ms(seconds: list[float]) -> float:
    return 1_000 * sorted(seconds)[int(0.99 * len(seconds))]


def backups(scale: Scale) -> Measured:
    """Make backups while people send requests and pictures are drawn; restore each; kill restores."""
    wanted = scale.of(8, 100)
    made = asyncio.run(_backups_under_load(scale.folder, wanted))
    wrong, longest_s, jobs = list[str](), 0.0, 0
    path = scale.folder / "restored" / "sugarbot.db"
    for number, file in enumerate(made):
        started_s = time.monotonic()
        restore(file, path, MIGRATIONS, NOW_S + number)
        longest_s = max(longest_s, time.monotonic() - started_s)
        wrong += _unsound(path)
        with closing(sqlite3.connect(path)) as connection:
            [(now,)] = connection.execute("SELECT count(*) FROM job")
        if now < jobs:
            wrong.append("a later backup has fewer jobs")
        jobs = now
    kills = 0
    random = Random(18)
    for number in range(scale.of(6, 100)):
        process = begin(restore_once, made[number % 2 - 1], path, number)
        process.join(random.uniform(0, 0.02))
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
        wrong += _unsound(path)
    figures = (
        f"{len(made)} backups under load and their restores, {kills} kills of restores: "
        f"{len(wrong)} unsound; longest restore {longest_s:.2f} s"
    )
    return Measured(figures + (f": {wrong[0]}" if wrong else ""), not wrong and longest_s < RESTORE_WITHIN_S)


async def _backups_under_load(folder: Path, wanted: int) -> list[Path]:
    made = []
    async with open_harness(folder, rules=RICH) as harness, harness.running():

        async def send_requests() -> None:
            for number in range(10**6):
                await harness.accept(str(number), str(number))
                await harness.chat.wait_for_results(max(0, number - 3), timeout_s=60)

        requests = asyncio.create_task(send_requests(), name="requests")
        for number in range(wanted):
            arguments = (folder / "sugarbot.db", folder / "backups", NOW_S + number)
            made.append(await asyncio.to_thread(backup.back_up, *arguments))
        requests.cancel()
        await asyncio.wait({requests})
    return made


def restore_once(file: Path, path: Path, number: int, ready: Connection) -> None:
    """Restore; this process may be killed meanwhile."""
    ready.send("ready")
    restore(file, path, MIGRATIONS, NOW_S + 1_000 + number)


def _unsound(path: Path) -> list[str]:
    """Return what is wrong with a database whose jobs may be unfinished."""
    if not path.exists():
        return ["the database is missing"]
    with closing(sqlite3.connect(path)) as connection:
        [(verdict,)] = connection.execute("PRAGMA integrity_check")
        strays = connection.execute("PRAGMA foreign_key_check").fetchall()
        [(unbalanced,)] = connection.execute(
            "SELECT count(*) FROM account WHERE credits <> "
            "(SELECT coalesce(sum(credits), 0) FROM ledger WHERE ledger.person = account.person)"
        )
    return [str(what) for what in (verdict != "ok" and verdict, strays, unbalanced and "unbalanced") if what]


ROWS = (
    Row(
        "13",
        "cancels at each await inside a transaction",
        "1,000 cancels: no transaction left open, 0 incomplete or foreign rows",
        cancels_inside,
    ),
    Row("14", "50 tasks × 200 writes", "0 busy; p99 of a write ≤ 20 ms", many_writers),
    Row(
        "18",
        "backups while the bot writes, restores, kills of restores",
        "100 of 100 sound; a restore ≤ 5 min",
        backups,
    ),
)
