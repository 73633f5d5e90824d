"""Host, worker and the real pipeline together, on the CPU with the built-in model."""

import asyncio
import contextlib
import hashlib
import io
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import astuple, replace
from pathlib import Path

import pytest
import pytest_asyncio
from PIL import Image

from engine.checkpoint.model import ModelInfo, built_in_lora_folder, find_model
from engine.config import EngineConfig
from engine.demo.networks import LORAS
from engine.errors import WorkerLost
from engine.host import Host
from engine.planner.costs.book import CostBook
from engine.planner.headroom import HeadroomProbe
from engine.request import (
    Drawn,
    Event,
    Failed,
    FailReason,
    Finished,
    LoraChoice,
    Progress,
    RenderRequest,
    StartPicture,
    Stopped,
)
from engine.scheduler import Scheduler, Waiting
from engine.shelf import LoraFile, read_shelf
from tests.fakes.lora_files.found import source

pytest.importorskip("torch")
pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> EngineConfig:
    folder = tmp_path_factory.mktemp("engine")
    return EngineConfig(folder, folder / "loras", device="cpu", step_timeout_s=60)


@pytest.fixture(scope="module")
def model(config: EngineConfig) -> ModelInfo:
    """The built-in model, found the way the bot finds it."""
    return find_model(config)


@pytest.fixture(scope="module")
def sugar(model: ModelInfo, config: EngineConfig) -> LoraFile:
    return read_shelf([built_in_lora_folder(model), config.lora_dir], model).files["sugar"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(config: EngineConfig, model: ModelInfo) -> AsyncIterator[Host]:
    host = Host(config)
    await host.start()
    yield host
    await host.close()


def make_request(model: ModelInfo, *loras: LoraChoice, attempt: int = 1, count: int = 1) -> RenderRequest:
    width, height = model.nearest(64, 96)[0]
    files = tuple(source(path) for path in LORAS.glob("*.safetensors"))
    return RenderRequest(
        "j", attempt, "Sugar面部, 清透水光肌", width, height, 7, count, loras, lora_files=files
    )


def pixels(events: list[Event]) -> list[str]:
    images = [Image.open(io.BytesIO(event.picture.png)) for event in events if isinstance(event, Drawn)]
    return [hashlib.sha256(image.tobytes()).hexdigest() for image in images]


async def test_a_picture_is_drawn_with_its_lora_and_is_the_same_after_the_worker_was_killed(
    host: Host, model: ModelInfo, sugar: LoraFile
) -> None:
    assert host.info is not None
    assert host.info.model_name == model.name
    choice = LoraChoice(sugar.name, sugar.sha256, sugar.weight)
    with_lora: list[Event] = []
    outcome = await host.render(make_request(model, choice, count=2), with_lora.append)
    assert isinstance(outcome, Finished)
    assert outcome.timings.denoise_s > 0
    assert len([event for event in with_lora if isinstance(event, Progress) and event.step]) == 16
    plain: list[Event] = []
    await host.render(make_request(model, attempt=2), plain.append)

    def kill(event: Event) -> None:
        if isinstance(event, Progress) and event.step == 3 and host.info is not None:
            os.kill(host.info.pid, signal.SIGKILL)

    with pytest.raises(WorkerLost):
        await host.render(make_request(model, choice, attempt=3, count=2), kill)
    again: list[Event] = []
    await host.render(make_request(model, choice, attempt=4, count=2), again.append)
    assert pixels(again) == pixels(with_lora)
    assert pixels(plain)[0] != pixels(with_lora)[0]


async def test_a_picture_that_begins_with_an_earlier_one_is_the_same_in_another_worker(
    host: Host, model: ModelInfo
) -> None:
    first: list[Event] = []
    await host.render(make_request(model), first.append)
    (png,) = (event.picture.png for event in first if isinstance(event, Drawn))
    width, height = model.larger_sizes(128, 128)[1]
    start = StartPicture(png, 0.2)
    request = replace(make_request(model), width_px=width, height_px=height, start=start)
    larger: list[Event] = []
    outcome = await host.render(request, larger.append)
    assert isinstance(outcome, Finished)
    assert outcome.timings.start_s > 0
    steps = [(event.step, event.steps) for event in larger if isinstance(event, Progress)]
    assert steps == [(0, 2), (1, 2), (2, 2)]
    assert host.info is not None
    os.kill(host.info.pid, signal.SIGKILL)
    again: list[Event] = []
    while not pixels(again):  # the first try may find the killed worker
        with contextlib.suppress(WorkerLost):
            await host.render(request, again.append)
    assert pixels(again) == pixels(larger)
    damaged = replace(request, start=StartPicture(png[:100], 0.2))
    outcome = await host.render(damaged, lambda event: None)
    assert isinstance(outcome, Failed)
    assert (outcome.reason, outcome.detail[:13]) == (FailReason.START_MISSING, "StartDamaged:")


async def test_a_lora_whose_content_changed_fails_the_job_and_costs_no_worker(
    host: Host, model: ModelInfo
) -> None:
    pid = host.info and host.info.pid
    outcome = await host.render(make_request(model, LoraChoice("sugar", "0" * 64)), lambda event: None)
    assert isinstance(outcome, Failed)
    assert outcome.reason is FailReason.LORA_MISSING
    assert (host.info and host.info.pid) == pid


async def test_a_cancel_works_between_two_steps(host: Host, model: ModelInfo) -> None:
    events: list[Event] = []

    def listen(event: Event) -> None:
        events.append(event)
        host.cancel("j")

    assert await host.render(make_request(model, count=200), listen) == Stopped("j", 1)
    assert (
        len(events) < 900
    )  # of 1,800; on a busy machine the tiny model draws a few before the cancel arrives


async def test_a_measured_job_is_admitted_again(host: Host, model: ModelInfo, tmp_path: Path) -> None:
    """The worker's own memory blocks no job, with probe, costs, queue and host as in the application."""
    assert host.info is not None
    costs, scheduler = CostBook(), Scheduler()
    costs.started(host.info)
    probe = HeadroomProbe("cpu", 0, host.held_bytes)
    for attempt in range(1, 4):
        request = make_request(model, attempt=attempt)
        cost = costs.predict(request.width_px, request.height_px, request.count, 0)
        scheduler.add(Waiting("j", 1, cost, attempt))
        turn = scheduler.next(await asyncio.to_thread(probe.read))
        assert turn.job_id == "j", turn.reason
        outcome = await host.render(request, lambda event: None)
        assert isinstance(outcome, Finished)
        costs.learn(request, outcome)
        scheduler.update("j", sum(astuple(outcome.timings)))
        assert 0 < host.held_bytes() < 1.02 * outcome.peak_bytes  # two readings of one process
    assert costs.predict(request.width_px, request.height_px, 1, 0).bytes >= outcome.peak_bytes * 0.9
