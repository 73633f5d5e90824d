"""The host with real processes: one job is drawn, and the ready one loses nothing when that fails."""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import JobNotStarted, WorkerLost
from engine.host import Host
from engine.request import Drawn, Event, Failed, FailReason, Finished, LoraChoice, Progress, Stopped
from tests.integration.engine.fake_child import SLOW_FILE_S
from tests.integration.engine.host.hosting import CONFIG, eventually, make_request, started

SUGAR, ANIME, BROKEN = (LoraChoice(name, name * 8, 1.0) for name in ("sugar", "anime", "broken"))


async def both(
    host: Host, first: str, second: str, listen: Callable[[Event], None] = lambda event: None
) -> tuple[object, object]:
    """The ends of two jobs that are rendered at once, by their prompts."""
    requests = make_request("first", first), make_request("second", second)
    first_end, second_end = await asyncio.gather(
        *(host.render(each, listen) for each in requests), return_exceptions=True
    )
    return first_end, second_end


def start_of(job_id: str) -> Progress:
    return Progress(job_id, 1, 0, 0, 8)


async def test_the_next_job_begins_while_the_files_of_the_last_are_made() -> None:
    events: list[Event] = []
    async with started() as host:
        first, second = await both(host, "slow files", "a face", events.append)
    assert isinstance(first, Finished)
    assert isinstance(second, Finished)
    assert first.timings.encode_s == SLOW_FILE_S
    firsts_picture = next(
        at for at, event in enumerate(events) if isinstance(event, Drawn) and event.job_id == "first"
    )
    assert start_of("second") in events[:firsts_picture]


async def test_pictures_arrive_in_order_and_before_the_end_however_late_their_files_are() -> None:
    events: list[Event] = []
    async with started() as host:
        end = await host.render(make_request(prompt="slow files", count=3), events.append)
    assert isinstance(end, Finished)
    assert [event.picture.index for event in events if isinstance(event, Drawn)] == [0, 1, 2]


async def test_a_file_that_cannot_be_made_fails_its_job_alone() -> None:
    async with started() as host:
        first, second = await both(host, "broken file", "a face")
    assert isinstance(first, Failed)
    assert (first.reason, first.detail) == (FailReason.WORKER_ERROR, "ZeroDivisionError")
    assert isinstance(second, Finished)


async def test_a_worker_holds_two_jobs_and_no_third(tmp_path: Path) -> None:
    async with started(replace(CONFIG, data_dir=tmp_path)) as host:
        renders = [
            asyncio.create_task(host.render(make_request(f"j{n}", count=1000), lambda event: None))
            for n in range(3)
        ]
        await eventually(lambda: prepared(tmp_path))
        await asyncio.sleep(0.1)
        assert prepared(tmp_path) == ["prepare j1"]
        host.cancel("j1")
        await eventually(lambda: len(prepared(tmp_path)) == 2)
        assert prepared(tmp_path) == ["prepare j1", "prepare j2"]
        host.cancel("j0")
        host.cancel("j2")
        assert await asyncio.gather(*renders) == [Stopped(f"j{n}", 1) for n in range(3)]


def prepared(folder: Path) -> list[str]:
    log = folder / "prepared.log"
    return log.read_text().splitlines() if log.exists() else []


async def test_a_cancel_of_the_ready_job_stops_it_at_once_and_without_a_step() -> None:
    events: list[Event] = []
    async with started() as host:
        first = asyncio.create_task(host.render(make_request("first", count=1000), events.append))
        second = asyncio.create_task(host.render(make_request("second"), events.append))
        await eventually(lambda: start_of("first") in events)
        host.cancel("second")
        async with asyncio.timeout(30):  # the first would go on for minutes
            assert await second == Stopped("second", 1)
        host.cancel("first")
        assert await first == Stopped("first", 1)
    assert {event.job_id for event in events} == {"first"}


@pytest.mark.parametrize("poison", ["die", "exit", "card"])
async def test_a_job_that_ends_the_worker_costs_the_ready_job_no_attempt(poison: str) -> None:
    async with started() as host:
        first, second = await both(host, poison, "a face")
        assert type(first) is WorkerLost
        assert type(second) is JobNotStarted
        assert isinstance(await host.render(make_request("second"), lambda event: None), Finished)


@pytest.mark.parametrize("poison", ["hang", "stop"])
async def test_a_job_that_hangs_costs_the_ready_job_no_attempt(poison: str) -> None:
    async with started(replace(CONFIG, step_timeout_s=0.5)) as host:
        first, second = await both(host, poison, "a face")
        assert type(first) is WorkerLost
        assert type(second) is JobNotStarted


async def test_a_ready_job_behind_a_long_one_does_not_count_as_hung() -> None:
    async with started(replace(CONFIG, step_timeout_s=4)) as host:
        requests = make_request("first", count=60), make_request("second")  # the first takes 5 s
        ends = await asyncio.gather(*(host.render(each, lambda event: None) for each in requests))
    assert [type(end) for end in ends] == [Finished, Finished]


async def test_a_second_job_that_ends_the_worker_is_the_lost_one() -> None:
    """The first has ended already, so only the drawn job loses an attempt."""
    events: list[Event] = []
    async with started() as host:
        first = asyncio.create_task(host.render(make_request("first"), events.append))
        second = asyncio.create_task(host.render(make_request("second", count=1000), events.append))
        assert isinstance(await first, Finished)
        await eventually(lambda: start_of("second") in events)
        assert host.info is not None
        os.kill(host.info.pid, signal.SIGKILL)
        with pytest.raises(WorkerLost) as lost:
            await second
    assert type(lost.value) is WorkerLost


async def test_a_worker_lost_before_it_reported_an_end_costs_every_started_job_an_attempt() -> None:
    async with started() as host:
        first, second = await both(host, "no file", "die")
    assert type(first) is WorkerLost
    assert type(second) is WorkerLost


async def test_an_abandoned_render_stays_in_flight_until_its_step_is_over() -> None:
    events: list[Event] = []
    async with started() as host:
        first = asyncio.create_task(host.render(make_request("first", count=1000), events.append))
        second = asyncio.create_task(host.render(make_request("second"), events.append))
        await eventually(lambda: start_of("first") in events)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        async with asyncio.timeout(30):
            assert isinstance(await second, Finished)


async def test_jobs_that_wait_for_the_first_worker_keep_their_order() -> None:
    order: list[str] = []

    def note(event: Event) -> None:
        if isinstance(event, Progress) and event.step == 0:
            order.append(event.job_id)

    host = Host(CONFIG, module="tests.integration.engine.fake_child")
    renders = [asyncio.create_task(host.render(make_request(f"j{n}"), note)) for n in range(4)]
    await asyncio.sleep(0.01)
    await host.start()
    await asyncio.gather(*renders)
    await host.close()
    assert order == ["j0", "j1", "j2", "j3"]


async def test_closing_stops_the_drawn_and_the_ready_job(tmp_path: Path) -> None:
    async with started(replace(CONFIG, data_dir=tmp_path)) as host:
        renders = [
            asyncio.create_task(host.render(make_request(f"j{n}", count=1000), lambda event: None))
            for n in range(2)
        ]
        await eventually(lambda: prepared(tmp_path) == ["prepare j1"])  # the worker has both
        await host.close()
        assert await asyncio.gather(*renders) == [Stopped("j0", 1), Stopped("j1", 1)]


async def test_closing_waits_for_the_files_of_what_was_drawn() -> None:
    events: list[Event] = []
    async with started() as host:
        requests = make_request("first", "slow files"), make_request("second", count=1000)
        renders = [asyncio.create_task(host.render(each, events.append)) for each in requests]
        await eventually(lambda: start_of("second") in events)  # the drawing of the first is over
        await host.close()
        first, second = await asyncio.gather(*renders)
    assert isinstance(first, Finished)
    assert second == Stopped("second", 1)


async def test_prefetched_loras_reach_every_worker_and_their_errors_affect_none(tmp_path: Path) -> None:
    config = replace(CONFIG, data_dir=tmp_path)
    host = Host(config, module="tests.integration.engine.fake_child")
    host.prefetch([BROKEN, SUGAR], ())  # before the first worker
    await host.start()
    await eventually(lambda: prepared(tmp_path) == ["prefetch broken sugar"])
    assert isinstance(await host.render(make_request(), lambda event: None), Finished)
    host.prefetch([ANIME], ())
    await eventually(lambda: prepared(tmp_path)[1:] == ["prefetch anime"])
    assert host.info is not None
    os.kill(host.info.pid, signal.SIGKILL)
    await eventually(lambda: prepared(tmp_path)[2:] == ["prefetch anime"])
    await host.close()
