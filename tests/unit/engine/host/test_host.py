"""The host over scripted workers: who gets a job, what is held, when a worker is replaced, and the ends."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine import wire
from engine.config import EngineConfig
from engine.errors import ModelIncomplete, WireError, WorkerLost, WorkerNotReady
from engine.host import Host
from engine.host import host as host_module
from engine.request import (
    Event,
    Failed,
    FailReason,
    Finished,
    LoraChoice,
    RenderRequest,
    Stopped,
    Timings,
    WorkerInfo,
)
from tests.unit.engine.host.clock import jumping_clock

CONFIG = EngineConfig(Path("var"), Path("shelf"), start_timeout_s=300)
SUGAR = LoraChoice("sugar", "a" * 64)
A, B = (RenderRequest(job_id, 1, "a face", 512, 768, 7) for job_id in "ab")
WEIGHTS = 1000
Answer = Finished | Stopped | Failed | Exception


def done(peak_bytes: int = 0, held_bytes: int = 0) -> Finished:
    return Finished("a", 1, Timings(), peak_bytes, held_bytes)


@dataclass
class ScriptedLife:
    """In place of a worker process."""

    number: int
    answers: list[Answer] = field(default_factory=list)
    sent: list[wire.Message] = field(default_factory=list)
    ended: list[bool] = field(default_factory=list)
    is_lost: asyncio.Event = field(default_factory=asyncio.Event)
    has_drawn: bool = False
    _changed_signal: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def info(self) -> WorkerInfo:
        return WorkerInfo(self.number, f"cuda:{self.number}", "a card", "bfloat16", "", "tiny", 1.0, WEIGHTS)

    async def ready(self) -> WorkerInfo:
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
        self.has_drawn = True
        return answer

    def answer(self, answer: Answer) -> None:
        """Say it to the job that has waited longest."""
        self.answers.append(answer)
        self._changed_signal.set()

    async def end(self, *, ask: bool) -> int:
        self.ended.append(ask)
        return 0


@dataclass
class Nursery:
    """What ``Life.spawn`` brings forth: workers in turn, or errors."""

    scripts: list[list[Answer] | Exception] = field(default_factory=list)
    lives: list[ScriptedLife] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    tries: int = 0

    async def spawn(self, config: EngineConfig, module: str) -> ScriptedLife:
        self.tries += 1
        script = self.scripts.pop(0) if self.scripts else []
        if isinstance(script, Exception):
            raise script
        self.lives.append(ScriptedLife(len(self.lives), script))
        return self.lives[-1]


@pytest.fixture
def nursery(monkeypatch: pytest.MonkeyPatch) -> Nursery:
    made = Nursery()
    monkeypatch.setattr(host_module.Life, "spawn", made.spawn)
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds >= 1:
            made.pauses.append(seconds)
        await real(0)

    monkeypatch.setattr(host_module.asyncio, "sleep", sleep)
    return made


def silent(event: Event) -> None:
    """Listen to nothing."""


async def started(nursery: Nursery, *scripts: list[Answer] | Exception) -> Host:
    nursery.scripts = list(scripts)
    host = Host(CONFIG)
    await host.start()
    return host


async def lose(nursery: Nursery, host: Host) -> None:
    """Let the newest worker end, and wait until its replacement is ready or was given up."""
    count = nursery.tries
    nursery.lives[-1].is_lost.set()
    keeper = host._keeper
    assert keeper is not None
    while nursery.tries == count or (host.info is None and not keeper.done()):  # noqa: ASYNC110 - no bell
        await asyncio.sleep(0)


async def test_a_started_host_says_what_its_worker_is_and_holds(nursery: Nursery) -> None:
    host = Host(CONFIG)
    assert (host.info, host.held_bytes(), host.device()) == (None, 0, "")
    info = await host.start()
    assert host.info == info == nursery.lives[0].info
    assert (host.held_bytes(), host.device()) == (WEIGHTS, "cuda:0")
    await host.close()
    assert (host.info, host.held_bytes(), host.device()) == (None, 0, "cuda:0")
    assert nursery.lives[0].ended == [True]


@pytest.mark.parametrize(
    ("answers", "held"),
    [
        ([done(5000)], 5000),
        ([done(5000), done(3000)], 5000),  # as far as a worker that says no more lets one tell
        ([done(500)], WEIGHTS),
        ([done(5000, 7000), done(3000, 4000)], 4000),
        ([done(5000, 7000), Failed("a", 1, FailReason.OUT_OF_MEMORY)], WEIGHTS),
        ([done(5000, 7000), Failed("a", 1, FailReason.WORKER_ERROR)], 7000),
        ([done(5000, 7000), Stopped("a", 1)], 7000),
    ],
)
async def test_what_the_worker_holds_rises_and_falls_with_what_it_says(
    nursery: Nursery, answers: list[Answer], held: int
) -> None:
    host = await started(nursery, list(answers))
    for answer in answers:
        assert await host.render(A, silent) == answer
    assert host.held_bytes() == held
    await host.close()


async def test_a_request_that_cannot_be_sent_fails_alone(nursery: Nursery) -> None:
    host = await started(nursery, [WireError("no unicode"), done()])
    assert await host.render(A, silent) == Failed("a", 1, FailReason.WORKER_ERROR, "no unicode")
    assert await host.render(A, silent) == done()
    await host.close()


async def test_a_lost_worker_is_down_at_once_and_its_replacement_draws_the_next_job(nursery: Nursery) -> None:
    host = await started(nursery, [WorkerLost()], [done(9)])
    with pytest.raises(WorkerLost):
        await host.render(A, silent)
    assert (host.info, host.held_bytes()) == (None, 0)
    nursery.lives[0].is_lost.set()
    assert await host.render(A, silent) == done(9)
    assert [life.ended for life in nursery.lives] == [[False], []]
    assert host.device() == "cuda:1"
    await host.close()


async def test_two_jobs_are_in_hand_and_the_third_waits(nursery: Nursery) -> None:
    host = await started(nursery, [])
    renders = [
        asyncio.create_task(host.render(RenderRequest(name, 1, "", 1, 1, 1), silent)) for name in "abc"
    ]
    for _ in range(20):
        await asyncio.sleep(0)
    assert [host._jobs[name].life is not None for name in "abc"] == [True, True, False]
    host.cancel("a")
    host.cancel("c")
    host.cancel("unknown")
    assert nursery.lives[0].sent == [wire.CancelJob("a", 1)]
    renders[0].cancel()
    assert await renders[2] == Stopped("c", 1)
    assert nursery.lives[0].sent == [wire.CancelJob("a", 1)]  # it never had the third
    for render in renders:
        render.cancel()
    await asyncio.wait(renders)
    assert host._jobs == {}
    await host.close()


async def test_without_a_worker_a_job_waits_for_the_start_timeout(nursery: Nursery) -> None:
    async with jumping_clock() as clock:
        host = Host(CONFIG)
        with pytest.raises(WorkerNotReady):
            await host.render(A, silent)
        assert clock() == pytest.approx(300)
        render = asyncio.create_task(host.render(A, silent))
        nursery.scripts = [[done()]]
        await asyncio.sleep(0)
        await host.start()
        assert await render == done()
        await host.close()
        with pytest.raises(WorkerNotReady):
            await host.render(A, silent)  # at once
        assert clock() == pytest.approx(300)
        assert [task for task in asyncio.all_tasks() if "worker" in task.get_name()] == []


async def test_a_host_that_is_closed_lets_go_of_a_job_that_waits_for_a_worker(nursery: Nursery) -> None:
    async with jumping_clock() as clock:
        host = Host(CONFIG)
        renders = [asyncio.create_task(host.render(each, silent)) for each in (A, B)]
        await asyncio.wait(renders, timeout=10)
        host.cancel("b")
        assert await renders[1] == Stopped("b", 1)
        await host.close()
        with pytest.raises(WorkerNotReady):
            await renders[0]
        assert clock() == pytest.approx(10)


async def test_what_an_old_worker_still_says_changes_nothing_about_its_replacement(nursery: Nursery) -> None:
    host = await started(nursery, [], [])
    renders = [asyncio.create_task(host.render(each, silent)) for each in (A, B)]
    await asyncio.sleep(0)
    old = nursery.lives[0]
    await lose(nursery, host)
    host.prefetch([SUGAR])
    old.answer(done(9000))
    assert await renders[0] == done(9000)
    assert host.held_bytes() == WEIGHTS
    old.answer(WorkerLost())
    with pytest.raises(WorkerLost):
        await renders[1]
    assert host.info == nursery.lives[1].info
    assert old.sent == []
    await host.close()
    assert [life.ended for life in nursery.lives] == [[False], [True]]


async def test_between_two_workers_nobody_is_told_what_is_foreseen(nursery: Nursery) -> None:
    host = await started(nursery, [WorkerLost()], [done()])
    with pytest.raises(WorkerLost):
        await host.render(A, silent)
    host.prefetch([SUGAR])
    assert nursery.lives[0].sent == []
    nursery.lives[0].is_lost.set()
    assert await host.render(A, silent) == done()
    assert nursery.lives[1].sent == [wire.PrefetchLoras((SUGAR,))]
    await host.close()


async def test_what_is_foreseen_is_said_at_once_and_again_to_each_replacement(nursery: Nursery) -> None:
    host = Host(CONFIG)
    host.prefetch([])
    await host.start()
    assert nursery.lives[0].sent == []
    host.prefetch([SUGAR])
    assert nursery.lives[0].sent == [wire.PrefetchLoras((SUGAR,))]
    await lose(nursery, host)
    assert nursery.lives[1].sent == [wire.PrefetchLoras((SUGAR,))]
    await host.close()


async def test_pauses_before_restarts_double_up_to_two_minutes_and_begin_anew_after_a_picture(
    nursery: Nursery,
) -> None:
    host = await started(nursery)
    for _ in range(9):
        await lose(nursery, host)
    assert nursery.pauses == [1, 2, 4, 8, 16, 32, 64, 120, 120]
    nursery.lives[-1].has_drawn = True
    await lose(nursery, host)
    assert nursery.pauses[-1] == 1
    await host.close()


async def test_eight_failed_starts_in_a_row_are_the_end(nursery: Nursery) -> None:
    host = await started(nursery, [], *[OSError("no process")] * 7, [], *[OSError("no process")] * 8)
    watch = asyncio.create_task(host.watch())
    await lose(nursery, host)
    while host.info is None:  # noqa: ASYNC110 - the keeper's turns ring no bell
        await asyncio.sleep(0)
    assert not watch.done()  # seven, and then one that works
    nursery.lives[-1].is_lost.set()
    with pytest.raises(WorkerNotReady, match="no process"):
        await asyncio.wait_for(watch, 2)
    assert nursery.tries == 1 + 7 + 1 + 8
    await host.close()


async def test_an_error_of_the_model_at_a_restart_counts_as_a_failed_start(nursery: Nursery) -> None:
    host = await started(nursery, [], ModelIncomplete("vae"), [done()])
    nursery.lives[0].is_lost.set()
    while nursery.tries < 3:  # noqa: ASYNC110 - the keeper's turns ring no bell
        await asyncio.sleep(0)
    assert await host.render(A, silent) == done()
    await host.close()


async def test_a_worker_that_does_not_become_ready_is_ended(
    nursery: Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ready(life: ScriptedLife) -> WorkerInfo:
        raise WorkerNotReady("too slow")

    monkeypatch.setattr(ScriptedLife, "ready", ready)
    with pytest.raises(WorkerNotReady, match="too slow"):
        await Host(CONFIG).start()
    assert nursery.lives[0].ended == [False]


async def test_the_watch_ends_with_the_host_and_at_once_where_nothing_was_started(nursery: Nursery) -> None:
    await asyncio.wait_for(Host(CONFIG).watch(), 1)
    host = await started(nursery)
    watch = asyncio.create_task(host.watch())
    await asyncio.sleep(0)
    assert not watch.done()
    await host.close()
    await asyncio.wait_for(watch, 1)
    await Host(CONFIG).close()  # one that never started closes as well
