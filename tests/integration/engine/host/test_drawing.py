"""The host with real processes: jobs are drawn, fail or are cancelled, one after the other."""

import asyncio
import os

import pytest

from engine.request import (
    Drawn,
    Event,
    Failed,
    FailReason,
    Finished,
    Progress,
    Stopped,
)
from tests.integration.engine.host.hosting import at_step, make_request, started, stopped_worker


async def test_a_job_is_drawn_with_progress_and_pictures_in_order() -> None:
    events: list[Event] = []
    async with started() as host:
        outcome = await host.render(make_request(count=2), events.append)
        assert isinstance(outcome, Finished)
        assert host.info is not None
        assert host.info.pid != os.getpid()
        assert host.held_bytes() == 5000
    steps = [(event.index, event.step) for event in events if isinstance(event, Progress)]
    assert steps == [(0, 0), *((index, step) for index in (0, 1) for step in range(1, 9))]
    pictures = [event.picture for event in events if isinstance(event, Drawn)]
    assert [(picture.index, picture.seed, len(picture.png)) for picture in pictures] == [
        (0, 7, 300_010),
        (1, 8, 300_010),
    ]


async def test_jobs_requested_together_are_drawn_one_after_the_other() -> None:
    order: list[str] = []
    async with started() as host:
        requests = [make_request(f"j{number}") for number in range(3)]
        await asyncio.gather(
            *(host.render(each, lambda event: order.append(event.job_id)) for each in requests)
        )
    assert order == sorted(order)


async def test_a_cancelled_job_stops_between_two_steps_and_the_next_one_is_drawn() -> None:
    steps: list[Event] = []
    async with started() as host:
        has_begun = asyncio.Event()

        def listen(event: Event) -> None:
            steps.append(event)
            if len(steps) == 3:
                has_begun.set()

        rendering = asyncio.create_task(host.render(make_request(count=100), listen))
        await has_begun.wait()
        with stopped_worker(host):
            before = 0
            while before < len(steps):  # what it had sent is read
                before = len(steps)
                await asyncio.sleep(0.3)
            host.cancel("j")
        assert await rendering == Stopped("j", 1)
        assert len(steps) <= before + 3
        assert isinstance(await host.render(make_request(attempt=2), lambda event: None), Finished)


async def test_a_cancel_that_comes_too_late_does_not_stop_the_same_try_when_it_is_asked_again() -> None:
    async with started() as host:

        def cancel_at_the_end(event: Event) -> None:
            if isinstance(event, Drawn):
                host.cancel("j")

        assert isinstance(await host.render(make_request(), cancel_at_the_end), Finished)
        await asyncio.sleep(0.1)
        assert isinstance(await host.render(make_request(), lambda event: None), Finished)


async def test_a_job_cancelled_while_another_is_drawn_is_never_drawn() -> None:
    async with started() as host:
        with stopped_worker(host):  # or a busy machine may draw the second before its cancel
            first = asyncio.create_task(host.render(make_request("first", count=5), lambda event: None))
            second = asyncio.create_task(
                host.render(make_request("second"), lambda event: pytest.fail("it began"))
            )
            await asyncio.sleep(0.05)
            host.cancel("second")
            host.cancel("unknown")
        assert isinstance(await first, Finished)
        assert await second == Stopped("second", 1)


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("oom", FailReason.OUT_OF_MEMORY),
        ("lora", FailReason.LORA_MISSING),
        ("bug", FailReason.WORKER_ERROR),
    ],
)
async def test_a_failed_job_has_a_reason_and_the_worker_goes_on(prompt: str, reason: FailReason) -> None:
    async with started() as host:
        pid = host.info and host.info.pid
        outcome = await host.render(make_request(prompt=prompt), lambda event: None)
        assert isinstance(outcome, Failed)
        assert outcome.reason is reason
        assert isinstance(await host.render(make_request("next"), lambda event: None), Finished)
        assert (host.info and host.info.pid) == pid


async def test_events_of_an_older_attempt_or_another_job_are_ignored() -> None:
    events: list[Event] = []
    async with started() as host:
        await host.render(make_request(prompt="late", attempt=2), events.append)
    assert {(event.job_id, event.attempt) for event in events} == {("j", 2)}
    assert len(events) == 10


async def test_a_render_that_is_cancelled_from_outside_stops_the_worker_and_leaves_the_next_job_clean() -> (
    None
):
    events: list[Event] = []
    async with started() as host:
        task = asyncio.create_task(host.render(make_request(count=1000), lambda event: None))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(30):
            await host.render(make_request("next"), events.append)
    assert {event.job_id for event in events} == {"next"}


async def test_a_listener_that_fails_fails_its_own_render_alone() -> None:
    async with started() as host:
        with pytest.raises(ZeroDivisionError):
            await host.render(make_request(count=50), at_step(2, lambda: 1 / 0))
        assert isinstance(await host.render(make_request("next"), lambda event: None), Finished)


async def test_a_prompt_that_is_no_unicode_fails_its_job_alone() -> None:
    async with started() as host:
        outcome = await host.render(make_request(prompt="\ud83c"), lambda event: None)
        assert isinstance(outcome, Failed)
        assert isinstance(await host.render(make_request("next"), lambda event: None), Finished)
