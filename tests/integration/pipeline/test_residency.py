"""Where the blocks live never changes a picture: the built-in model, drawn under every plan."""

import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from structlog.testing import capture_logs
from torch import Tensor

from engine.config import EngineConfig, Plan, WeightFormat, WeightLocation
from engine.demo.networks import WEIGHTS
from engine.lora.bank import Bank
from engine.lora.finder import LoraFinder
from engine.lora.patches import LoraStack
from engine.reporting import JobReporter
from engine.request import Drawn, Event, Finished, LoraChoice, Progress, RenderRequest, Stopped
from engine.worker.failures import describe_failure
from engine.zimage import weight_reader
from engine.zimage.denoise import Denoiser, LatentRow, draw_noise
from engine.zimage.device import Placement, choose_placement
from engine.zimage.forward.forward import Forward
from engine.zimage.model_loader import PipelineParts, load_pipeline, weights_bytes
from engine.zimage.pipeline import Pipeline
from engine.zimage.residency.fit import MemoryFit
from engine.zimage.residency.lanes import lanes_of
from engine.zimage.residency.layout import eight_bit_layers
from engine.zimage.residency.memory import ActivationEstimate, fitting_blocks
from engine.zimage.residency.sources import FileSource, HostSource
from engine.zimage.residency.store import RING, BlockStore
from tests.integration.pipeline.reference import adapter_of, error_of, random_lora

BLOCKS = 6  # main blocks of the built-in model
EMBEDDING = torch.randn(20, 160, generator=torch.Generator().manual_seed(1))
SIGMAS = [1.0, 0.7, 0.3, 0.0]
CARD = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card"),
]


class Placed:
    """The built-in model under one plan."""

    def __init__(
        self,
        parts: PipelineParts,
        resident_blocks: int | None = None,
        weight_format: WeightFormat = WeightFormat.BF16,
    ) -> None:
        self.store = None
        if parts.blocks is not None:
            device = parts.transformer.device
            layers = eight_bit_layers(parts.blocks.layouts, weight_format, is_card=device.type == "cuda")
            self.store = BlockStore(parts.blocks, device, lanes_of(device), resident_blocks, layers)
        self.forward = Forward(parts.transformer, weight_format, self.store.places if self.store else None)
        self.bank = Bank(
            self.forward.weights.matrices,
            LoraFinder(dict),
            eight_bit_layers=self.forward.eight_bit_layers,
            blocks=self.store,
        )
        self.denoiser = Denoiser(self.forward, self.bank)

    def draw(self, *stacks: LoraStack, stop_after: int = len(SIGMAS)) -> list[Tensor]:
        """Draw a picture for each stack, all in one batch."""
        embedding = EMBEDDING.to(self.forward.device)
        rows = []
        for seed, stack in enumerate(stacks):
            caption = self.denoiser.refine_caption(embedding, stack)
            rows.append(LatentRow(caption, stack, SIGMAS, draw_noise(seed, 16, 64, 96)))
        for row in rows:
            self.denoiser.join(row)
        for _ in range(stop_after):
            if not all(row.is_done for row in rows):
                self.denoiser.step()
        for row in rows:
            self.denoiser.leave(row)
        return [row.latents for row in rows]


def on_cpu() -> Placement:
    torch.set_num_threads(1)
    return choose_placement("cpu")


@pytest.fixture(scope="module", params=["cpu", pytest.param("cuda", marks=CARD)])
def place(request: pytest.FixtureRequest) -> Placement:
    torch.set_num_threads(1)
    return choose_placement(request.param)


@pytest.fixture(scope="module")
def on_card(place: Placement) -> Placed:
    return Placed(load_pipeline(WEIGHTS, place))


@pytest.fixture(scope="module")
def stacks(on_card: Placed, place: Placement) -> list[LoraStack]:
    a, b, c = (
        adapter_of(on_card.forward, random_lora(on_card.forward, seed, 4, only)).on(place.device)
        for seed, only in enumerate(["", "attention", "layers.3."])
    )
    return [(), ((a, 0.8),), ((b, -0.6),), ((a, 0.5), (b, 1.0)), ((c, 1.0),)]


@pytest.fixture(scope="module")
def pictures(on_card: Placed, stacks: list[LoraStack]) -> list[Tensor]:
    """What the resident path draws with each stack."""
    drawn = [on_card.draw(stack)[0] for stack in stacks]
    assert len({picture.sum().item() for picture in drawn}) == len(stacks)
    return drawn


@pytest.fixture(scope="module")
def parts(place: Placement) -> dict[WeightLocation, PipelineParts]:
    return {
        base: load_pipeline(WEIGHTS, place, base) for base in (WeightLocation.PINNED, WeightLocation.DISK)
    }


@pytest.mark.parametrize("base", [WeightLocation.PINNED, WeightLocation.DISK])
@pytest.mark.parametrize("resident", [*range(BLOCKS + 1), None])
def test_pictures_are_bit_equal_to_the_resident_path(
    parts: dict[WeightLocation, PipelineParts],
    stacks: list[LoraStack],
    pictures: list[Tensor],
    base: WeightLocation,
    resident: int | None,
) -> None:
    placed = Placed(parts[base], resident)
    generator = random.Random(resident)
    for number in [*range(len(stacks)), *generator.choices(range(len(stacks)), k=6)]:
        assert torch.equal(placed.draw(stacks[number])[0], pictures[number])
        if generator.random() < 0.3:  # a picture that is cancelled between two steps
            placed.draw(generator.choice(stacks), stop_after=generator.randrange(3))


@pytest.mark.parametrize("resident", [0, 2, BLOCKS])
def test_pictures_with_different_loras_have_the_side_path_on_pristine_blocks(
    on_card: Placed,
    parts: dict[WeightLocation, PipelineParts],
    stacks: list[LoraStack],
    pictures: list[Tensor],
    resident: int,
) -> None:
    placed = Placed(parts[WeightLocation.PINNED], resident)
    for batch in ([1, 2], [0, 3], [1, 0, 2]):
        wanted = on_card.draw(*(stacks[number] for number in batch))
        found = placed.draw(*(stacks[number] for number in batch))
        assert all(torch.equal(*pair) for pair in zip(found, wanted, strict=True))
        assert torch.equal(placed.draw(stacks[1])[0], pictures[1])


@pytest.mark.parametrize("base", [WeightLocation.PINNED, WeightLocation.DISK])
@pytest.mark.parametrize("weight_format", [WeightFormat.FP8, WeightFormat.INT8])
@pytest.mark.parametrize("resident", [0, 2, BLOCKS])
def test_pictures_in_eight_bits_are_bit_equal_to_those_with_the_base_on_the_card(
    place: Placement,
    stacks: list[LoraStack],
    base: WeightLocation,
    weight_format: WeightFormat,
    resident: int,
) -> None:
    whole = Placed(load_pipeline(WEIGHTS, place), None, weight_format)
    placed = Placed(load_pipeline(WEIGHTS, place, base), resident, weight_format)
    for stack in (stacks[1], stacks[3], stacks[0], stacks[1]):
        assert torch.equal(placed.draw(stack)[0], whole.draw(stack)[0])


@pytest.mark.parametrize("resident", [0, BLOCKS])
def test_different_loras_in_eight_bits_have_the_side_path(
    parts: dict[WeightLocation, PipelineParts], stacks: list[LoraStack], pictures: list[Tensor], resident: int
) -> None:
    placed = Placed(parts[WeightLocation.PINNED], resident, WeightFormat.INT8)
    for found, wanted in zip(placed.draw(stacks[0], stacks[2]), (pictures[0], None), strict=True):
        assert torch.isfinite(found).all()
        if wanted is not None:
            assert error_of(found, wanted) < 0.05


@pytest.mark.parametrize("base", [WeightLocation.PINNED, WeightLocation.DISK])
def test_no_block_is_on_the_device_but_in_its_slot(base: WeightLocation) -> None:
    whole = load_pipeline(WEIGHTS, on_cpu())
    placed = load_pipeline(WEIGHTS, on_cpu(), base)
    source = placed.blocks
    assert source is not None
    block_bytes = sum(layout.numbers for layout in source.layouts.values()) * 4
    assert weights_bytes(whole) - weights_bytes(placed) == pytest.approx(block_bytes, rel=0.001)
    expected = block_bytes if base is WeightLocation.PINNED else 4 * 8 * 2**20
    assert source.host_bytes == expected
    names = {name for name, _ in placed.transformer.named_parameters()}
    assert not any("attention.to_" in name or "feed_forward" in name for name in names)


def test_the_base_is_read_into_its_place_and_is_never_in_memory_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []
    empty = torch.empty

    def noting(*shape: Any, **options: Any) -> Tensor:
        tensor = empty(*shape, **options)
        made.append(tensor.nbytes)
        return tensor

    monkeypatch.setattr(weight_reader.torch, "empty", noting)
    reader = weight_reader.WeightReader(
        WEIGHTS, on_cpu(), WeightLocation.PINNED, readers=1, buffer_bytes=2**16
    )
    body = reader.wait_for("transformer")
    for part in ("vae", "text_encoder"):
        reader.wait_for(part)
    monkeypatch.undo()
    assert isinstance(body.blocks, HostSource)
    others = sum(tensor.nbytes for tensor in body.tensors.values())
    assert sum(made) < others + 24 * 2**20  # of the other parts and of buffers
    smallest = min(block.numbers.nbytes for block in body.blocks.blocks.values())
    assert max(made) < smallest * 4


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(WEIGHTS, tmp_path / "model"))


@pytest.mark.parametrize("way", ["shorter", "overwritten"])
def test_a_file_that_changes_under_the_blocks_raises_and_draws_nothing_wrong(
    copy: Path, place: Placement, stacks: list[LoraStack], pictures: list[Tensor], way: str
) -> None:
    placed = Placed(load_pipeline(copy, place, WeightLocation.DISK), 0)
    assert torch.equal(placed.draw(stacks[1])[0], pictures[1])
    path = next((copy / "transformer").glob("*.safetensors"))
    good = path.read_bytes()
    with path.open("r+b") as file:
        if way == "shorter":
            file.truncate(len(good) // 2)
        else:
            file.seek(len(good) // 2)
            file.write(bytes(1000))
    os.utime(path, ns=(1, 1))
    for stack in stacks[:3]:
        with pytest.raises(OSError, match=r"file (became shorter|was changed)"):
            placed.draw(stack)


def test_a_file_that_is_replaced_changes_nothing(
    copy: Path, place: Placement, stacks: list[LoraStack], pictures: list[Tensor]
) -> None:
    placed = Placed(load_pipeline(copy, place, WeightLocation.DISK), 0)
    for path in (copy / "transformer").glob("*.safetensors"):
        path.unlink()
        path.write_bytes(b"other")
    assert torch.equal(placed.draw(stacks[1])[0], pictures[1])


def test_a_picture_is_right_after_one_that_failed_in_the_middle_of_a_step(
    parts: dict[WeightLocation, PipelineParts],
    stacks: list[LoraStack],
    pictures: list[Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    placed = Placed(parts[WeightLocation.PINNED], 1)
    calls = 0
    real = placed.forward.fusions.swiglu

    def full(opened: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls % 11 == 0:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return real(opened)

    for number in range(len(stacks)):
        with monkeypatch.context() as patch:
            patch.setattr(placed.forward, "fusions", placed.forward.fusions._replace(swiglu=full))
            with pytest.raises(torch.OutOfMemoryError):
                placed.draw(stacks[number])
        other = (number + 1) % len(stacks)
        placed.denoiser._rows.clear()
        assert torch.equal(placed.draw(stacks[other])[0], pictures[other])


# The whole pipeline, with scripted memory.


class ScriptedMemory:
    """A device whose free memory the test sets."""

    def __init__(self) -> None:
        self.room: int | None = None

    def room_bytes(self) -> int | None:
        return self.room

    def held_bytes(self) -> int:
        return 2**60  # no peak is above it, so nothing is learned from this process's own memory


def drawn(pipeline: Pipeline, *loras: LoraChoice, cancel_at: int = 99) -> bytes | None:
    request = RenderRequest("job", 1, "Sugar面部", 64, 96, 7, loras=loras)
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
        on_cpu()
        folder = tmp_path_factory.mktemp("data")
        pipelines.append(Pipeline.load(EngineConfig(folder, lora_dir=folder, device="cpu", plan=plan)))
        return pipelines[-1]

    yield load
    for pipeline in pipelines:
        pipeline.close()


@pytest.mark.parametrize(
    "plan",
    [
        Plan(base=WeightLocation.PINNED),
        Plan(base=WeightLocation.PINNED, resident_blocks=2),
        Plan(base=WeightLocation.DISK, resident_blocks=0),
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


def test_out_of_memory_lowers_the_resident_blocks_until_the_picture_is_drawn(
    planned: Callable[[Plan | None], Pipeline],
    pipeline: Pipeline,
    sugar: LoraChoice,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours = planned(Plan(base=WeightLocation.PINNED))
    store = ours._store
    assert store is not None
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


def test_disk_blocks_share_a_few_small_buffers(parts: dict[WeightLocation, PipelineParts]) -> None:
    source = parts[WeightLocation.DISK].blocks
    assert isinstance(source, FileSource)
    assert source.host_bytes == 32 * 2**20
