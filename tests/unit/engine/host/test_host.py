"""The host with scripted workers: which worker gets a job, held memory, replacements, and the end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from engine import wire
from engine.config import EngineConfig, Plan
from engine.errors import ModelIncomplete, NoPlanFits, WireError, WorkerLost, WorkerNotReady
from engine.host import Host
from engine.host import host as host_module
from engine.host.worker_process import HeldMemory
from engine.request import (
    Event,
    Failed,
    FailReason,
    Finished,
    LoraChoice,
    LoraSource,
    RenderRequest,
    Stopped,
    Timings,
    WorkerInfo,
)
from tests.unit.engine.host.clock import jumping_clock

CONFIG = EngineConfig(Path("var"), Path("shelf"), start_timeout_s=300, keeps_spare=False, idle_release_s=0)
SUGAR = LoraChoice("sugar", "a" * 64)
FILE = LoraSource(SUGAR.sha256, Path("/loras/sugar.safetensors"))
A, B = (RenderRequest(job_id, 1, "a face", 512, 768, 7) for job_id in "ab")
WEIGHTS = 1000
Answer = Finished | Stopped | Failed | Exception


def done(peak_bytes: int = 0, held_bytes: int = 0) -> Finished:
    return Finished("a", 1, Timings(), peak_bytes, held_bytes)


@dataclass
class ScriptedWorker:
    """Stands in for a worker process."""

    number: int
    answers: list[Answer] = field(default_factory=list)
    sent: list[wire.Message] = field(default_factory=list)
    ended: list[bool] = field(default_factory=list)
    is_lost: asyncio.Event = field(default_factory=asyncio.Event)
    has_drawn: bool = False
    plan: Plan | None = None
    held: HeldMemory = field(default_factory=lambda: HeldMemory(WEIGHTS))
    _changed_signal: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def info(self) -> WorkerInfo:
        return WorkerInfo(self.number, f"cuda:{self.number}", "a card", "bfloat16", "", "tiny", 1.0, WEIGHTS)

    async def wait_until_ready(self, plan: Plan | None = None) -> WorkerInfo:
        self.plan = plan
        return self.info

    def send(self, message: wire.HostMessage) -> None:
        self.sent.append(message)

    async def draw(self, request: RenderRequest, listen: Callable[[Event], None]) -> Answer:
        while not self.answers:
            await self._changed_signal.wait()
            self._changed_signal.clear()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        self.held.note(answer)
        self.has_drawn = True
        return answer

    def answer(self, answer: Answer) -> None:
        """Answer the job that has waited longest."""
        self.answers.append(answer)
        self._changed_signal.set()

    async def end(self, *, ask: bool) -> int:
        self.ended.append(ask)
        return 0


@dataclass
class Workers:
    """What ``WorkerProcess.start`` returns: workers in turn, or errors."""

    scripts: list[list[Answer] | Exception] = field(default_factory=list)
    started: list[ScriptedWorker] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    tries: int = 0

    async def start(self, config: EngineConfig, module: str) -> ScriptedWorker:
        self.tries += 1
        script = self.scripts.pop(0) if self.scripts else []
        if isinstance(script, Exception):
            raise script
        self.started.append(ScriptedWorker(len(self.started), script))
        return self.started[-1]


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> Workers:
    made = Workers()
    monkeypatch.setattr(host_module.WorkerProcess, "start", made.start)
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds >= 0.25:
            made.pauses.append(seconds)
        await real(0)

    monkeypatch.setattr(host_module.asyncio, "sleep", sleep)
    return made


def ignore(event: Event) -> None:
    """A listener that does nothing."""


async def start_host(workers: Workers, *scripts: list[Answer] | Exception) -> Host:
    workers.scripts = list(scripts)
    host = Host(CONFIG)
    await host.start()
    return host


async def lose(workers: Workers, host: Host) -> None:
    """Let the newest worker end, and wait until its replacement is ready or the host has given up."""
    count = workers.tries
    workers.started[-1].is_lost.set()
    task = host._replacing
    assert task is not None
    while workers.tries == count or (host.info is None and not task.done()):  # noqa: ASYNC110 - nothing signals it
        await asyncio.sleep(0)


async def test_a_started_host_reports_its_worker_and_the_memory_it_holds(workers: Workers) -> None:
    host = Host(CONFIG)
    assert (host.info, host.held_bytes(), host.device()) == (None, 0, "")
    info = await host.start()
    assert host.info == info == workers.started[0].info
    assert (host.held_bytes(), host.device()) == (WEIGHTS, "cuda:0")
    await host.close()
    assert (host.info, host.held_bytes(), host.device()) == (None, 0, "cuda:0")
    assert workers.started[0].ended == [True]


@pytest.mark.parametrize(
    ("answers", "held"),
    [
        ([done(5000)], 5000),
        ([done(5000), done(3000)], 5000),  # this worker does not report what it holds
        ([done(500)], WEIGHTS),
        ([done(5000, 7000), done(3000, 4000)], 4000),
        ([done(5000, 7000), Failed("a", 1, FailReason.OUT_OF_MEMORY)], WEIGHTS),
        ([done(5000, 7000), Failed("a", 1, FailReason.WORKER_ERROR)], 7000),
        ([done(5000, 7000), Stopped("a", 1)], 7000),
    ],
)
async def test_held_memory_follows_the_reports_of_the_worker(
    workers: Workers, answers: list[Answer], held: int
) -> None:
    host = await start_host(workers, list(answers))
    for answer in answers:
        assert await host.render(A, ignore) == answer
    assert host.held_bytes() == held
    await host.close()


async def test_held_memory_is_known_after_the_calibration(workers: Workers) -> None:
    async def calibrate(info: WorkerInfo, plan: Plan | None, draw: Any) -> None:
        await draw(A, ignore)

    workers.scripts = [[done(5000, 7000)]]
    host = Host(CONFIG, calibrate=calibrate)
    await host.start()
    assert host.held_bytes() == 7000
    await host.close()


async def test_a_request_that_cannot_be_sent_fails_alone(workers: Workers) -> None:
    host = await start_host(workers, [WireError("no unicode"), done()])
    assert await host.render(A, ignore) == Failed("a", 1, FailReason.WORKER_ERROR, "no unicode")
    assert await host.render(A, ignore) == done()
    await host.close()


async def test_a_lost_worker_is_down_at_once_and_its_replacement_draws_the_next_job(workers: Workers) -> None:
    host = await start_host(workers, [WorkerLost()], [done(9)])
    with pytest.raises(WorkerLost):
        await host.render(A, ignore)
    assert (host.info, host.held_bytes()) == (None, 0)
    workers.started[0].is_lost.set()
    assert await host.render(A, ignore) == done(9)
    assert [worker.ended for worker in workers.started] == [[False], []]
    assert host.device() == "cuda:1"
    await host.close()


async def test_two_jobs_are_in_flight_and_the_third_waits(workers: Workers) -> None:
    host = await start_host(workers, [])
    renders = [
        asyncio.create_task(host.render(RenderRequest(name, 1, "", 1, 1, 1), ignore)) for name in "abc"
    ]
    for _ in range(20):
        await asyncio.sleep(0)
    assert [host._renders[name].worker is not None for name in "abc"] == [True, True, False]
    host.cancel("a")
    host.cancel("c")
    host.cancel("unknown")
    assert workers.started[0].sent == [wire.CancelJob("a", 1)]
    renders[0].cancel()
    assert await renders[2] == Stopped("c", 1)
    assert workers.started[0].sent == [wire.CancelJob("a", 1)]  # it never had the third
    for render in renders:
        render.cancel()
    await asyncio.wait(renders)
    assert host._renders == {}
    await host.close()


async def test_without_a_worker_a_job_waits_for_the_start_timeout(workers: Workers) -> None:
    async with jumping_clock() as clock:
        host = Host(CONFIG)
        with pytest.raises(WorkerNotReady):
            await host.render(A, ignore)
        assert clock() == pytest.approx(300)
        render = asyncio.create_task(host.render(A, ignore))
        workers.scripts = [[done()]]
        await asyncio.sleep(0)
        await host.start()
        assert await render == done()
        await host.close()
        with pytest.raises(WorkerNotReady):
            await host.render(A, ignore)  # at once
        assert clock() == pytest.approx(300)
        assert [task for task in asyncio.all_tasks() if "worker" in task.get_name()] == []


async def test_a_closed_host_ends_a_job_that_waits_for_a_worker(workers: Workers) -> None:
    async with jumping_clock() as clock:
        host = Host(CONFIG)
        renders = [asyncio.create_task(host.render(each, ignore)) for each in (A, B)]
        await asyncio.wait(renders, timeout=10)
        host.cancel("b")
        assert await renders[1] == Stopped("b", 1)
        await host.close()
        with pytest.raises(WorkerNotReady):
            await renders[0]
        assert clock() == pytest.approx(10)


async def test_late_events_of_an_old_worker_change_nothing_about_its_replacement(workers: Workers) -> None:
    host = await start_host(workers, [], [])
    renders = [asyncio.create_task(host.render(each, ignore)) for each in (A, B)]
    await asyncio.sleep(0)
    old = workers.started[0]
    await lose(workers, host)
    host.prefetch([SUGAR], [FILE])
    old.answer(done(9000))
    assert await renders[0] == done(9000)
    assert host.held_bytes() == WEIGHTS
    old.answer(WorkerLost())
    with pytest.raises(WorkerLost):
        await renders[1]
    assert host.info == workers.started[1].info
    assert old.sent == []
    await host.close()
    assert [worker.ended for worker in workers.started] == [[False], [True]]


async def test_between_two_workers_prefetch_sends_nothing(workers: Workers) -> None:
    host = await start_host(workers, [WorkerLost()], [done()])
    with pytest.raises(WorkerLost):
        await host.render(A, ignore)
    host.prefetch([SUGAR], [FILE])
    assert workers.started[0].sent == []
    workers.started[0].is_lost.set()
    assert await host.render(A, ignore) == done()
    assert workers.started[1].sent == [wire.PrefetchLoras((SUGAR,), (FILE,))]
    await host.close()


async def test_a_withdrawal_is_sent_at_once_and_first_to_each_replacement(workers: Workers) -> None:
    host = Host(CONFIG)
    await host.start()
    host.withdraw(frozenset({"b", "a"}))
    assert workers.started[0].sent == [wire.WithdrawLoras(("a", "b"))]
    host.prefetch([SUGAR], [FILE])
    await lose(workers, host)
    assert workers.started[1].sent == [wire.WithdrawLoras(("a", "b")), wire.PrefetchLoras((SUGAR,), (FILE,))]
    host.withdraw(frozenset())
    assert workers.started[1].sent[-1] == wire.WithdrawLoras(())
    await host.close()


async def test_prefetch_is_sent_at_once_and_again_to_each_replacement(workers: Workers) -> None:
    host = Host(CONFIG)
    host.prefetch([], [])
    await host.start()
    assert workers.started[0].sent == []
    host.prefetch([SUGAR], [FILE])
    assert workers.started[0].sent == [wire.PrefetchLoras((SUGAR,), (FILE,))]
    await lose(workers, host)
    assert workers.started[1].sent == [wire.PrefetchLoras((SUGAR,), (FILE,))]
    await host.close()


async def test_pauses_before_restarts_double_up_to_two_minutes_and_start_over_after_a_picture(
    workers: Workers,
) -> None:
    host = await start_host(workers)
    for _ in range(11):
        await lose(workers, host)
    assert workers.pauses == [0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 120, 120]
    workers.started[-1].has_drawn = True
    await lose(workers, host)
    assert workers.pauses[-1] == 0.25
    await host.close()


async def test_after_ten_failed_starts_in_a_row_the_host_gives_up(workers: Workers) -> None:
    host = await start_host(workers, [], *[OSError("no process")] * 9, [], *[OSError("no process")] * 10)
    watch = asyncio.create_task(host.watch())
    await lose(workers, host)
    while host.info is None:  # noqa: ASYNC110 - nothing signals it
        await asyncio.sleep(0)
    assert not watch.done()  # nine, and then one that works
    assert host.failed_starts == 0
    workers.started[-1].is_lost.set()
    with pytest.raises(WorkerNotReady, match="no process"):
        await asyncio.wait_for(watch, 30)
    assert workers.tries == 1 + 9 + 1 + 10
    assert host.failed_starts == 10
    await host.close()


async def test_an_error_of_the_model_at_a_restart_counts_as_a_failed_start(workers: Workers) -> None:
    host = await start_host(workers, [], ModelIncomplete("vae"), [done()])
    workers.started[0].is_lost.set()
    while workers.tries < 3:  # noqa: ASYNC110 - nothing signals it
        await asyncio.sleep(0)
    assert await host.render(A, ignore) == done()
    await host.close()


async def test_a_worker_that_does_not_become_ready_is_ended(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(worker: ScriptedWorker, plan: Plan | None = None) -> WorkerInfo:
        raise WorkerNotReady("too slow")

    monkeypatch.setattr(ScriptedWorker, "wait_until_ready", fail)
    with pytest.raises(WorkerNotReady, match="too slow"):
        await Host(CONFIG).start()
    assert workers.started[0].ended == [False]


async def test_the_watch_ends_with_the_host_and_at_once_where_nothing_was_started(workers: Workers) -> None:
    await asyncio.wait_for(Host(CONFIG).watch(), 1)
    host = await start_host(workers)
    watch = asyncio.create_task(host.watch())
    await asyncio.sleep(0)
    assert not watch.done()
    await host.close()
    await asyncio.wait_for(watch, 30)
    await Host(CONFIG).close()  # one that never started closes as well


@pytest.mark.parametrize("keeps_spare", [False, True])
async def test_each_worker_starts_with_a_plan_of_the_moment(workers: Workers, *, keeps_spare: bool) -> None:
    budgets = iter((2**34, 2**33))

    def place(config: EngineConfig) -> EngineConfig:
        return replace(config, plan=Plan(budget_bytes=next(budgets)))

    host = Host(replace(CONFIG, keeps_spare=keeps_spare), place=place)
    await host.start()
    workers.started[0].is_lost.set()
    while host.info is None or host.info.pid == 0:  # noqa: ASYNC110 - nothing signals it
        await asyncio.sleep(0)
    plans = [each.plan for each in workers.started if each.plan is not None]
    assert [plan.budget_bytes for plan in plans] == [2**34, 2**33]
    await host.close()


async def test_a_card_without_room_for_any_plan_starts_no_worker(workers: Workers) -> None:
    def place(_config: EngineConfig) -> EngineConfig:
        raise NoPlanFits(needed_bytes=4, missing_bytes=1)

    with pytest.raises(NoPlanFits):
        await Host(CONFIG, place=place).start()
    assert workers.tries == 0
