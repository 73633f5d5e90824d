"""The figures agree with the jobs, and what was refused is counted over restarts."""

import asyncio
from pathlib import Path
from sqlite3 import Row
from typing import Any

import pytest

from bot.commands.values import Cancel, Draw, LoraWish, ShowStatistics
from bot.errors import CannotSave, HostsOnly, NoCreditsLeft, NothingToCancel, PersonError
from bot.outcomes import JobState, StatisticsShown
from bot.policy.rules import Rules
from engine.request import FailReason
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, open_harness, until

RULES = Rules(daily_credits=6, max_waiting=9)


async def statistics_of(harness: DeskHarness, days: int = 1) -> StatisticsShown:
    shown = await harness.desk.handle(ShowStatistics(days), a_context("", HOST))
    assert isinstance(shown, StatisticsShown)
    return shown


async def refused(harness: DeskHarness, command: Draw | Cancel, error: type[PersonError]) -> None:
    with pytest.raises(error):
        await harness.desk.handle(command, a_context("r", "ann"))


async def test_what_ended_is_counted(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness, harness.running():
        await harness.accept("1", "ann", count=2, loras=(LoraWish("sugar"),))
        await harness.accept("2", "ben")
        await until(lambda: len(harness.chat.results) == 2)
    async with open_harness(tmp_path, rules=RULES) as harness:
        for event in ("3", "4"):
            await harness.accept(event, "ann")
        await harness.desk.handle(Cancel(), a_context("5", "ann"))
        failing = (await harness.store.jobs.in_state("queued"))[0]
        end = harness.desk.parts.completion.end
        await end(failing, JobState.FAILED, fail=FailReason.DISK_FULL)
        shown = await statistics_of(harness)
        assert (shown.done, shown.failed, shown.cancelled, shown.pictures, shown.people) == (2, 1, 1, 3, 2)
        assert shown.fails == (("disk_full", 1),)
        assert shown.loras == (("sugar", 2),)
        assert shown.waits_s == (0, 0)
        assert len(shown.spans) == 24
        assert (sum(span.pictures for span in shown.spans), shown.spans[-1].people) == (3, 2)
        harness.clock.advance(days=3)
        assert (await statistics_of(harness)).done == 0
        week = await statistics_of(harness, 7)
        assert (week.done, len(week.spans), week.spans[4].pictures) == (2, 7, 3)


async def test_half_and_most_of_the_waits(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=Rules(daily_credits=999, max_waiting=99)) as harness:
        jobs = [await harness.accept(str(number), prompt=str(number)) for number in range(20)]
        start_ms = harness.clock()
        for number, receipt in enumerate(jobs):
            harness.clock.now_ms = start_ms + number * 1_000
            job = await harness.store.jobs.take(receipt.job_id, "lease", harness.clock())
            assert job is not None
            await harness.store.jobs.end(job, "done", harness.clock())
        assert (await statistics_of(harness)).waits_s == (9, 18)


async def test_refusals_are_counted_over_a_restart(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=Rules(daily_credits=0)) as harness, harness.running():
        await refused(harness, Draw("x"), NoCreditsLeft)
        await refused(harness, Draw("y"), NoCreditsLeft)
        await refused(harness, Cancel(), NothingToCancel)
    async with open_harness(tmp_path, rules=Rules(daily_credits=0)) as harness:
        await refused(harness, Draw("x"), NoCreditsLeft)
        assert (await statistics_of(harness)).refusals == (("NoCreditsLeft", 3), ("NothingToCancel", 1))
        harness.clock.advance(days=2)
        assert (await statistics_of(harness)).refusals == ()


async def test_only_hosts_see_it_and_an_empty_bot_has_figures(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=RULES) as harness:
        with pytest.raises(HostsOnly):
            await harness.desk.handle(ShowStatistics(), a_context("1", "ann"))
        shown = await statistics_of(harness, 90)
        assert (shown.done, shown.waits_s, len(shown.spans)) == (0, None, 90)


async def test_refusals_that_cannot_be_stored_now_are_stored_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(counts: object) -> None:
        raise CannotSave(detail="disk full")

    async with open_harness(tmp_path, rules=Rules(daily_credits=0)) as harness:
        await refused(harness, Draw("x"), NoCreditsLeft)
        with monkeypatch.context() as full:
            full.setattr(harness.store.statistics, "add_refusals", refuse)
            assert (await statistics_of(harness)).refusals == ()
        assert (await statistics_of(harness)).refusals == (("NoCreditsLeft", 1),)


async def test_a_stop_in_the_middle_of_storing_counts_no_refusal_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_harness(tmp_path, rules=Rules(daily_credits=0)) as harness:
        await refused(harness, Draw("x"), NoCreditsLeft)
        run_statement, storing = harness.store._run, asyncio.create_task(harness.desk.parts.refusals.flush())

        async def stop_at_commit(sql: str, *values: Any, **effects: Any) -> list[Row]:
            if sql == "COMMIT":
                storing.cancel()
            return await run_statement(sql, *values, **effects)

        with monkeypatch.context() as stopping:
            stopping.setattr(harness.store, "_run", stop_at_commit)
            await asyncio.wait([storing])
        assert storing.cancelled()
        await refused(harness, Draw("y"), NoCreditsLeft)
        assert (await statistics_of(harness)).refusals == (("NoCreditsLeft", 2),)
