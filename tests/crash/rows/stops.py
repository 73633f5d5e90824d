"""Rows of stops: one job by its person, the desk by SIGTERM, each service and the process at any moment."""

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

from bot.cli import runner
from bot.commands.values import Cancel, Draw
from bot.desk import maintenance
from bot.desk.backups import NightlyBackups
from bot.errors import AlreadyEnded
from bot.outcomes import CancelAccepted, JobState
from bot.policy.rules import Rules
from bot.store import open_store
from engine.planner.costs.book import CostBook
from engine.request import Drawn, Event, Failed, Finished, RenderRequest, Stopped
from tests.crash.harness import begin
from tests.crash.laws import broken_laws_of
from tests.crash.rows import Measured, Row, Scale
from tests.fakes.desk_harness import MIGRATIONS, DeskHarness, a_context, open_harness, until
from tests.fakes.renderer import Act, FakeRenderer

RICH = Rules(daily_credits=1_000_000, max_waiting=100)
DRAIN_WITHIN_S, EXIT_WITHIN_S = 30.0, 5.0
STOP_WITHIN_S = 1.0
PEOPLE = 5
IN_PARALLEL = 10  # tasks that start and stop services


@dataclass
class StepRenderer(FakeRenderer):
    """Counts the steps and pictures that are drawn after a request to cancel."""

    steps_after: list[int] = field(default_factory=list)
    pictures: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        FakeRenderer.__init__(self, step_s=0.001)
        self.steps = 0

    async def render(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        after = 0

        def count(event: Event) -> None:
            nonlocal after
            after += request.job_id in self.cancelled
            self.pictures[request.job_id] += isinstance(event, Drawn)
            self.steps += 1
            listen(event)

        self.steps = 0
        answer = await super().render(request, count)
        self.steps_after.append(after)
        return answer


def cancels(scale: Scale) -> Measured:
    """Cancel waiting jobs, and running jobs after different numbers of steps."""
    return asyncio.run(_cancels(scale))


async def _cancels(scale: Scale) -> Measured:
    folder, wanted = scale.folder, scale.of(50, 1_000)
    renderer, wrong, late, longest_s = StepRenderer(), 0, 0, 0.0
    async with open_harness(folder, rules=RICH, renderer=renderer) as harness:
        for number in range(wanted):
            asked = await _cancel(harness, await _accept(harness, f"waiting {number}"))
            wrong += (asked.was_running, asked.refund) != (False, 4)
        async with harness.running():
            await harness.chat.wait_for_results(wanted, timeout_s=600)
            for number in range(wanted):
                job_id = await _accept(harness, f"running {number}")
                await until(lambda: renderer.running == job_id and renderer.steps > number % 30, 30)  # noqa: B023
                began_s = time.monotonic()
                try:
                    wrong += not (await _cancel(harness, job_id)).was_running
                except AlreadyEnded:  # on a busy machine it was drawn and saved meanwhile
                    wrong += renderer.pictures[job_id] != 4
                await until(lambda: renderer.running != job_id, 30)  # noqa: B023
                longest_s = max(longest_s, time.monotonic() - began_s)
                await harness.chat.wait_for_results(wanted + number + 1, timeout_s=30)
                result = harness.chat.results[-1]
                kept = renderer.pictures[job_id]
                was_late = kept == 4 and result.state is JobState.DONE  # at most the end was not yet saved
                late += was_late
                wrong += result.job_id != job_id or not (was_late or result.state is JobState.CANCELLED)
                wrong += (len(result.pictures), result.refund) != (kept, 4 - kept)
    broken = broken_laws_of(folder)
    steps = max(renderer.steps_after)
    figures = (
        f"{wanted:,} waiting and {wanted:,} running ({late} too late): {wrong} wrong, "
        f"{len(broken)} laws broken; stopped after at most {steps} more steps, {longest_s * 1_000:.0f} ms"
    )
    is_fast = longest_s < STOP_WITHIN_S or not scale.is_long
    return Measured(figures, not (wrong or broken) and steps <= 1 and is_fast)


async def _accept(harness: DeskHarness, event: str) -> str:
    return (await harness.accept(event, event, count=4)).job_id


async def _cancel(harness: DeskHarness, job_id: str) -> CancelAccepted:
    job = await harness.job(job_id)
    asked = await harness.desk.handle(Cancel(job_id), a_context("cancel", job.ref.removeprefix("ref-")))
    assert isinstance(asked, CancelAccepted)
    return asked


def drains(scale: Scale) -> Measured:
    """Send SIGTERM to processes whose desk accepts, draws and delivers, all on one folder."""
    wanted, random = scale.of(5, 100), Random(12)
    took: list[float] = []
    requeued, wrong = 0, 0
    for run in range(wanted):
        process = begin(serve_under_load, scale.folder, run)
        process.join(random.uniform(0.03, 0.25))
        began_s = time.monotonic()
        process.terminate()
        process.join(2 * DRAIN_WITHIN_S)
        took.append(time.monotonic() - began_s)
        process.kill()
        process.join()
        wrong += process.exitcode != 0
        [(running, attempts_lost, waiting)] = _query(
            scale.folder,
            "SELECT coalesce(sum(state = 'running'), 0), coalesce(sum(attempt <> (state = 'done')), 0), "
            "coalesce(sum(state = 'queued' AND started_ms IS NOT NULL), 0) FROM job",
        )
        wrong += bool(running or attempts_lost)
        requeued += bool(waiting)
    asyncio.run(_finish(scale.folder))
    broken = broken_laws_of(scale.folder)
    figures = (
        f"{wanted - wrong} of {wanted} ended with 0 and counted no attempt, {requeued} requeued a running "
        f"job, longest {max(took):.2f} s; {len(broken)} laws broken at the end"
    )
    is_met = requeued > wanted / 4
    return Measured(figures, not wrong and not broken and is_met and max(took) < DRAIN_WITHIN_S)


def serve_under_load(folder: Path, run: int, ready: Connection) -> None:
    """Run a desk under load until SIGTERM."""

    async def serve() -> int:
        renderer = FakeRenderer(step_s=0.002)
        async with (
            open_harness(folder, rules=RICH, renderer=renderer) as harness,
            harness.running(drain_s=25),
        ):
            for number in range(10**6):
                if renderer.running and not ready.closed:
                    ready.send("ready")
                    ready.close()
                if len(harness.desk.parts.queue.scheduler.queue()) < PEOPLE:
                    context = a_context(f"{run} {number}", f"person {number % PEOPLE}")
                    await harness.desk.handle(Draw(prompt="a face", count=1 + number % 3), context)
                await asyncio.sleep(0.001)
        return 1

    _exit_with(runner.run(serve, stop_code=0))


async def _finish(folder: Path) -> None:
    async with open_harness(folder, rules=RICH) as harness, harness.running():
        run = harness.store._run
        while (await run("SELECT count(*) FROM job WHERE ended_ms IS NULL"))[0][0]:  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)


def exits(scale: Scale) -> Measured:
    """Send SIGTERM at a random moment from a process's start on: it ends soon and leaves nothing open."""
    wanted, random = scale.of(10, 100), Random(20)
    took: list[float] = []
    wrong = 0
    for run in range(wanted):
        folder = scale.folder / str(run % 10)
        folder.mkdir(exist_ok=True)
        process = begin(open_and_close, folder, run)
        process.join(random.uniform(0, 0.08))
        began_s = time.monotonic()
        process.terminate()
        process.join(DRAIN_WITHIN_S)
        took.append(time.monotonic() - began_s)
        process.kill()
        process.join()
        wrong += process.exitcode != 0
        wrong += any((folder / f"sugarbot.db{end}").exists() for end in ("-wal", "-shm"))
    figures = f"{wanted - wrong} of {wanted} ended with 0, nothing left open; longest {max(took):.2f} s"
    is_soon = max(took) < EXIT_WITHIN_S or not scale.is_long
    return Measured(figures, not wrong and is_soon)


def open_and_close(folder: Path, run: int, ready: Connection) -> None:
    """Open, work and close until SIGTERM; the exit code is 1 if a connection or its thread is left."""

    async def work() -> int:
        ready.send("ready")
        for number in range(10**6):
            async with open_harness(folder, rules=RICH) as harness, harness.running():
                await harness.desk.handle(Draw(prompt="a face"), a_context(f"{run} {number}"))
                await asyncio.sleep(0.005)
        return 1

    code = runner.run(work, stop_code=0)
    if left := _left_open(folder):
        raise SystemExit(f"left open: {left}")
    _exit_with(code)


def _exit_with(code: int) -> None:
    if code:
        raise SystemExit(code)


def _left_open(folder: Path, earlier: Collection[threading.Thread] = ()) -> list[str]:
    """Return this process's open files of the database, and the threads of connections that do not end.

    Threads in ``earlier`` belong to other tests of this process.
    """

    def workers() -> list[threading.Thread]:
        threads = [thread for thread in threading.enumerate() if thread not in earlier]
        return [thread for thread in threads if "connection_worker" in thread.name]

    for thread in workers():
        thread.join(1)  # a thread reports its end a moment before it ends
    names = []
    for each in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            names.append(os.readlink(each))
    open_files = [name for name in names if name.startswith(str(folder / "sugarbot.db"))]
    return open_files + [thread.name for thread in workers()]


def starts_and_stops(scale: Scale) -> Measured:
    """Let parallel tasks start each service and stop it, each time at another moment."""
    return asyncio.run(_starts_and_stops(scale.folder, scale.of(10, 50)))


async def _starts_and_stops(folder: Path, cycles: int) -> Measured:
    hangs, errors = 0, Counter[str]()
    files_before, earlier = len(os.listdir("/proc/self/fd")), threading.enumerate()

    async def cycle_all(task: int) -> None:
        nonlocal hangs
        random = Random(task)
        own_folder = folder / str(task)
        own_folder.mkdir()
        for cycle in range(cycles):
            service = SERVICES[cycle % len(SERVICES)]
            try:
                async with asyncio.timeout(60):
                    await service(own_folder, random, cycle)
            except TimeoutError:
                hangs += 1
            except Exception as error:  # noqa: BLE001 - no stop may raise an error, so all are counted
                errors[f"{service.__name__}: {error!r}"] += 1

    async with asyncio.TaskGroup() as group:
        for task in range(IN_PARALLEL):
            group.create_task(cycle_all(task), name=f"cycles {task}")
    await asyncio.get_running_loop().shutdown_default_executor()  # a running backup ends there
    tasks = [task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}]
    left = [name for task in range(IN_PARALLEL) for name in _left_open(folder / str(task), earlier)]
    more_files = max(0, len(os.listdir("/proc/self/fd")) - files_before)
    figures = (
        f"{IN_PARALLEL} tasks × {cycles} cycles of {len(SERVICES)} services: {hangs} hangs, "
        f"{errors.total()} errors, {len(tasks)} tasks, {len(left)} connections and {more_files} files left"
    )
    first = next(iter(errors), "")
    return Measured(
        figures + (f"; {first}" if first else ""), not (hangs or errors or tasks or left or more_files)
    )


Service = Callable[[Path, Random, int], Awaitable[None]]


@contextlib.asynccontextmanager
async def _stopped_soon(task: asyncio.Task[Any]) -> AsyncIterator[None]:
    """Cancel the task after the block and wait for its end; raise its error if it has one."""
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _desk_drained(folder: Path, random: Random, cycle: int) -> None:
    async with open_harness(folder, rules=RICH) as harness:
        run = asyncio.create_task(harness.desk.run({harness.chat.platform: harness.chat}))
        await _some_work(harness, random, cycle)
        await harness.desk.drain(5)
        await run


async def _desk_cancelled(folder: Path, random: Random, cycle: int) -> None:
    acts = [Act.HANG if random.random() < 0.5 else Act.DRAW]
    async with open_harness(folder, rules=RICH, renderer=FakeRenderer(acts)) as harness:
        run = asyncio.create_task(harness.desk.run({harness.chat.platform: harness.chat}))
        async with _stopped_soon(run):
            await _some_work(harness, random, cycle)


async def _desk_drained_twice(folder: Path, random: Random, cycle: int) -> None:
    async with open_harness(folder, rules=RICH) as harness:
        run = asyncio.create_task(harness.desk.run({harness.chat.platform: harness.chat}))
        await _some_work(harness, random, cycle)
        await asyncio.gather(harness.desk.drain(5), harness.desk.drain(5))
        await run


async def _store_opening_cancelled(folder: Path, random: Random, cycle: int) -> None:
    async def open_and_wait() -> None:
        store = await open_store(folder / "sugarbot.db", MIGRATIONS)
        try:
            await asyncio.Event().wait()
        finally:
            await store.close()

    opening = asyncio.create_task(open_and_wait())
    async with _stopped_soon(opening):
        await asyncio.sleep(random.uniform(0, 0.02))


async def _maintenance_cancelled(folder: Path, random: Random, cycle: int) -> None:
    async with open_harness(folder, rules=RICH):
        backing_up = NightlyBackups(
            folder / "sugarbot.db", folder / f"backups {cycle}", locale=lambda: "en"
        ).run()
        saving = maintenance.keep_costs(CostBook(), folder / "cost.json")
        for work in (backing_up, saving):
            async with _stopped_soon(asyncio.create_task(work)):
                await asyncio.sleep(random.uniform(0, 0.02))


async def _some_work(harness: DeskHarness, random: Random, cycle: int) -> None:
    for _ in range(random.randint(0, 3)):
        await asyncio.sleep(0)
    for number in range(random.randint(0, 2)):
        await harness.desk.handle(Draw(prompt="a face"), a_context(f"{cycle} {number}"))
    await asyncio.sleep(random.uniform(0, 0.02) if random.random() < 0.7 else 0)


SERVICES: tuple[Service, ...] = (
    _desk_drained,
    _desk_cancelled,
    _desk_drained_twice,
    _store_opening_cancelled,
    _maintenance_cancelled,
)


def _query(folder: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / "sugarbot.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


ROWS = (
    Row(
        "9",
        "cancels of waiting and of running jobs",
        "1,000 each: right state, one refund of the missing pictures; a running one stops within 1 step "
        "+ 200 ms",
        cancels,
    ),
    Row(
        "11", "every service started and stopped", "10 tasks × 50 cycles: 0 leaks, 0 hangs", starts_and_stops
    ),
    Row(
        "12",
        "SIGTERM under load",
        "100 of 100: exit 0 within 30 s, job requeued, attempt not counted",
        drains,
    ),
    Row("20", "SIGTERM at any moment", "100 of 100 end within 5 s, every connection closed", exits),
)
