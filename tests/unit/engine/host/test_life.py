"""One worker while it lives: what it may know, its start, what it is told, and what it says."""

import asyncio
import os
import signal
import sys
from dataclasses import replace

import pytest
import structlog

from engine import wire
from engine.errors import ModelIncomplete, NotBegun, WireError, WorkerLost, WorkerNotReady
from engine.host import life as life_module
from engine.host.life import Life, environment
from engine.request import (
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
from tests.unit.engine.host.child import CONFIG, INFO, A, B, alive, newborn, silent, turns

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
    assert environment({**kept, **dict.fromkeys(secret, "x")}) == kept


async def test_a_worker_is_a_process_of_its_own_group_that_has_one_socket_and_no_secret(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "a secret")
    async with newborn(monkeypatch) as (_, child, _):
        [number] = child.options["pass_fds"]
        assert child.command == (sys.executable, "-m", "a.module", str(number))
        assert child.options["start_new_session"]
        assert child.options["stdin"] == asyncio.subprocess.DEVNULL
        assert "DISCORD_TOKEN" not in child.options["env"]
        assert "PATH" in child.options["env"]


async def test_a_process_that_the_system_refuses_leaves_no_open_file(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*command: str, **options: object) -> None:
        raise OSError("no process")

    monkeypatch.setattr(life_module.asyncio, "create_subprocess_exec", refuse)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="no process"):
        await Life.spawn(CONFIG, "a.module")
    await turns()
    assert len(os.listdir("/proc/self/fd")) <= before


async def test_a_worker_is_told_what_to_load_and_is_ready_when_it_says_what_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with newborn(monkeypatch) as (life, child, clock):
        ready = asyncio.create_task(life.ready())
        await turns()
        assert await child.heard() == [CONFIG]
        await asyncio.sleep(CONFIG.start_timeout_s - 1)  # it may use its time
        child.say(INFO)
        assert await ready == life.info == INFO
        assert not life.is_lost.is_set()
        assert not life.has_drawn
        assert (clock(), child.told) == (299, [])


async def test_a_worker_that_is_too_slow_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with newborn(monkeypatch) as (life, _, clock):
        with pytest.raises(WorkerNotReady, match="not ready within 300 s"):
            await life.ready()
        assert clock() == pytest.approx(300)


async def test_a_model_that_cannot_be_loaded_is_told_as_the_worker_tells_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with newborn(monkeypatch) as (life, child, _):
        child.say(wire.StartFailed.of(ModelIncomplete("vae is missing", missing=("vae",))))
        with pytest.raises(ModelIncomplete, match="vae is missing") as caught:
            await life.ready()
        assert caught.value.facts == {"missing": ("vae",)}


async def test_a_worker_that_ends_while_it_loads_is_told_with_its_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with newborn(monkeypatch) as (life, child, clock):
        child.end(3)
        with pytest.raises(WorkerNotReady, match="with status 3"):
            await life.ready()
        assert clock() == 0


async def test_a_worker_that_closes_its_socket_while_it_loads_has_a_moment_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with newborn(monkeypatch) as (life, child, _):
        child.socket.close()
        asyncio.get_running_loop().call_later(2, child.end, 3)
        with pytest.raises(WorkerNotReady, match="with status 3"):
            await life.ready()


async def test_a_worker_that_closes_its_socket_while_it_loads_and_does_not_end_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with newborn(monkeypatch) as (life, child, _):
        child.socket.close()
        with pytest.raises(WorkerNotReady, match="with status -9"):
            await life.ready()
        assert child.told == [(signal.SIGKILL, pytest.approx(5))]


async def test_a_job_is_sent_at_once_and_its_events_are_heard_in_order_until_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with alive(monkeypatch) as (life, child, _):
        heard: list[Event] = []
        first = asyncio.create_task(life.draw(A, heard.append))
        second = asyncio.create_task(life.draw(B, silent))
        await turns()
        assert await child.heard() == [A, B]
        child.say(STEP, PICTURE, DONE)
        assert await first == DONE
        assert heard == [STEP, PICTURE]
        assert not second.done()
        child.say(Stopped("b", 1))
        assert await second == Stopped("b", 1)
        assert await child.heard() == []
        assert child.told == []


@pytest.mark.parametrize(
    ("end", "has_drawn"),
    [(DONE, True), (Stopped("a", 1), False), (Failed("a", 1, FailReason.WORKER_ERROR), False)],
)
async def test_only_a_finished_job_counts_as_drawn_and_it_does_so_for_good(
    monkeypatch: pytest.MonkeyPatch, end: Finished | Stopped | Failed, has_drawn: bool
) -> None:
    async with alive(monkeypatch) as (life, child, _):
        drawing = asyncio.create_task(life.draw(A, silent))
        await turns()
        child.say(end)
        assert await drawing == end
        assert life.has_drawn is has_drawn
        drawing = asyncio.create_task(life.draw(B, silent))
        await turns()
        child.say(Stopped("b", 1))
        await drawing
        assert life.has_drawn is has_drawn


async def test_a_job_whose_listener_fails_or_whose_caller_leaves_is_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(event: Event) -> None:
        raise ZeroDivisionError

    async with alive(monkeypatch) as (life, child, _):
        failing = asyncio.create_task(life.draw(A, fail))
        leaving = asyncio.create_task(life.draw(B, silent))
        await turns()
        await child.heard()
        child.say(STEP)
        with pytest.raises(ZeroDivisionError):
            await failing
        assert await child.heard() == [wire.CancelJob("a", 1)]
        leaving.cancel()
        await asyncio.wait([leaving])
        assert leaving.cancelled()
        assert await child.heard() == [wire.CancelJob("b", 1)]


async def test_a_job_that_cannot_be_sent_is_its_own_fault_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with alive(monkeypatch) as (life, child, _):
        with pytest.raises(WireError):
            await life.draw(RenderRequest("odd", 1, "\ud83c", 512, 768, 7), silent)
        drawing = asyncio.create_task(life.draw(A, silent))
        await turns()
        assert await child.heard() == [A]
        child.say(DONE)
        assert await drawing == DONE


async def test_a_worker_that_ends_loses_its_job_and_takes_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async with alive(monkeypatch) as (life, child, clock):
        drawing = asyncio.create_task(life.draw(A, silent))
        behind = asyncio.create_task(life.draw(B, silent))
        await turns()
        child.end(1)
        await asyncio.wait([drawing, behind])
        assert type(drawing.exception()) is WorkerLost
        assert type(behind.exception()) is NotBegun
        assert life.is_lost.is_set()
        with pytest.raises(NotBegun):
            await life.draw(A, silent)
        life.send(wire.Shutdown())  # dropped
        assert clock() == 0


async def test_of_a_worker_that_blames_a_job_no_other_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async with alive(monkeypatch) as (life, child, _):
        drawing = [asyncio.create_task(life.draw(request, silent)) for request in (A, B)]
        await turns()
        child.say(STEP, wire.CardFault("b", 1))
        child.end(70)
        await asyncio.wait(drawing)
        assert [type(each.exception()) for each in drawing] == [NotBegun, WorkerLost]
        assert child.told == []  # it ended by itself


async def test_a_worker_that_takes_no_step_is_killed_and_its_job_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with alive(monkeypatch, replace(CONFIG, step_timeout_s=30)) as (life, child, clock):
        drawing = asyncio.create_task(life.draw(A, silent))
        for _ in range(3):
            await asyncio.sleep(20)
            child.say(STEP)
        with pytest.raises(WorkerLost, match="took no step in 30 s and was ended"):
            await drawing
        assert child.told == [(signal.SIGKILL, pytest.approx(90))]
        assert clock() == pytest.approx(90)
        await life.is_lost.wait()
        assert clock() == pytest.approx(90)


async def test_a_worker_that_speaks_nonsense_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with alive(monkeypatch) as (life, child, _):
        drawing = asyncio.create_task(life.draw(A, silent))
        await turns()
        with structlog.testing.capture_logs() as logs:
            child.socket.sendall(b"not a frame of ours " * 10)
            with pytest.raises(WorkerLost):
                await drawing
        assert child.told == KILLED
        assert [entry["event"] for entry in logs] == ["worker speaks nonsense and is ended"]


async def test_a_worker_that_introduces_itself_twice_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with alive(monkeypatch) as (life, child, _):
        child.say(INFO)
        await life.is_lost.wait()
        assert child.told == KILLED
        assert life.info == INFO


async def test_what_a_worker_prints_is_logged_but_for_the_prompts_that_it_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with alive(monkeypatch) as (life, child, _):
        drawing = asyncio.create_task(life.draw(replace(A, prompt="a secret wish"), silent))
        await turns()
        with structlog.testing.capture_logs() as logs:
            child.output.write(b"a remark\ncannot read 'a secret wish'\n")
            await turns()
        assert [entry["event"] for entry in logs] == [
            "worker says",
            "worker says something that repeats a prompt",
        ]
        child.say(DONE)
        await drawing
