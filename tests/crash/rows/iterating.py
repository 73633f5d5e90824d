"""Rows of jobs that begin with an earlier picture, which may be deleted at any moment."""

import asyncio
import time
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

from bot.commands.values import Delete, Enlarge, Vary
from bot.outcomes import JobState, Receipt
from bot.policy.rules import Rules
from engine.request import FailReason
from tests.crash.harness import begin
from tests.crash.kinds import append
from tests.crash.laws import broken_laws_of
from tests.crash.pictures_on_disk import broken_files
from tests.crash.rows import Measured, Row, Scale
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness
from tests.fakes.renderer import FakeRenderer, tiny_png

RULES = Rules(daily_credits=10_000, max_waiting=1_000)
KEPT_SEED, DELETED_SEED = 5, 9
ACCEPTED = "accepted.log"
MAX_LIFE_S = 0.3
STEP_S = 0.004  # so slow that jobs wait while their picture is deleted


def derived_jobs(scale: Scale) -> Measured:
    """Kill a process while people vary and enlarge two pictures, one of which is deleted meanwhile."""
    random, wrong, accepted, drawn, refunded = Random(15), [], 0, 0, 0
    kills = scale.of(6, 300)
    for number in range(kills):
        folder = scale.folder / str(number)
        folder.mkdir()
        process = begin(_live, folder, number)
        time.sleep(random.uniform(0, MAX_LIFE_S))
        process.kill()
        process.join()
        found = asyncio.run(_finish(folder))
        accepted, drawn, refunded = accepted + found[0], drawn + found[1], refunded + found[2]
        wrong += found[3]
    figures = (
        f"{kills:,} kills, {accepted:,} jobs from two pictures: {drawn:,} drawn from the same picture, "
        f"{refunded:,} refunded because it was deleted, {len(wrong)} otherwise"
    )
    return Measured(figures + (f": {wrong[0]}" if wrong else ""), not wrong and accepted == drawn + refunded)


def _live(folder: Path, seed: int, ready: Connection) -> None:
    asyncio.run(_ask_until_killed(folder, Random(seed), ready))


async def _ask_until_killed(folder: Path, random: Random, ready: Connection) -> None:
    async with open_harness(folder, rules=RULES, renderer=FakeRenderer(step_s=STEP_S)) as harness:
        kept = await harness.accept("kept", seed=KEPT_SEED)
        deleted = await harness.accept("deleted", seed=DELETED_SEED)
        async with harness.running():
            await harness.chat.wait_for_results(2)
            ready.send("ready")
            for number in range(10_000):
                if number == 6:
                    await harness.desk.handle(Delete(deleted.job_id), a_context("delete"))
                source = random.choice([kept, deleted]) if number < 6 else kept
                command = random.choice([Vary(source.job_id, 0), Enlarge(source.job_id, 0)])
                receipt = await harness.desk.handle(command, a_context(f"ask {number}"))
                assert isinstance(receipt, Receipt)
                append(folder / ACCEPTED, receipt.job_id)
                await asyncio.sleep(random.uniform(0, 0.004))


async def _finish(folder: Path) -> tuple[int, int, int, list[str]]:
    """Let the next process finish; return how many jobs there were, were drawn, and were refunded."""
    log = folder / ACCEPTED
    receipts = log.read_text().split() if log.is_file() else []
    wrong: list[str] = []
    async with open_harness(folder, rules=RULES) as harness:
        async with harness.running():
            async with asyncio.timeout(30):
                while await _unfinished(harness):  # noqa: ASYNC110 - the desk sends no signal
                    await asyncio.sleep(0.005)
        rows = await harness.store._run("SELECT id FROM job WHERE start_job IS NOT NULL")
        jobs = [await harness.job(row["id"]) for row in rows]
        known = {job.id for job in jobs}
        wrong += [f"{job_id}: accepted, then lost" for job_id in receipts if job_id not in known]
        started = {request.job_id: request.start for request in harness.renderer.requests}
        drawn = refunded = 0
        for job in jobs:
            source = await harness.job(job.recipe.start.job_id if job.recipe.start else "")
            start = started.get(job.id)
            if start is not None and start.png != tiny_png(source.recipe.seed):
                wrong.append(f"{job.id}: begun with another picture")
            if job.state == JobState.DONE:
                drawn += 1
            elif job.fail == FailReason.START_MISSING and source.deleted_ms is not None:
                refunded += 1
            else:
                wrong.append(f"{job.id}: {job.state} {job.fail}")
        left = await harness.store.pictures.of_deleted_jobs()
        wrong += [f"{row.job}: not deleted" for row in left]
    return len(jobs), drawn, refunded, [*wrong, *broken_files(folder), *broken_laws_of(folder)]


async def _unfinished(harness: DeskHarness) -> int:
    [(count,)] = await harness.store._run(
        "SELECT (SELECT count(*) FROM job WHERE ended_ms IS NULL)"
        " + (SELECT count(*) FROM outbox WHERE state <> 'sent')"
    )
    pending = len(await harness.store.pictures.of_deleted_jobs())
    return int(count) + pending


ROWS = (
    Row(
        "50",
        "kill -9 while people vary and enlarge pictures, one of which is deleted",
        "every job is drawn from its own picture after the restart, or refunded because that was deleted; no "
        "file of a deleted job stays",
        derived_jobs,
    ),
)
