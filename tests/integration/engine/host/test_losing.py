"""The host with real processes: every way a worker can be lost, and its replacement."""

import asyncio
import os
import signal
import time
import uuid
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import structlog

from engine.backoff import Backoff
from engine.errors import JobNotStarted, WorkerLost, WorkerNotReady
from engine.host import Host
from engine.host import host as host_module
from engine.request import (
    Finished,
)
from tests.integration.engine.host.hosting import (
    CONFIG,
    eventually,
    has_ended,
    make_request,
    pauses_from,
    started,
)

MARK = "LEFT_BEHIND_BY"


async def test_the_log_of_a_bug_has_the_job_and_the_trace_but_not_the_prompt() -> None:
    with structlog.testing.capture_logs() as logs:
        async with started() as host:
            await host.render(make_request("the job", prompt="bug"), lambda event: None)
    (entry,) = [entry for entry in logs if entry["event"] == "job failed"]
    assert entry["job_id"] == "the job"
    assert "fake_child.py:" in entry["trace"]
    assert entry["trace"].endswith("\nZeroDivisionError")
    assert "bug" not in entry["trace"]


@pytest.mark.parametrize("prompt", ["die", "exit", "card"])
async def test_a_worker_that_ends_loses_its_job_at_once_and_is_replaced(prompt: str) -> None:
    async with started() as host:
        pid = host.info and host.info.pid
        started_s = time.monotonic()
        with pytest.raises(WorkerLost):
            await host.render(make_request(prompt=prompt), lambda event: None)
        assert time.monotonic() - started_s < 30  # far below the silence after which a worker counts as hung
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
        host._config = CONFIG  # its replacement has more time: the machine may be busy
        with pytest.raises(WorkerLost, match="no step"):
            await host.render(make_request(prompt=prompt), lambda event: None)
        assert isinstance(await host.render(make_request(attempt=2), lambda event: None), Finished)


async def test_a_spare_process_replaces_a_lost_worker_and_another_spare_is_started() -> None:
    async with started(replace(CONFIG, keeps_spare=True)) as host:
        pids = [await spare_pid(host)]
        for attempt in (1, 2):
            with pytest.raises(WorkerLost):
                await host.render(make_request(prompt="die", attempt=attempt), lambda event: None)
            assert isinstance(await host.render(make_request(attempt=9), lambda event: None), Finished)
            assert host.info is not None
            assert host.info.pid == pids[-1]
            pids.append(await spare_pid(host))
    assert len(set(pids)) == 3
    await eventually(lambda: all(has_ended(pid) for pid in pids))


async def test_a_spare_that_has_ended_is_not_used() -> None:
    async with started(replace(CONFIG, keeps_spare=True)) as host:
        os.kill(await spare_pid(host), signal.SIGKILL)
        with pytest.raises(WorkerLost):
            await host.render(make_request(prompt="die"), lambda event: None)
        assert isinstance(await host.render(make_request(attempt=2), lambda event: None), Finished)


async def spare_pid(host: Host) -> int:
    await eventually(lambda: host._spare is not None)
    assert host._spare is not None
    return host._spare._process.pid


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
    first, second, third = pauses_s = (0.05, 0.1, 0.2)
    waited_s: list[float] = []

    class Recorded(Backoff):
        def next_pause_s(self) -> float:
            waited_s.append(super().next_pause_s())
            return waited_s[-1]

    monkeypatch.setattr(host_module, "RESTART_PAUSES_S", pauses_s)
    monkeypatch.setattr(host_module, "Backoff", Recorded)
    async with started() as host:
        for prompt in ("die", "die", "die", "a face", "die"):
            render = host.render(make_request(prompt=prompt), lambda event: None)
            if prompt == "a face":
                assert isinstance(await render, Finished)
                continue
            with pytest.raises(WorkerLost):
                await render
            lost_s = time.monotonic()
            await eventually(lambda: host.info is None)
            await eventually(lambda: host.info is not None)
            assert time.monotonic() - lost_s >= waited_s[-1]
    assert waited_s == [first, second, third, first]


async def test_a_card_fault_in_a_files_thread_costs_its_own_job_a_try_and_the_next_one_nothing() -> None:
    async with started() as host:
        pid = host.info and host.info.pid
        first, second = make_request("first", prompt="card fails in file"), make_request("second", count=200)
        ends = await asyncio.gather(
            *(host.render(each, lambda event: None) for each in (first, second)), return_exceptions=True
        )
        assert [type(end) for end in ends] == [WorkerLost, JobNotStarted]
        assert isinstance(await host.render(make_request(attempt=2), lambda event: None), Finished)
        assert (host.info and host.info.pid) != pid


@pytest.mark.parametrize("prompt", ["leave a process behind", "leave a fork behind"])
async def test_a_process_that_a_worker_leaves_behind_delays_its_replacement_by_a_moment(
    prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = uuid.uuid4().hex
    monkeypatch.setenv(MARK, mark)
    async with started() as host:
        started_s = time.monotonic()
        with pytest.raises(WorkerLost):
            await host.render(make_request(prompt=prompt), lambda event: None)
        assert isinstance(await host.render(make_request(attempt=2), lambda event: None), Finished)
        assert time.monotonic() - started_s < 50  # what is left behind lives for 100 s
        left = [pid for pid in psutil.pids() if is_left_behind(pid, mark)]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert len(left) == 1


def is_left_behind(pid: int, mark: str) -> bool:
    """Whether it is what a worker of this test left: a session of its own, and no parent of ours."""
    try:
        process = psutil.Process(pid)
        is_alone = os.getsid(pid) == pid and process.ppid() != os.getpid() and process.status() != "zombie"
        return is_alone and process.environ().get(MARK) == mark
    except (psutil.Error, ProcessLookupError):
        return False


async def test_a_host_whose_worker_never_restarts_raises_instead_of_waiting_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_module, "RESTART_PAUSES_S", pauses_from(0.001))
    monkeypatch.setattr(host_module, "MAX_FAILED_STARTS", 2)
    async with started(replace(CONFIG, model=f"first:{tmp_path / 'starts'}")) as host:
        with pytest.raises(WorkerLost):
            await host.render(make_request(prompt="die"), lambda event: None)
        with pytest.raises(WorkerNotReady, match="status 4"):
            async with asyncio.timeout(30):
                await host.watch()
