"""A canary is drawn when nobody has asked for long, and never while a job waits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.commands.values import PauseDrawing
from bot.desk.alerts.canary import IdleCanary
from engine.config import EngineConfig
from engine.host import Host, HostState
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, open_harness, until
from tests.fakes.renderer import Act

EVERY_S = 1_800.0


class KnownHost(Host):
    """A host whose worker is ready, and gives its card back or not."""

    gives_back = False

    @property
    def releases_idle_card(self) -> bool:
        return self.gives_back


class Seconds:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Scene:
    harness: DeskHarness
    host: KnownHost
    canary: IdleCanary
    clock: Seconds


@asynccontextmanager
async def due(folder: Path) -> AsyncIterator[Scene]:
    """A canary that is due: the bot has drawn nothing since its start long ago."""
    async with open_harness(folder) as harness:
        host, clock = KnownHost(EngineConfig(folder, folder)), Seconds()
        host.state = HostState.READY
        canary = IdleCanary(
            desk=harness.desk, host=host, trials=harness.desk.parts.trials, every_s=EVERY_S,
            look_every_s=0.01, clock=clock,
        )  # fmt: skip
        assert not canary.is_due()
        clock.now_s += EVERY_S + 1
        assert canary.is_due()
        yield Scene(harness, host, canary, clock)


async def test_it_is_due_after_long_without_a_picture(tmp_path: Path) -> None:
    async with due(tmp_path) as scene:
        scene.host.drawn_s = scene.clock() - EVERY_S
        assert not scene.canary.is_due()
        scene.host.drawn_s -= 1
        assert scene.canary.is_due()


@pytest.mark.parametrize("state", [state for state in HostState if state is not HostState.READY])
async def test_it_needs_a_ready_worker(tmp_path: Path, state: HostState) -> None:
    async with due(tmp_path) as scene:
        scene.host.state = state
        assert not scene.canary.is_due()


async def test_it_never_comes_before_a_job_and_never_keeps_a_card(tmp_path: Path) -> None:
    async with due(tmp_path) as scene:
        scene.host.gives_back = True
        assert not scene.canary.is_due()
        scene.host.gives_back = False
        await scene.harness.accept("1")
        assert not scene.canary.is_due()
    async with due(tmp_path / "paused") as scene:
        await scene.harness.desk.handle(PauseDrawing(), a_context("pause", HOST))
        assert not scene.canary.is_due()
    async with due(tmp_path / "closing") as scene:
        scene.harness.desk.is_closing = True
        assert not scene.canary.is_due()


async def test_it_is_drawn_in_the_ordinary_worker_and_a_failure_ends_nothing(tmp_path: Path) -> None:
    async with due(tmp_path) as scene:
        scene.harness.renderer.acts.extend([Act.LOSE, Act.FAIL, Act.DRAW])
        run = asyncio.create_task(scene.canary.run())
        await until(lambda: len(scene.harness.renderer.requests) >= 3)
        assert not run.done()
        run.cancel()
        await asyncio.wait({run})
    assert all(request.count == 1 and not request.loras for request in scene.harness.renderer.requests)
