"""Hosts see who waits for which job; prompts of private jobs stay hidden."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.buttons import data_of, press_of
from bot.commands.values import Cancel, Draw, LoraWish, PixelSize, ShowQueue
from bot.desk.hosting.queue import PAGE_JOBS
from bot.errors import AlreadyEnded, HostsOnly, NotInPublic
from bot.outcomes import JobState, Platform, QueueListing, Who, controls_of
from bot.policy.rules import Rules
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, in_group, open_harness, until
from tests.fakes.renderer import Act, FakeRenderer

PLENTY = Rules(daily_credits=100, max_waiting=99)


async def queue_of(harness: DeskHarness, page: int = 1) -> QueueListing:
    listing = await harness.desk.handle(ShowQueue(page), a_context("", HOST))
    assert isinstance(listing, QueueListing)
    return listing


async def test_the_jobs_are_listed_in_the_order_in_which_they_are_drawn(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=PLENTY) as harness:
        size = PixelSize(128, 256)
        sugar = (LoraWish("sugar"),)
        first = await harness.accept("1", "ann", prompt="a fox", size=size, count=2, loras=sugar)
        second = await harness.accept("2", "ben", prompt="a secret", private=True)
        harness.clock.now_ms += 90_000
        listing = await queue_of(harness)
        one, other = listing.jobs
        assert (one.job_id, one.typed, one.position, one.age_s) == (first.job_id, "a fox", 0, 90)
        assert (one.width_px, one.height_px, one.count, one.loras) == (128, 256, 2, ("sugar",))
        assert one.who == Who("console:ann", "name of ann")
        assert (other.job_id, other.typed, other.is_private) == (second.job_id, "", True)
        assert "secret" not in repr(listing)


async def test_the_job_on_the_card_comes_first_and_a_long_queue_is_cut(tmp_path: Path) -> None:
    renderer = FakeRenderer([Act.HANG], step_s=0.001)
    async with open_harness(tmp_path, rules=PLENTY, renderer=renderer) as harness, harness.running():
        jobs = [(await harness.accept(str(number))).job_id for number in range(PAGE_JOBS + 3)]
        await until(lambda: harness.desk.queue_status().step > 0)
        listing = await queue_of(harness)
        assert [job.job_id for job in listing.jobs] == jobs[:PAGE_JOBS]
        assert [job.position for job in listing.jobs] == [None, *range(1, PAGE_JOBS)]
        assert listing.more == 3


async def test_only_hosts_see_it_and_only_in_private(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=PLENTY) as harness:
        with pytest.raises(HostsOnly):
            await harness.desk.handle(ShowQueue(), a_context("1", "ann"))
        with pytest.raises(NotInPublic):
            await harness.desk.handle(ShowQueue(), replace(in_group("2", HOST)))
        assert (await queue_of(harness)).jobs == ()
        await harness.desk.handle(Draw("x"), a_context("3", "ann"))


async def test_the_pages_follow_each_other_and_the_last_one_stands_for_those_behind_it(
    tmp_path: Path,
) -> None:
    async with open_harness(tmp_path, rules=PLENTY) as harness:
        jobs = [(await harness.accept(str(number))).job_id for number in range(PAGE_JOBS + 3)]
        first, second, ninth = [await queue_of(harness, page) for page in (1, 2, 9)]
    assert [each.label for each in controls_of(first)] == PAGE_JOBS * ["cancel-job"] + ["next-page"]
    assert ([job.job_id for job in second.jobs], second.more) == (jobs[PAGE_JOBS:], 0)
    assert [job.number for job in second.jobs] == [PAGE_JOBS + 1, PAGE_JOBS + 2, PAGE_JOBS + 3]
    assert [each.label for each in controls_of(second)] == 3 * ["cancel-job"] + ["previous-page"]
    assert ninth == second


async def test_the_button_of_a_job_cancels_it_after_a_restart_and_shows_the_page_again(
    tmp_path: Path,
) -> None:
    async with open_harness(tmp_path, rules=PLENTY) as harness:
        gone = (await harness.accept("1", "ann")).job_id
        left = (await harness.accept("2", "ben")).job_id
        data = [data_of(each.command) for each in controls_of(await queue_of(harness))]
    async with open_harness(tmp_path, rules=PLENTY) as harness:
        await harness.desk.store_events(Platform.CONSOLE, [("press", "{}")])
        listing = await harness.desk.handle(press_of(data[0]), a_context("press", HOST))
        assert isinstance(listing, QueueListing)
        assert (listing.cancelled, [job.job_id for job in listing.jobs]) == (gone, [left])
        assert (await harness.job(gone)).state == JobState.CANCELLED
        assert await harness.desk.handle(press_of(data[0]), a_context("press", HOST)) == listing, "once"
        with pytest.raises(AlreadyEnded):
            await harness.desk.handle(press_of(data[0]), a_context("again", HOST))


async def test_only_a_host_may_press_it_even_for_an_own_job(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=PLENTY) as harness:
        own = (await harness.accept("1", "ann")).job_id
        with pytest.raises(HostsOnly):
            await harness.desk.handle(Cancel(own, 1), a_context("2", "ann"))
        with pytest.raises(NotInPublic):
            await harness.desk.handle(Cancel(own, 1), in_group("3", HOST))
        assert [job.job_id for job in (await queue_of(harness)).jobs] == [own]


async def test_a_job_that_is_being_stopped_has_no_button_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer = FakeRenderer([Act.HANG], step_s=0.001)
    stop = renderer.cancel
    monkeypatch.setattr(renderer, "cancel", lambda job_id: None)  # its step is long
    async with open_harness(tmp_path, rules=PLENTY, renderer=renderer) as harness, harness.running():
        job_id = (await harness.accept("1")).job_id
        await until(lambda: harness.desk.queue_status().step > 0)
        listing = await harness.desk.handle(Cancel(job_id, 1), a_context("2", HOST))
        assert isinstance(listing, QueueListing)
        assert ([job.job_id for job in listing.jobs], controls_of(listing)) == ([job_id], ())
        stop(job_id)
