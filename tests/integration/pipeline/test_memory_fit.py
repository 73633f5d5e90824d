"""What stays on the card follows the free memory, before each picture and after a failure."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from structlog.testing import capture_logs
from torch import Tensor

from engine.config import EngineConfig, Plan, WeightLocation
from engine.demo.networks import LORAS
from engine.lora.adapter import LoraStack
from engine.lora.bank import AdapterCache
from engine.reporting import JobReporter
from engine.request import Drawn, Event, Finished, LoraChoice, Progress, RenderRequest, StartPicture, Stopped
from engine.worker.failures import describe_failure
from engine.zimage.pipeline import Pipeline
from engine.zimage.residency.fit import MemoryFit
from engine.zimage.residency.memory import ActivationEstimate, fitting_blocks
from engine.zimage.residency.store import RING
from tests.fakes.lora_files.found import source

BLOCKS = 6  # main blocks of the built-in model


class ScriptedMemory:
    """A device whose free memory the test sets."""

    def __init__(self) -> None:
        self.room: int | None = None
        self.peaks_forgotten = 0

    def room_bytes(self) -> int | None:
        return self.room

    def held_bytes(self) -> int:
        return 2**60  # no peak is above it, so nothing is learned from this process's own memory

    def forget_peak(self) -> None:
        self.peaks_forgotten += 1


def drawn(
    pipeline: Pipeline, *loras: LoraChoice, cancel_at: int = 99, start: StartPicture | None = None
) -> bytes | None:
    files = tuple(source(path) for path in LORAS.glob("*.safetensors")) if loras else ()
    request = RenderRequest("job", 1, "Sugar面部", 64, 96, 7, loras=loras, lora_files=files, start=start)
    events: list[Event] = []
    reporter = JobReporter(request, events.append, describe_failure)

    def is_cancelled() -> bool:
        return sum(isinstance(event, Progress) for event in events) >= cancel_at

    reporter.report_end(pipeline.draw(request, reporter, is_cancelled))
    reporter.wait()
    assert isinstance(events[-1], Stopped if cancel_at < 99 else Finished)
    return next((event.picture.png for event in events if isinstance(event, Drawn)), None)


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Plan | None], Pipeline]]:
    pipelines = []

    def load(plan: Plan | None) -> Pipeline:
        torch.set_num_threads(1)
        folder = tmp_path_factory.mktemp("data")
        pipelines.append(Pipeline.load(EngineConfig(folder, lora_dir=folder, device="cpu", plan=plan)))
        return pipelines[-1]

    yield load
    for pipeline in pipelines:
        pipeline.close()


@pytest.fixture(scope="module")
def pipeline(planned: Callable[[Plan | None], Pipeline]) -> Pipeline:
    """All on the device; not the one of all tests, which may remember what they computed otherwise."""
    return planned(None)


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(Plan(base=WeightLocation.PINNED), marks=pytest.mark.slow),
        Plan(base=WeightLocation.PINNED, resident_blocks=2),
        pytest.param(Plan(base=WeightLocation.DISK, resident_blocks=0), marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_the_worker_draws_the_same_files_under_every_plan(
    planned: Callable[[Plan | None], Pipeline],
    pipeline: Pipeline,
    sugar: LoraChoice,
    anime: LoraChoice,
    plan: Plan,
) -> None:
    ours = planned(plan)
    for loras in [(), (sugar,), (anime, sugar), (anime,), ()]:
        assert drawn(ours, *loras, cancel_at=3) is None
        assert drawn(ours, *loras) == drawn(pipeline, *loras)
    first = drawn(pipeline, sugar)
    assert first is not None
    start = StartPicture(first, 0.5)
    assert drawn(ours, anime, start=start) == drawn(pipeline, anime, start=start)
    assert plan.base in ours.info.plan
    assert "blocks resident" in ours.info.plan
    assert ours.info.host_bytes > 0
    assert ours.info.weights_bytes < pipeline.info.weights_bytes or plan.resident_blocks is None
    assert (pipeline.info.plan, pipeline.info.host_bytes) == ("", 0)


def test_resident_blocks_follow_the_free_memory(
    planned: Callable[[Plan | None], Pipeline], pipeline: Pipeline, sugar: LoraChoice
) -> None:
    ours = planned(Plan(base=WeightLocation.PINNED, lora_cache_bytes=0))
    store, memory = ours._store, ScriptedMemory()
    assert store is not None
    ours._fit._memory = memory
    expected = drawn(pipeline, sugar)
    assert drawn(ours, sugar) == expected  # now the LoRA is in its cache
    needed = ours._fit._activations.of(64, 96, is_lean=False) + ours._bank.card_cache_room_bytes
    block = store.block_bytes
    found = []
    with capture_logs() as logs:
        # What is free beside the slots: another program takes memory, grows, ends.
        for total in (BLOCKS * block, 5 * block, RING * block, 4 * block, BLOCKS * block + 2**30):
            memory.room = needed + total - store.main_bytes
            ours._fit._activations = ActivationEstimate()
            assert drawn(ours, sugar) == expected
            found.append(store.resident_blocks)
            assert store.main_bytes <= max(total, RING * block)
    assert found == [BLOCKS, 2, 0, 0, BLOCKS]  # from 0 to 1 the margin is missing
    changes = [line for line in logs if line["event"] == "resident blocks changed"]
    assert len(changes) == 3
    assert all("MiB" in line["reason"] for line in changes)


def test_the_number_of_resident_blocks_does_not_flicker_with_a_reading(
    planned: Callable[[Plan | None], Pipeline],
) -> None:
    ours = planned(Plan(base=WeightLocation.PINNED, lora_cache_bytes=0, resident_blocks=1))
    store, memory = ours._store, ScriptedMemory()
    assert store is not None
    fit = MemoryFit(ours._bank, store, memory)
    needed = fit._activations.of(64, 96, is_lean=False) + ours._bank.card_cache_room_bytes
    block = store.block_bytes
    resident = []
    for noise in (0, -1, 0, 1, -1, 0, 1):
        memory.room = needed + (RING + 2) * block + noise * 1000 - store.main_bytes
        fit.prepare(64, 96)
        resident.append(store.resident_blocks)
    assert resident == [1] * len(resident)


def test_a_lora_larger_than_the_cache_of_the_card_gets_its_room_before_the_picture(
    planned: Callable[[Plan | None], Pipeline], sugar: LoraChoice
) -> None:
    ours = planned(Plan(base=WeightLocation.PINNED))
    store, memory, bank = ours._store, ScriptedMemory(), ours._bank
    assert store is not None
    drawn(ours, sugar)  # now the LoRA is in main memory
    bank._on_card = AdapterCache(1)
    fit = MemoryFit(bank, store, memory)
    needed = fit._activations.of(64, 96, is_lean=False) + bank.card_cache_room_bytes
    own_bytes = bank._in_memory.get(sugar.sha256).nbytes  # type: ignore[union-attr]
    assert bank.excess_bytes([sugar]) == own_bytes - 1
    for room in (own_bytes, 0):
        memory.room = needed + room
        fit.prepare(64, 96)
        assert store.resident_blocks == BLOCKS
        fit.prepare(64, 96, (sugar,))
        assert (store.resident_blocks == BLOCKS) == (room > 0)


def test_out_of_memory_lowers_the_resident_blocks_until_the_picture_is_drawn(
    planned: Callable[[Plan | None], Pipeline],
    pipeline: Pipeline,
    sugar: LoraChoice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = planned(Plan(base=WeightLocation.PINNED))
    store, memory = ours._store, ScriptedMemory()
    assert store is not None
    ours._fit._memory = memory
    expected = drawn(pipeline, sugar)
    fusions = ours._forward.fusions
    seen: list[int] = []

    def swiglu(opened: Tensor) -> Tensor:
        assert store is not None
        if store.resident_blocks > 1:
            seen.append(store.resident_blocks)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nadvice")
        return fusions.swiglu(opened)

    monkeypatch.setattr(ours._forward, "fusions", fusions._replace(swiglu=swiglu))
    with capture_logs() as logs:
        assert drawn(ours, sugar) == expected
    assert seen == sorted(seen, reverse=True)
    assert store.resident_blocks <= 1
    reasons = {line["reason"] for line in logs if line["event"] == "resident blocks changed"}
    assert reasons == {"CUDA out of memory. Tried to allocate 2 GiB."}
    assert memory.peaks_forgotten == len(seen), "what was given up is no need of the picture"


def test_the_merged_copy_comes_back_when_memory_does(
    planned: Callable[[Plan | None], Pipeline],
    pipeline: Pipeline,
    sugar: LoraChoice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = planned(None)
    memory = ScriptedMemory()
    ours._fit._memory = memory
    merge, is_full = ours._bank._merger.merge, [True]

    def full(stack: LoraStack) -> Any:
        if is_full[0]:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return merge(stack)

    monkeypatch.setattr(ours._bank._merger, "merge", full)
    fits = []
    needed = ours._fit._activations.of(64, 96, is_lean=False)
    copy_bytes = ours._bank.copy_bytes
    with capture_logs() as logs:
        for spare in (0, copy_bytes, copy_bytes + 2**27, copy_bytes + 2**31, 0, 2**36):
            memory.room = needed + spare
            ours._fit._activations = ActivationEstimate()
            drawn(ours, sugar)
            is_full[0] = False
            fits.append(ours._bank.copy_fits)
    assert fits == [False, False, False, True, True, True]
    assert [line["log_level"] for line in logs if "LoRAs" in line["event"]] == ["warning", "info"]
    memory.room = 0  # another program needs the card
    drawn(ours, sugar)
    assert not ours._bank.copy_fits
    memory.room = needed + copy_bytes + 2**31
    assert drawn(ours, sugar) == drawn(pipeline, sugar)
    assert ours._bank.copy_fits


def test_the_estimate_of_activations_rises_at_once_and_falls_slowly() -> None:
    estimate = ActivationEstimate()
    first = estimate.of(512, 768, is_lean=False)
    estimate.learn(512, 768, 2 * first, is_lean=False)
    assert estimate.of(512, 768, is_lean=False) == pytest.approx(2 * first)
    assert estimate.of(1024, 1024, is_lean=False) > 2 * first
    estimate.learn(512, 768, first, is_lean=False)
    assert first < estimate.of(512, 768, is_lean=False) < 2 * first
    assert estimate.of(512, 768, is_lean=True) <= first


@pytest.mark.parametrize(
    ("room", "fitting"), [(-5, 0), (0, 0), (39, 0), (40, 1), (79, 4), (99, 6), (100, 10), (500, 10)]
)
def test_blocks_that_fit_leave_the_ring_its_slots(room: int, fitting: int) -> None:
    assert fitting_blocks(room, block_bytes=10, blocks=10, ring=3) == fitting
