"""A host gives its card back, moves the model, and calibrates; jobs lose nothing by it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from engine import wire
from engine.config import EngineConfig, Plan, WeightLocation
from engine.errors import NoPlanFits, WorkerLost, WorkerNotReady
from engine.host import Host, HostState
from engine.host import host as host_module
from engine.host.host import DrawFirst
from engine.request import Stopped, WorkerInfo
from tests.unit.engine.host.clock import jumping_clock
from tests.unit.engine.host.test_host import CONFIG, A, B, ScriptedWorker, Workers, done, ignore

IDLE = replace(CONFIG, idle_release_s=900)
SMALL = Plan(base=WeightLocation.PINNED)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    made = Workers()
    monkeypatch.setattr(host_module.WorkerProcess, "start", made.start)
    monkeypatch.setattr(host_module.asyncio, "to_thread", now)  # the clock would jump while a thread works
    return made


async def now(call: Callable[..., EngineConfig], *facts: object) -> EngineConfig:
    return call(*facts)


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110 - the clock jumps
        await asyncio.sleep(0.1)


async def test_an_idle_worker_gives_its_card_back_and_the_next_job_starts_another(workers: Workers) -> None:
    async with jumping_clock() as clock:
        workers.scripts = [[done(5000)], [done()]]
        host = Host(IDLE)
        await host.start()
        assert (host.state, host.loading_s()) == (HostState.READY, None)
        await asyncio.sleep(600)
        await host.render(A, ignore)
        await asyncio.sleep(890)
        assert host.state is HostState.READY  # it was used in between
        await until(lambda: host.info is None)
        assert clock() == pytest.approx(600 + 900, abs=1)
        await asyncio.sleep(5000)
        assert (host.state, host.held_bytes(), workers.tries) == (HostState.RELEASED, 0, 1)
        assert workers.started[0].ended == [True]  # asked, not killed
        assert host.loading_s() is not None
        assert await host.render(B, ignore) == done()
        assert (host.state, workers.tries, list(host.errors)) == (HostState.READY, 2, [])
        assert host.ends == {HostState.RELEASED: 1}
        await host.close()


async def test_a_worker_with_a_job_is_not_idle(workers: Workers) -> None:
    async with jumping_clock():
        host = Host(IDLE)
        await host.start()
        drawing = asyncio.create_task(host.render(A, ignore))
        await asyncio.sleep(5000)
        assert host.state is HostState.READY
        workers.started[0].answer(done())
        await drawing
        await host.close()


async def test_a_worker_moves_after_the_jobs_that_it_holds_and_before_those_that_wait(
    workers: Workers,
) -> None:
    async with jumping_clock():
        workers.scripts = [[], [done(2)]]
        host = Host(CONFIG)
        await host.start()
        first = asyncio.create_task(host.render(A, ignore))
        await asyncio.sleep(1)
        assert host.move("a game has started")
        second = asyncio.create_task(host.render(B, ignore))
        await asyncio.sleep(50)
        assert (workers.tries, host.info is None) == (1, False)
        workers.started[0].answer(done(1))
        assert (await first, await second) == (done(1), done(2))
        assert (workers.tries, workers.started[0].ended, list(host.errors)) == (2, [True], [])
        await host.close()


async def test_a_withdrawal_reaches_a_worker_that_draws_its_last_jobs(workers: Workers) -> None:
    async with jumping_clock():
        workers.scripts = [[], []]
        host = Host(CONFIG)
        await host.start()
        drawing = asyncio.create_task(host.render(A, ignore))
        await asyncio.sleep(1)
        assert host.move("a game has started")
        host.withdraw(frozenset({"a"}))
        assert workers.started[0].sent == [wire.WithdrawLoras(("a",))]
        workers.started[0].answer(done())
        await drawing
        await until(lambda: host.info is not None)
        assert workers.started[1].sent == [wire.WithdrawLoras(("a",))]
        await host.close()


async def test_a_worker_that_is_lost_before_it_moves_is_an_error(workers: Workers) -> None:
    async with jumping_clock():
        workers.scripts = [[], []]
        host = Host(CONFIG)
        await host.start()
        first = asyncio.create_task(host.render(A, ignore))
        await asyncio.sleep(1)
        assert host.move("a game has started")
        workers.started[0].answer(WorkerLost())
        workers.started[0].is_lost.set()
        with pytest.raises(WorkerLost):
            await first
        await until(lambda: workers.tries == 2 and host.info is not None)
        assert len(host.errors) == 1
        assert host.ends == {HostState.MOVING: 1, HostState.LOST: 1}
        assert host.drawn_s is None
        assert host.state is HostState.READY
        await host.close()


async def test_a_card_is_kept_for_ever_if_the_host_wants_it(workers: Workers) -> None:
    async with jumping_clock():
        host = Host(CONFIG)
        await host.start()
        await asyncio.sleep(20_000)
        assert host.state is HostState.READY
        await host.close()


async def test_the_model_moves_between_two_jobs_at_once_and_with_a_new_plan(workers: Workers) -> None:
    plans: list[Plan] = [Plan(), SMALL]

    def place(config: EngineConfig) -> EngineConfig:
        return replace(config, plan=plans.pop(0))

    async with jumping_clock() as clock:
        workers.scripts = [[], [done()]]
        host = Host(CONFIG, place=place)
        await host.start()
        assert host.plan == workers.started[0].plan == Plan()
        assert host.drawn_s is None
        assert host.move("a game has started")
        assert not host.move("twice")
        assert host.state is HostState.MOVING
        assert await host.render(A, ignore) == done()  # a job that waits loses nothing
        assert host.plan == workers.started[1].plan == SMALL
        assert (host.state, list(host.errors), clock()) == (HostState.READY, [], pytest.approx(0, abs=0.2))
        assert host.ends == {HostState.MOVING: 1}
        assert host.drawn_s is not None
        await host.close()


async def test_a_host_waits_until_other_programs_leave_the_card(workers: Workers) -> None:
    tries: list[float] = []

    async with jumping_clock() as clock:

        def place(config: EngineConfig) -> EngineConfig:
            tries.append(clock())
            if 1 < len(tries) < 40:
                raise NoPlanFits(needed_bytes=2, missing_bytes=1)
            return config

        host = Host(CONFIG, place=place)
        await host.start()
        assert host.move("a game has started")
        await until(lambda: host.info is not None)
        assert len(tries) == 40  # more often than a broken worker is started
        assert {error.detail for error in host.errors} != set()
        await host.close()


async def test_a_lost_worker_is_an_error_with_its_time_and_a_released_one_is_none(workers: Workers) -> None:
    async with jumping_clock():
        host = Host(CONFIG)
        await host.start()
        workers.started[0].is_lost.set()
        await until(lambda: workers.tries == 2 and host.info is not None)
        [error] = host.errors
        assert error.detail == "The worker ended with status 0."
        assert error.at_s > 1e9
        assert host.state is HostState.READY
        await host.close()


async def test_a_worker_is_calibrated_before_any_job_reaches_it(workers: Workers) -> None:
    seen: list[str] = []

    async def calibrate(info: WorkerInfo, plan: Plan | None, draw: DrawFirst) -> None:
        await draw(B, ignore)
        seen.append("calibrated")

    async with jumping_clock():
        workers.scripts = [[done(), done()]]
        host = Host(CONFIG, calibrate=calibrate)
        starting = asyncio.create_task(host.start())
        await host.render(A, ignore)
        seen.append("drawn")
        await starting
        assert seen == ["calibrated", "drawn"]
        await host.close()


async def test_what_the_first_pictures_took_counts_as_held(workers: Workers) -> None:
    async def calibrate(info: WorkerInfo, plan: Plan | None, draw: DrawFirst) -> None:
        await draw(B, ignore)

    async with jumping_clock():
        workers.scripts = [[done(5000, 7000)]]
        host = Host(CONFIG, calibrate=calibrate)
        await host.start()
        assert (host.held_bytes(), host.is_measured) == (7000, True)
        await host.close()


async def test_what_a_worker_holds_is_known_after_a_job_and_not_while_it_draws(workers: Workers) -> None:
    async with jumping_clock():
        host = Host(CONFIG)
        await host.start()
        assert not host.is_measured  # its weights are not all that it holds
        for end, is_known in ((done(5000), True), (Stopped("a", 1), False), (done(5000), True)):
            drawing = asyncio.create_task(host.render(A, ignore))
            await asyncio.sleep(1)
            assert not host.is_measured
            workers.started[0].answer(end)
            await drawing
            assert host.is_measured is is_known
        await host.close()


async def test_a_worker_lost_at_its_calibration_holds_nothing(workers: Workers) -> None:
    async def calibrate(info: WorkerInfo, plan: Plan | None, draw: DrawFirst) -> None:
        raise WorkerLost

    async with jumping_clock():
        host = Host(CONFIG, calibrate=calibrate)
        with pytest.raises(WorkerNotReady):
            await host.start()
        assert host.held_bytes() == 0
        await host.close()


async def test_a_worker_lost_at_its_calibration_is_replaced(workers: Workers) -> None:
    async def calibrate(info: WorkerInfo, plan: Plan | None, draw: DrawFirst) -> None:
        if info.pid == 1:
            raise WorkerLost

    async with jumping_clock():
        host = Host(CONFIG, calibrate=calibrate)
        await host.start()
        workers.started[0].is_lost.set()
        await until(lambda: host.info is not None and host.info.pid == 2)
        assert len(host.errors) == 2
        assert isinstance(workers.started[1], ScriptedWorker)
        assert workers.started[1].ended == [False]
        await host.close()
