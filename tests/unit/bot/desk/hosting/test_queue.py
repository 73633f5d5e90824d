"""Hosts see who waits for which job; prompts of private jobs stay hidden."""

from dataclasses import replace
from pathlib import Path

import pytest

from bot.commands.values import Draw, LoraWish, PixelSize, ShowQueue
from bot.desk.hosting.queue import MOST_LISTED
from bot.errors import HostsOnly, NotInPublic
from bot.outcomes import QueueListing, Who
from bot.policy.rules import Rules
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, in_group, open_harness, until
from tests.fakes.renderer import FakeRenderer

PLENTY = Rules(daily_credits=100, max_waiting=99)


async def queue_of(harness: DeskHarness) -> QueueListing:
    listing = await harness.desk.handle(ShowQueue(), a_context("", HOST))
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
    renderer = FakeRenderer(step_s=0.2)
    async with open_harness(tmp_path, rules=PLENTY, renderer=renderer) as harness, harness.running():
        jobs = [(await harness.accept(str(number))).job_id for number in range(MOST_LISTED + 3)]
        await until(lambda: harness.desk.queue_status().step > 0)
        listing = await queue_of(harness)
        assert [job.job_id for job in listing.jobs] == jobs[:MOST_LISTED]
        assert [job.position for job in listing.jobs] == [None, *range(1, MOST_LISTED)]
        assert listing.more == 3


async def test_only_hosts_see_it_and_only_in_private(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=PLENTY) as harness:
        with pytest.raises(HostsOnly):
            await harness.desk.handle(ShowQueue(), a_context("1", "ann"))
        with pytest.raises(NotInPublic):
            await harness.desk.handle(ShowQueue(), replace(in_group("2", HOST)))
        assert (await queue_of(harness)).jobs == ()
        await harness.desk.handle(Draw("x"), a_context("3", "ann"))
