"""The host with real processes: every way a worker can end, and what is left afterwards (nothing)."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import structlog

from engine import host as host_module
from engine.config import EngineConfig
from engine.errors import ModelIncomplete, WorkerLost, WorkerNotReady
from engine.host import Host
from engine.request import Drawn, Event, Failed, FailReason, Finished, Progress, RenderRequest, Stopped

FAKE = "tests.integration.engine.fake_child"
CONFIG = EngineConfig(
    Path("var"), Path("shelf"), model="fake", device="cpu", start_timeout_s=20, step_timeout_s=10
)


@pytest.fixture(autouse=True)
def quick_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_module, "FIRST_PAUSE_S", 0.05)


@pytest.fixture(autouse=True)
async def nothing_is_left() -> AsyncIterator[None]:
    """No process, file or task outlives any of these tests."""
    me = psutil.Process()
    files, children = (
        me.num_fds(),
        set(me.children(recursive=True)),
    )  # another test's fork server may be there
    yield
    await asyncio.sleep(0.05)
    assert set(me.children(recursive=True)) <= children
    assert me.num_fds() <= files
    assert [task for task in asyncio.all_tasks() if "worker" in task.get_name()] == []


@asynccontextmanager
async def started(config: EngineConfig = CONFIG) -> AsyncIterator[Host]:
    host = Host(config, module=FAKE)
    try:
        await host.start()
        yield host
    finally:
        await host.close()


def make_request(
    job_id: str = "j", prompt: str = "a face", *, attempt: int = 1, count: int = 1
) -> RenderRequest:
    return RenderRequest(job_id, attempt, prompt, 512, 768, 7, count)


async def eventually(is_so: Callable[[], object], timeout_s: float = 10) -> None:
    async with asyncio.timeout(timeout_s):
        while not is_so():  # noqa: ASYNC110 - what is awaited happens in another process
            await asyncio.sleep(0.01)


def at_step(step: int, effect: Callable[[], object]) -> Callable[[Event], None]:
    """A listener that does something once a step was reached."""

    def listen(event: Event) -> None:
        if isinstance(event, Progress) and event.step == step:
            effect()

    return listen


async def test_a_job_is_drawn_with_progress_and_pictures_in_order() -> None:
    events: list[Event] = []
    async with started() as host:
        outcome = await host.render(make_request(count=2), events.append)
        assert isinstance(outcome, Finished)
        assert host.info is not None
        assert host.info.pid != os.getpid()
        assert host.held_bytes() == 5000
    steps = [(event.index, event.step) for event in events if isinstance(event, Progress)]
    assert steps == [(index, step) for index in (0, 1) for step in range(1, 9)]
    pictures = [event.picture for event in events if isinstance(event, Drawn)]
    assert [(picture.index, picture.seed, len(picture.png)) for picture in pictures] == [
        (0, 7, 300_010),
        (1, 8, 300_010),
    ]


async def test_jobs_asked_for_together_are_drawn_one_after_the_other() -> None:
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

        def listen(event: Event) -> None:
            steps.append(event)
            if len(steps) == 3:
                host.cancel("j")

        assert await host.render(make_request(count=100), listen) == Stopped("j", 1)
        assert len(steps) <= 6
        assert isinstance(await host.render(make_request(attempt=2), lambda event: None), Finished)


async def test_a_cancel_that_comes_too_late_does_not_stop_the_same_try_when_it_is_asked_again() -> None:
    async with started() as host:

        def cancel_at_the_end(event: Event) -> None:
            if isinstance(event, Drawn):
                host.cancel("j")

        assert isinstance(await host.render(make_request(), cancel_at_the_end), Finished)
        await asyncio.sleep(0.1)
        assert isinstance(await host.render(make_request(), lambda event: None), Finished)


async def test_a_job_cancelled_while_another_is_drawn_never_begins() -> None:
    async with started() as host:
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
async def test_a_failed_job_says_why_and_the_worker_goes_on(prompt: str, reason: FailReason) -> None:
    async with started() as host:
        pid = host.info and host.info.pid
        outcome = await host.render(make_request(prompt=prompt), lambda event: None)
        assert isinstance(outcome, Failed)
        assert outcome.reason is reason
        assert isinstance(await host.render(make_request("next"), lambda event: None), Finished)
        assert (host.info and host.info.pid) == pid


async def test_the_log_of_a_bug_has_the_job_and_the_trace_but_not_the_prompt() -> None:
    with structlog.testing.capture_logs() as logs:
        async with started() as host:
            await host.render(make_request("the job", prompt="bug"), lambda event: None)
    (entry,) = [entry for entry in logs if entry["event"] == "job failed"]
    assert entry["job_id"] == "the job"
    assert "ZeroDivisionError: a …, while drawing: …" in entry["trace"]


@pytest.mark.parametrize("prompt", ["die", "exit", "card"])
async def test_a_worker_that_ends_loses_its_job_at_once_and_is_replaced(prompt: str) -> None:
    async with started() as host:
        pid = host.info and host.info.pid
        begun = time.monotonic()
        with pytest.raises(WorkerLost):
            await host.render(make_request(prompt=prompt), lambda event: None)
        assert time.monotonic() - begun < 1.5
        assert isinstance(await host.render(make_request(attempt=2), lambda event: None), Finished)
        assert (host.info and host.info.pid) != pid


async def test_a_card_fault_ends_the_worker_with_its_own_status() -> None:
    with structlog.testing.capture_logs() as logs:
        async with started() as host:
            with pytest.raises(WorkerLost):
                await host.render(make_request(prompt="card"), lambda event: None)
            await eventually(lambda: any(entry["event"] == "worker ended" for entry in logs))
    assert [entry["status"] for entry in logs if entry["event"] == "worker ended"] == [70]


@pytest.mark.parametrize("prompt", ["hang", "stop"])
async def test_a_worker_that_takes_no_step_is_ended_and_replaced(prompt: str) -> None:
    async with started(replace(CONFIG, step_timeout_s=0.5)) as host:
        with pytest.raises(WorkerLost, match="no step"):
            await host.render(make_request(prompt=prompt), lambda event: None)
        assert isinstance(await host.render(make_request(attempt=2), lambda event: None), Finished)


async def test_a_worker_killed_while_idle_is_replaced_before_the_next_job() -> None:
    async with started() as host:
        assert host.info is not None
        pid = host.info.pid
        os.kill(pid, signal.SIGKILL)
        await eventually(lambda: host.info is not None and host.info.pid != pid)
        assert isinstance(await host.render(make_request(), lambda event: None), Finished)


async def test_a_replacement_that_fails_to_start_is_tried_again(tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    async with started(replace(CONFIG, model=f"once:{starts}")) as host:
        with pytest.raises(WorkerLost):
            await host.render(make_request(prompt="die"), lambda event: None)
        assert isinstance(await host.render(make_request(attempt=2), lambda event: None), Finished)
    assert starts.read_text() == "xxx"


async def test_restarts_come_later_and_later_until_a_picture_was_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        host_module, "FIRST_PAUSE_S", 0.5
    )  # 0.5, 1, 2: more than a busy machine's start varies
    pauses: list[float] = []
    async with started() as host:
        for _ in range(3):
            begun = time.monotonic()
            with pytest.raises(WorkerLost):
                await host.render(make_request(prompt="die"), lambda event: None)
            lost = time.monotonic()
            await eventually(lambda: host.info is None)
            await eventually(lambda: host.info is not None)
            pauses.append(time.monotonic() - lost)
            assert lost - begun < 2
    assert pauses[2] > pauses[0] + 0.1


async def test_a_host_whose_worker_never_starts_again_says_so_instead_of_waiting_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_module, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(host_module, "MAX_FAILED_STARTS", 2)
    async with started(replace(CONFIG, model=f"first:{tmp_path / 'starts'}")) as host:
        with pytest.raises(WorkerLost):
            await host.render(make_request(prompt="die"), lambda event: None)
        with pytest.raises(WorkerNotReady, match="status 4"):
            async with asyncio.timeout(30):
                await host.watch()


async def test_the_watch_over_a_sound_worker_ends_with_the_host() -> None:
    async with started() as host:
        watch = asyncio.create_task(host.watch(), name="watch")
        await asyncio.sleep(0.05)
        assert not watch.done()
    await asyncio.wait_for(watch, 5)


async def test_a_worker_never_sees_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "a secret")
    async with started() as host:
        assert host.info is not None
        assert "DISCORD_TOKEN" not in psutil.Process(host.info.pid).environ()


async def test_events_of_an_older_attempt_or_another_job_are_ignored() -> None:
    events: list[Event] = []
    async with started() as host:
        await host.render(make_request(prompt="late", attempt=2), events.append)
    assert {(event.job_id, event.attempt) for event in events} == {("j", 2)}
    assert len(events) == 9


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
        async with asyncio.timeout(5):
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


async def test_a_model_error_reaches_the_host_with_its_facts() -> None:
    host = Host(replace(CONFIG, model="incomplete"), module=FAKE)
    with pytest.raises(ModelIncomplete, match="vae is missing") as caught:
        await host.start()
    assert caught.value.facts == {"missing": ("vae/config.json",), "folder": "/nowhere"}
    await host.close()


async def test_a_worker_that_crashes_while_it_loads_is_said_so_with_its_status() -> None:
    with pytest.raises(WorkerNotReady, match="status 1"):
        await Host(replace(CONFIG, model="crash"), module=FAKE).start()


async def test_a_worker_that_is_not_ready_in_time_is_ended() -> None:
    with pytest.raises(WorkerNotReady, match="not ready within"):
        await Host(replace(CONFIG, model="slow", start_timeout_s=1), module=FAKE).start()


async def test_a_cancelled_start_leaves_nothing() -> None:
    task = asyncio.create_task(Host(replace(CONFIG, model="slow"), module=FAKE).start())
    await eventually(lambda: psutil.Process().children())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_render_before_the_start_waits_for_it() -> None:
    host = Host(CONFIG, module=FAKE)
    task = asyncio.create_task(host.render(make_request(), lambda event: None))
    await asyncio.sleep(0.05)
    await host.start()
    assert isinstance(await task, Finished)
    await host.close()


async def test_a_render_without_a_worker_gives_up_after_the_start_timeout() -> None:
    host = Host(replace(CONFIG, start_timeout_s=0.2), module=FAKE)
    with pytest.raises(WorkerNotReady):
        await host.render(make_request(), lambda event: None)


async def test_closing_stops_the_running_job_and_refuses_the_next() -> None:
    async with started() as host:
        task = asyncio.create_task(host.render(make_request(count=1000), lambda event: None))
        await asyncio.sleep(0.1)
        begun = time.monotonic()
        await host.close()
        assert time.monotonic() - begun < 3
        assert await task == Stopped("j", 1)
        with pytest.raises(WorkerNotReady):
            await host.render(make_request(), lambda event: None)


async def test_closing_right_after_a_worker_was_lost_leaves_nothing() -> None:
    for _ in range(3):
        async with started() as host:
            with pytest.raises(WorkerLost):
                await host.render(make_request(prompt="die"), lambda event: None)


async def test_a_process_that_the_system_refuses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(WorkerNotReady, match="could not be started"):
        await Host(CONFIG, module=FAKE).start()


async def test_a_worker_that_neither_listens_nor_heeds_sigterm_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(host_module, "ASK_S", 0.3)
    monkeypatch.setattr(host_module, "TERMINATE_S", 0.3)
    async with started(replace(CONFIG, model="deaf")) as host:
        task = asyncio.create_task(host.render(make_request(prompt="hang"), lambda event: None))
        await asyncio.sleep(0.2)
        await host.close()
        with pytest.raises(WorkerLost):
            await task


async def test_what_the_worker_started_ends_with_it() -> None:
    async with started() as host:
        await host.render(make_request(prompt="child"), lambda event: None)
        assert host.info is not None
        [child] = psutil.Process(host.info.pid).children(recursive=True)
    # Its new parent, process 1, may leave a zombie in a container; that holds nothing.
    await eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


async def test_what_libraries_print_is_logged_line_by_line() -> None:
    with structlog.testing.capture_logs() as logs:
        async with started() as host:
            await host.render(make_request(prompt="print"), lambda event: None)
    lines = [entry["line"] for entry in logs if entry["event"] == "worker says"]
    assert lines[:2] == ["a library's remark", "and its progress bar"]
    assert "".join(lines[2:]) == "x" * 100_000


@pytest.mark.parametrize("prompt", ["a face", "hang"])
async def test_the_worker_ends_when_its_host_is_killed(prompt: str) -> None:
    script = f"""
import asyncio
from pathlib import Path
from engine.config import EngineConfig
from engine.host import Host
from engine.request import RenderRequest

async def main():
    host = Host(EngineConfig(Path("var"), Path("shelf"), model="fake", device="cpu"), module="{FAKE}")
    print((await host.start()).pid, flush=True)
    await host.render(RenderRequest("j", 1, "{prompt}", 512, 512, 7, 10_000), lambda event: None)

asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert parent.stdout is not None
    pid = 0
    while not pid:
        line = (await parent.stdout.readline()).strip()
        pid = int(line) if line.isdigit() else 0
    await asyncio.sleep(0.2)
    assert psutil.pid_exists(pid)
    parent.kill()
    await parent.wait()
    await eventually(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    )


async def test_a_worker_that_loads_ends_when_its_host_is_killed() -> None:
    script = f"""
import asyncio
from pathlib import Path
from engine.config import EngineConfig
from engine.host import Host

config = EngineConfig(Path("var"), Path("shelf"), model="slow", device="cpu")
asyncio.run(Host(config, module="{FAKE}").start())
"""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    assert parent.stdout is not None
    while b"loading" not in await parent.stdout.readline():
        pass
    [child] = psutil.Process(parent.pid).children()
    parent.kill()
    await parent.wait()
    await eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


async def test_start_and_stop_again_and_again_leaves_nothing() -> None:
    for number in range(8):
        async with started() as host:
            if number % 2:
                await host.render(make_request(), lambda event: None)
