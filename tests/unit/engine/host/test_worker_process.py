"""One worker process: its environment, its start, and its messages in both directions."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import structlog

from engine import wire
from engine.config import EngineConfig
from engine.errors import JobNotStarted, ModelIncomplete, WireError, WorkerLost, WorkerNotReady
from engine.host import worker_process as process_module
from engine.host.environment import with_kernels_dir, worker_environment
from engine.host.worker_process import WorkerProcess
from engine.request import (
    Cell,
    Drawn,
    Event,
    Failed,
    FailReason,
    Finished,
    Picture,
    Progress,
    RenderRequest,
    Stopped,
    Timings,
)
from tests.unit.engine.host.child import CONFIG, INFO, A, B, ignore, ready, started, turns

KILLED = [(signal.SIGKILL, 0.0)]
STEP = Progress("a", 1, 0, 0, 8)
PICTURE = Drawn("a", 1, Picture(0, 7, 512, 768, b"a picture"))
DONE = Finished("a", 1, Timings())


def test_a_worker_gets_no_tokens_passwords_or_proxies() -> None:
    kept = {"PATH": "/bin", "HF_HOME": "/cache", "CUDA_VISIBLE_DEVICES": "0", "PROXYING": "1"}
    secret = [
        "DISCORD_TOKEN", "hf_token", "CLIENT_SECRET", "DB_PASSWORD", "my_passwd", "SOME_API_KEY",
        "AWS_CREDENTIALS", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "no_proxy",
    ]  # fmt: skip
    assert worker_environment({**kept, **dict.fromkeys(secret, "x")}) == kept


async def test_a_worker_is_a_process_of_its_own_group_that_has_one_socket_and_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "a secret")
    async with started(monkeypatch) as (_, child, _):
        [number] = child.options["pass_fds"]
        assert child.command == (sys.executable, "-m", "a.module", str(number))
        assert child.options["start_new_session"]
        assert child.options["stdin"] == asyncio.subprocess.DEVNULL
        assert "DISCORD_TOKEN" not in child.options["env"]
        assert "PATH" in child.options["env"]


async def test_a_process_that_the_system_refuses_leaves_no_open_file(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*command: str, **options: object) -> None:
        raise OSError("no process")

    monkeypatch.setattr(process_module.asyncio, "create_subprocess_exec", refuse)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="no process"):
        await WorkerProcess.start(CONFIG, "a.module")
    await turns()
    assert len(os.listdir("/proc/self/fd")) <= before


async def test_a_worker_gets_its_configuration_and_is_ready_when_it_reports_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with started(monkeypatch) as (worker, child, clock):
        ready = asyncio.create_task(worker.wait_until_ready())
        await turns()
        assert await child.received() == [CONFIG]
        await asyncio.sleep(CONFIG.start_timeout_s - 1)  # still in time
        child.send(INFO)
        assert await ready == worker.info == INFO
        assert not worker.is_lost.is_set()
        assert not worker.has_drawn
        assert (clock(), child.signals) == (pytest.approx(299), [])


async def test_a_worker_that_is_too_slow_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with started(monkeypatch) as (worker, _, clock):
        with pytest.raises(WorkerNotReady, match="not ready within 300 s"):
            await worker.wait_until_ready()
        assert clock() == pytest.approx(300)


async def test_a_model_that_cannot_be_loaded_raises_the_error_of_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with started(monkeypatch) as (worker, child, _):
        child.send(wire.StartFailed.of(ModelIncomplete("vae is missing", missing=("vae",))))
        with pytest.raises(ModelIncomplete, match="vae is missing") as caught:
            await worker.wait_until_ready()
        assert caught.value.facts == {"missing": ("vae",)}


async def test_the_status_of_a_worker_that_ends_while_it_loads_is_in_the_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with started(monkeypatch) as (worker, child, clock):
        child.end(3)
        with pytest.raises(WorkerNotReady, match="with status 3"):
            await worker.wait_until_ready()
        assert clock() == 0


async def test_a_worker_that_closes_its_socket_while_it_loads_has_a_moment_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with started(monkeypatch) as (worker, child, _):
        child.socket.close()
        asyncio.get_running_loop().call_later(2, child.end, 3)
        with pytest.raises(WorkerNotReady, match="with status 3"):
            await worker.wait_until_ready()


async def test_a_worker_that_closes_its_socket_while_it_loads_and_does_not_end_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with started(monkeypatch) as (worker, child, _):
        child.socket.close()
        with pytest.raises(WorkerNotReady, match="with status -9"):
            await worker.wait_until_ready()
        assert child.signals == [(signal.SIGKILL, pytest.approx(5))]


async def test_a_job_is_sent_at_once_and_its_events_arrive_in_order_until_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ready(monkeypatch) as (worker, child, _):
        events: list[Event] = []
        first = asyncio.create_task(worker.draw(A, events.append))
        second = asyncio.create_task(worker.draw(B, ignore))
        await turns()
        assert await child.received() == [A, B]
        child.send(STEP, PICTURE, DONE)
        assert await first == DONE
        assert events == [STEP, PICTURE]
        assert not second.done()
        child.send(Stopped("b", 1))
        assert await second == Stopped("b", 1)
        assert await child.received() == []
        assert child.signals == []


@pytest.mark.parametrize(
    ("end", "has_drawn"),
    [(DONE, True), (Stopped("a", 1), False), (Failed("a", 1, FailReason.WORKER_ERROR), False)],
)
async def test_only_a_finished_job_counts_as_drawn_for_good(
    monkeypatch: pytest.MonkeyPatch, end: Finished | Stopped | Failed, has_drawn: bool
) -> None:
    async with ready(monkeypatch) as (worker, child, _):
        drawing = asyncio.create_task(worker.draw(A, ignore))
        await turns()
        child.send(end)
        assert await drawing == end
        assert worker.has_drawn is has_drawn
        drawing = asyncio.create_task(worker.draw(B, ignore))
        await turns()
        child.send(Stopped("b", 1))
        await drawing
        assert worker.has_drawn is has_drawn


async def test_a_job_is_cancelled_if_its_listener_fails_or_its_caller_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(event: Event) -> None:
        raise ZeroDivisionError

    async with ready(monkeypatch) as (worker, child, _):
        failing = asyncio.create_task(worker.draw(A, fail))
        leaving = asyncio.create_task(worker.draw(B, ignore))
        await turns()
        await child.received()
        child.send(STEP)
        with pytest.raises(ZeroDivisionError):
            await failing
        assert await child.received() == [wire.CancelJob("a", 1)]
        leaving.cancel()
        await asyncio.wait([leaving])
        assert leaving.cancelled()
        assert await child.received() == [wire.CancelJob("b", 1)]


async def test_a_job_that_cannot_be_sent_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ready(monkeypatch) as (worker, child, _):
        with pytest.raises(WireError):
            await worker.draw(RenderRequest("odd", 1, "\ud83c", 512, 768, 7), ignore)
        drawing = asyncio.create_task(worker.draw(A, ignore))
        await turns()
        assert await child.received() == [A]
        child.send(DONE)
        assert await drawing == DONE


async def test_a_worker_that_ends_loses_its_job_and_takes_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ready(monkeypatch) as (worker, child, clock):
        drawing = asyncio.create_task(worker.draw(A, ignore))
        behind = asyncio.create_task(worker.draw(B, ignore))
        await turns()
        child.end(1)
        await asyncio.wait([drawing, behind])
        assert type(drawing.exception()) is WorkerLost
        assert type(behind.exception()) is JobNotStarted
        assert worker.is_lost.is_set()
        with pytest.raises(JobNotStarted):
            await worker.draw(A, ignore)
        worker.send(wire.Shutdown())  # dropped
        assert clock() == 0


async def test_a_worker_that_names_the_cause_loses_only_that_job(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ready(monkeypatch) as (worker, child, _):
        drawing = [asyncio.create_task(worker.draw(request, ignore)) for request in (A, B)]
        await turns()
        child.send(STEP, wire.CardFault("b", 1))
        child.end(70)
        await asyncio.wait(drawing)
        assert [type(each.exception()) for each in drawing] == [JobNotStarted, WorkerLost]
        assert child.signals == []  # it ended by itself


async def test_a_worker_that_takes_no_step_is_killed_and_its_job_has_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ready(monkeypatch, replace(CONFIG, step_timeout_s=30)) as (worker, child, clock):
        drawing = asyncio.create_task(worker.draw(A, ignore))
        for _ in range(3):
            await asyncio.sleep(20)
            child.send(STEP)
        with pytest.raises(WorkerLost, match="took no step in 30 s and was ended"):
            await drawing
        assert child.signals == [(signal.SIGKILL, pytest.approx(90))]
        assert clock() == pytest.approx(90)
        await worker.is_lost.wait()
        assert clock() == pytest.approx(90)


async def test_a_worker_that_sends_a_malformed_message_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ready(monkeypatch) as (worker, child, _):
        drawing = asyncio.create_task(worker.draw(A, ignore))
        await turns()
        with structlog.testing.capture_logs() as logs:
            child.socket.sendall(b"not a frame of ours " * 10)
            with pytest.raises(WorkerLost):
                await drawing
        assert child.signals == KILLED
        assert [entry["event"] for entry in logs] == ["worker sends a malformed message and is killed"]


async def test_a_worker_that_introduces_itself_twice_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ready(monkeypatch) as (worker, child, _):
        child.send(INFO)
        await worker.is_lost.wait()
        assert child.signals == KILLED
        assert worker.info == INFO


async def test_what_a_worker_prints_is_logged_without_the_prompts_of_its_jobs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ready(monkeypatch) as (worker, child, _):
        drawing = asyncio.create_task(worker.draw(replace(A, prompt="a secret wish"), ignore))
        await turns()
        with structlog.testing.capture_logs() as logs:
            child.output.write(b"a remark\ncannot read 'a secret wish'\n")
            await turns()
        assert [entry["event"] for entry in logs] == [
            "worker output",
            "worker output withheld because it repeats a prompt",
        ]
        child.send(DONE)
        await drawing


async def test_the_prompts_of_all_cells_of_a_sheet_are_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ready(monkeypatch) as (worker, child, _):
        cells = tuple(Cell(f"a secret wish {number}", (), number) for number in range(16))
        sheet = replace(A, prompt="", cells=cells, count=len(cells))
        drawing = asyncio.create_task(worker.draw(sheet, ignore))
        await turns()
        assert {cell.prompt for cell in cells} == set(worker._output.prompts)
        child.send(DONE)
        await drawing


async def test_an_empty_prompt_replaces_no_prompt_that_is_withheld(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with ready(monkeypatch) as (worker, child, _):
        drawing = [
            asyncio.create_task(worker.draw(replace(A, attempt=attempt, prompt=prompt), ignore))
            for attempt, prompt in ((1, "a secret wish"), (2, ""))
        ]
        await turns()
        assert list(worker._output.prompts) == ["a secret wish"]
        child.send(DONE, replace(DONE, attempt=2))
        await asyncio.wait(drawing)


@pytest.mark.parametrize("given", [None, "/elsewhere"])
def test_kernels_are_kept_below_the_data_folder_unless_the_host_says_where(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {} if given is None else {"TRITON_CACHE_DIR": given}
    found = with_kernels_dir(environment, EngineConfig(Path("data"), Path("loras"), device="cuda"))
    assert found == {"TRITON_CACHE_DIR": given or str(tmp_path / "data" / "triton")}
