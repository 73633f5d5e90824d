"""Delivery in figures: how long a result is waited for, how often it is tried, what the log says of it."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from bot.desk.results import BACK_OFF
from bot.outcomes import Platform, RetryLater, Undeliverable
from tests.fakes.desk_harness import DeskHarness, open_harness
from tests.unit.bot.store.stored import next_due_ms


async def accept(harness: DeskHarness, event: str = "1", count: int = 1) -> str:
    return (await harness.accept(event, count=count)).job_id


async def until_outbox(harness: DeskHarness, *wanted: tuple[str, int]) -> None:
    async with asyncio.timeout(30):
        while True:
            rows = await harness.store._run("SELECT state, attempts FROM outbox ORDER BY id")
            if [tuple(row) for row in rows] == list(wanted):
                return
            await asyncio.sleep(0.002)


def look(harness: DeskHarness) -> None:
    harness.desk.parts.result_ready[Platform.CONSOLE].set()


@pytest.mark.parametrize(("after_s", "is_waited_for"), [(60.0, True), (60.03, False)])
async def test_a_later_result_waits_a_minute_for_an_earlier_one(
    harness: DeskHarness, after_s: float, is_waited_for: bool
) -> None:
    harness.chat.errors.append(RetryLater("full", after_s=after_s))
    async with harness.running():
        first = await accept(harness, "1")
        await until_outbox(harness, ("maybe", 1))
        second = await accept(harness, "2")
        if is_waited_for:
            await until_outbox(harness, ("maybe", 1), ("ready", 0))
            await asyncio.sleep(0.02)
            assert harness.chat.results == []
        else:
            await until_outbox(harness, ("maybe", 1), ("sent", 1))
        harness.clock.advance(seconds=after_s)
        look(harness)
        results = await harness.chat.wait_for_results(2)
    order = [first, second] if is_waited_for else [second, first]
    assert [result.job_id for result in results] == order


def test_a_back_off_starts_with_two_seconds_and_doubles_to_five_minutes() -> None:
    waits = [BACK_OFF.pause_s(attempts) for attempts in range(1, 11)]
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert BACK_OFF.pause_s(100_000) == 300


@pytest.mark.parametrize(("attempts", "end"), [(298, "maybe"), (299, "kept")])
async def test_the_three_hundredth_failure_is_the_last(tmp_path: Path, attempts: int, end: str) -> None:
    async with open_harness(tmp_path) as harness:
        harness.chat.errors.extend([ConnectionError(), ConnectionError()])
        await accept(harness)
        async with harness.running():
            await until_outbox(harness, ("maybe", 1))
            await harness.store._run(f"UPDATE outbox SET attempts = {attempts}")  # noqa: S608
            harness.clock.advance(seconds=2)
            look(harness)
            await until_outbox(harness, (end, attempts + 1))


async def test_a_failure_is_tried_again_after_its_back_off_and_not_before(harness: DeskHarness) -> None:
    harness.chat.errors.append(ConnectionError())
    await accept(harness)
    async with harness.running():
        await until_outbox(harness, ("maybe", 1))
        assert await next_due_ms(harness.store, Platform.CONSOLE, harness.clock()) == harness.clock() + 2_000


async def test_after_a_start_nothing_waits_longer_than_five_minutes(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        harness.chat.errors.append(RetryLater("full", after_s=100_000))
        await accept(harness)
        async with harness.running():
            await until_outbox(harness, ("maybe", 1))
        clock = harness.clock
    async with open_harness(tmp_path, clock=clock) as harness:
        await harness.desk.parts.delivery.recover()
        assert await next_due_ms(harness.store, Platform.CONSOLE, harness.clock()) == clock() + 300_000


async def test_the_log_says_why_a_result_waits_or_is_kept_and_whose_pictures_are_gone(
    harness: DeskHarness,
) -> None:
    harness.chat.errors.extend([RetryLater("the chat is full", after_s=1), Undeliverable("blocked")])
    with structlog.testing.capture_logs() as logs:
        job_id = await accept(harness, count=2)
        async with harness.running():
            await until_outbox(harness, ("maybe", 1))
            assert not [log for log in logs if log["event"] == "pictures missing on the disk"]
            (await harness.picture_file(job_id)).unlink()
            harness.clock.advance(seconds=1)
            look(harness)
            await until_outbox(harness, ("kept", 2))
    said = {log["event"]: log for log in logs}
    assert said["result waits"]["reason"] == "the chat is full"
    assert said["result kept"]["reason"] == "blocked"
    assert said["pictures missing on the disk"]["missing"] == 1


async def test_only_an_ended_job_can_be_a_result(harness: DeskHarness) -> None:
    for job_id in (await accept(harness), "unknown"):
        with pytest.raises(LookupError, match=job_id):
            await harness.desk.parts.delivery._load_result(job_id)


async def test_a_result_has_the_time_that_its_job_was_drawn(harness: DeskHarness) -> None:
    job_id = await accept(harness)
    job = await harness.store.jobs.take(job_id, "a run", harness.clock())
    assert job is not None
    started = replace(job, started_ms=harness.clock() - 7_500)
    await harness.desk.parts.completion.fail(started)
    assert (await harness.desk.parts.delivery._load_result(job_id)).seconds == 7.5
