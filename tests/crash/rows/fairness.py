"""Rows 10 and 23b: newcomers do not wait behind one person's jobs; a queue of 10,000 jobs is fast."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from bot.commands.values import Cancel
from bot.policy.rules import Entitlement, Rules, Tier
from tests.crash.rows import Measured, Row, Scale
from tests.fakes.desk_harness import a_context, open_harness, until
from tests.fakes.renderer import FakeRenderer

QUEUED, NEWCOMERS = 200, 9
WITHIN_JOBS = 1 + NEWCOMERS  # one job of each other person, and their own
WEIGHTS = (1, 10, 100)  # of the person with many jobs
PEOPLE = 300
ACCEPT_P99_MS = 20.0
MOST_SLOWER = 3.0  # CPU time of the loop relative to a short queue; a sort at each accept makes it hundreds


def run_fairness(scale: Scale) -> Measured:
    """Let one person queue 200 jobs and nine others one each at random moments; restart some of the bots."""
    return asyncio.run(_fairness(scale))


async def _fairness(scale: Scale) -> Measured:
    runs, worst, restarts = scale.of(3, 60), 0, 0
    for run in range(runs):
        folder = scale.folder / str(run)
        folder.mkdir()
        random = Random(run)
        worst = max(
            worst,
            await _serve_newcomers(folder, random, WEIGHTS[run % len(WEIGHTS)], is_restarted=run % 2 == 1),
        )
        restarts += run % 2
    figures = (
        f"{runs} queues of {QUEUED} jobs (weights {', '.join(map(str, WEIGHTS))}), {restarts} with a restart "
        f"before the newcomers are drawn: {runs * NEWCOMERS} newcomers, the latest is drawn as job {worst} "
        "after its acceptance"
    )
    return Measured(figures, worst <= WITHIN_JOBS)


async def _serve_newcomers(folder: Path, random: Random, weight: int, *, is_restarted: bool) -> int:
    """Return the latest start of a newcomer's job, counted in jobs that start after its acceptance."""
    tier = Tier(frozenset({"console:many"}), Entitlement(weight, daily_credits=4 * QUEUED))
    rules = Rules(max_waiting=QUEUED, tiers=(tier,))
    renderer = FakeRenderer(step_s=0.0002)
    accepted: dict[str, int] = {}
    async with open_harness(folder, renderer=renderer, rules=rules) as harness:
        for n in range(QUEUED):
            await harness.accept(f"many {n}", "many", count=random.randint(1, 4))
        async with harness.running():
            for person in range(NEWCOMERS):
                drawn = len(renderer.requests) + random.randint(0, 0 if is_restarted else 3)
                await until(lambda drawn=drawn: len(renderer.requests) >= drawn)  # type: ignore[misc]
                job = await harness.accept(f"new {person}", f"person {person}", count=random.randint(1, 4))
                accepted[job.job_id] = len(renderer.requests)
            if not is_restarted:
                await until(lambda: accepted.keys() <= {request.job_id for request in renderer.requests}, 30)
    started = {request.job_id: n for n, request in enumerate(renderer.requests, 1)}
    if is_restarted and (late := accepted.keys() - started.keys()):
        again = FakeRenderer(step_s=0.0002)
        async with open_harness(folder, renderer=again, rules=rules) as harness, harness.running():
            await until(lambda: late <= {request.job_id for request in again.requests}, 30)
        started |= {
            request.job_id: n for n, request in enumerate(again.requests, 1) if request.job_id in late
        }
        accepted |= dict.fromkeys(late, 0)
    return max(started[job_id] - at for job_id, at in accepted.items())


def run_deep_queue(scale: Scale) -> Measured:
    """Let 10,000 jobs of 300 people wait; then accept, query and cancel jobs, and schedule them."""
    return asyncio.run(_deep_queue(scale))


async def _deep_queue(scale: Scale) -> Measured:
    depth, calls, random = scale.of(1_000, 10_000), scale.of(200, 1_000), Random(1)
    rules = Rules(daily_credits=100_000, max_waiting=100_000)
    async with open_harness(scale.folder, renderer=FakeRenderer(), rules=rules) as harness:
        queue = harness.desk.parts.queue

        async def fill(n: int) -> None:
            person = f"person {random.randrange(PEOPLE)}"
            await harness.accept(f"deep {n}", person, count=random.randint(1, 4))

        jobs: list[str] = []

        async def accept(n: int) -> None:
            jobs.append((await harness.accept(f"more {n}", f"person {random.randrange(PEOPLE)}")).job_id)

        async def cancel(n: int) -> None:
            job = await harness.store.jobs.find(jobs[n])
            assert job is not None
            [(_, user)] = await harness.store.links.identities_of(job.person)
            await harness.desk.handle(Cancel(job.id), a_context(f"cancel {n}", user))

        async def query(n: int) -> None:
            queue.scheduler.ahead_of(jobs[n])
            queue.estimate_wait(jobs[n])

        async def schedule(n: int) -> None:
            job_id = queue.next(harness.probe.read()).job_id
            assert job_id is not None
            queue.charge_time(job_id, 10.0)
            queue.add(await harness.store.jobs.find(job_id))  # type: ignore[arg-type]

        short = await _timed(fill, calls)
        for n in range(calls, depth):
            await fill(n)
        accepts = await _timed(accept, calls)
        queries, cancels, rounds = (
            await _timed(query, calls),
            await _timed(cancel, calls),
            await _timed(schedule, calls),
        )
        waiting = queue.scheduler.waiting
    started_s = time.perf_counter()
    async with open_harness(scale.folder, rules=rules) as harness:
        await harness.desk.parts.drawing.recover()
        rebuilt_s, rebuilt = time.perf_counter() - started_s, harness.desk.parts.queue.scheduler.waiting
    slower = accepts.cpu_ms / short.cpu_ms
    figures = (
        f"{waiting:,} jobs of {PEOPLE} people wait: accept p50 {accepts.at(0.5):.1f} ms, "
        f"p99 {accepts.at(0.99):.1f} ms ({calls:,} calls; {slower:.1f} times the CPU of a short queue); "
        f"position and wait p99 {queries.at(0.99):.2f} ms, cancel p99 {cancels.at(0.99):.1f} ms, "
        f"next job p99 {rounds.at(0.99):.1f} ms; rebuilt at a start in {rebuilt_s:.1f} s"
    )
    is_fast = accepts.at(0.99) <= ACCEPT_P99_MS or not scale.is_long
    return Measured(figures, slower <= MOST_SLOWER and is_fast and rebuilt == waiting)


@dataclass(frozen=True)
class Times:
    """The durations of many calls.

    Attributes:
        sorted_ms: Wall time.
        cpu_ms: Mean CPU time of this thread.
    """

    sorted_ms: list[float]
    cpu_ms: float

    def at(self, part: float) -> float:
        return self.sorted_ms[math.ceil(part * len(self.sorted_ms)) - 1]


async def _timed(work: Callable[[int], Awaitable[None]], times: int) -> Times:
    took_ms, cpu_s = [], time.thread_time()
    for n in range(times):
        started_s = time.perf_counter()
        await work(n)
        took_ms.append(1_000 * (time.perf_counter() - started_s))
    return Times(sorted(took_ms), 1_000 * (time.thread_time() - cpu_s) / times)


ROWS = (
    Row(
        "10",
        f"fairness: one person queues {QUEUED}, nine queue one, also with weights and after a restart",
        f"each of the nine within the next {WITHIN_JOBS} jobs",
        run_fairness,
    ),
    Row(
        "23b",
        "the queue holds 10,000 jobs",
        f"accept p99 ≤ {ACCEPT_P99_MS:.0f} ms; nothing lost at a restart",
        run_deep_queue,
    ),
)
