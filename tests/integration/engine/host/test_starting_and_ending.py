"""The host with real processes: starts and ends, and what is left afterwards (nothing)."""

import asyncio
import os
import signal
import sys
from dataclasses import replace

import psutil
import pytest
import structlog

from engine.errors import ModelIncomplete, WorkerLost, WorkerNotReady
from engine.host import Host
from engine.host import worker_process as process_module
from engine.request import (
    Finished,
    Stopped,
)
from tests.integration.engine.host.hosting import (
    CONFIG,
    FAKE,
    at_step,
    eventually,
    has_ended,
    make_request,
    started,
)


async def test_the_watch_of_a_healthy_worker_ends_with_the_host() -> None:
    async with started() as host:
        watch = asyncio.create_task(host.watch(), name="watch")
        await asyncio.sleep(0.05)
        assert not watch.done()
    await asyncio.wait_for(watch, 30)


async def test_a_worker_never_sees_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "a secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://me:a-secret@127.0.0.1:1")
    async with started() as host:
        assert host.info is not None
        assert "secret" not in str(psutil.Process(host.info.pid).environ())


async def test_a_model_error_reaches_the_host_with_its_facts() -> None:
    host = Host(replace(CONFIG, model="incomplete"), module=FAKE)
    with pytest.raises(ModelIncomplete, match="vae is missing") as caught:
        await host.start()
    assert caught.value.facts == {"missing": ("vae/config.json",), "folder": "/nowhere"}
    await host.close()


async def test_a_worker_that_crashes_while_it_loads_is_reported_with_its_status() -> None:
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
        draws = asyncio.Event()
        task = asyncio.create_task(host.render(make_request(count=1000), at_step(1, draws.set)))
        await draws.wait()
        with structlog.testing.capture_logs() as logs:
            await host.close()
        assert "worker does not end when asked" not in [entry["event"] for entry in logs]
        assert await task == Stopped("j", 1)
        with pytest.raises(WorkerNotReady):
            await host.render(make_request(), lambda event: None)


async def test_closing_right_after_a_worker_was_lost_leaves_nothing() -> None:
    for _ in range(3):
        async with started() as host:
            with pytest.raises(WorkerLost):
                await host.render(make_request(prompt="die"), lambda event: None)


async def test_a_process_that_the_system_refuses_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(WorkerNotReady, match="could not be started"):
        await Host(CONFIG, module=FAKE).start()


async def test_a_worker_that_ignores_the_request_and_sigterm_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(process_module, "SHUTDOWN_S", 0.3)
    monkeypatch.setattr(process_module, "TERMINATE_S", 0.3)
    async with started(replace(CONFIG, model="deaf")) as host:
        hangs = asyncio.Event()
        task = asyncio.create_task(host.render(make_request(prompt="hang"), at_step(2, hangs.set)))
        await hangs.wait()
        await host.close()
        with pytest.raises(WorkerLost):
            await task


async def test_processes_that_the_worker_started_end_with_it() -> None:
    async with started() as host:
        await host.render(make_request(prompt="child"), lambda event: None)
        assert host.info is not None
        [child] = psutil.Process(host.info.pid).children(recursive=True)
    await eventually(lambda: has_ended(child.pid))


async def test_what_libraries_print_is_logged_line_by_line() -> None:
    with structlog.testing.capture_logs() as logs:
        async with started() as host:
            await host.render(make_request(prompt="print"), lambda event: None)
    lines = [entry["line"] for entry in logs if entry["event"] == "worker output"]
    assert lines[:2] == ["a library's remark", "and its progress bar"]
    assert "".join(lines[2:]) == "x" * 100_000


async def test_no_line_that_a_worker_prints_ends_the_reading_of_its_output() -> None:
    with structlog.testing.capture_logs() as logs:
        async with started(replace(CONFIG, step_timeout_s=60)) as host:
            pid = host.info and host.info.pid
            for job_id in ("first", "second"):
                request = make_request(job_id, prompt="odd lines")
                assert isinstance(await host.render(request, lambda event: None), Finished)
            await host.render(make_request("last", prompt="print"), lambda event: None)
            assert (host.info and host.info.pid) == pid
    assert "worker output not logged" not in [entry["event"] for entry in logs]
    assert {"event": "x", "origin": "worker", "event_": 2, "log_level": "info"} in logs
    lines = [entry["line"] for entry in logs if entry["event"] == "worker output"]
    assert lines[0] == "[]"
    assert r"\x00\x00" in lines
    assert len(lines) <= 500  # of 2,500


async def test_nothing_of_a_prompt_that_a_library_prints_is_logged() -> None:
    with structlog.testing.capture_logs() as logs:
        async with started() as host:
            await host.render(make_request(prompt="a secret wish"), lambda event: None)
    assert "secret" not in str(logs)
    assert "a library's remark" in [entry.get("line") for entry in logs]
    assert [entry["error"] for entry in logs if entry["event"] == "worker error"] == ["ValueError"]


@pytest.mark.parametrize(("prompt", "is_stopped"), [("a face", False), ("hang", False), ("a face", True)])
async def test_the_worker_ends_when_its_host_is_killed(prompt: str, is_stopped: bool) -> None:
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
    if is_stopped:
        os.kill(pid, signal.SIGSTOP)
    parent.kill()
    await parent.wait()
    await eventually(lambda: has_ended(pid))


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
    await eventually(lambda: has_ended(child.pid))


async def test_many_starts_and_stops_leave_nothing() -> None:
    for number in range(8):
        async with started() as host:
            if number % 2:
                await host.render(make_request(), lambda event: None)
