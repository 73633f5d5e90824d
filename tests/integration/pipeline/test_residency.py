"""Where the blocks live never changes a picture: the built-in model, drawn under every plan."""

import os
import random
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.config import WeightFormat, WeightLocation
from engine.demo.networks import WEIGHTS
from engine.lora.adapter import LoraStack
from engine.zimage import weight_reader
from engine.zimage.device import Placement, choose_placement
from engine.zimage.model_loader import PipelineParts, load_pipeline, weights_bytes
from engine.zimage.residency.sources import FileSource, HostSource
from tests.integration.pipeline.placed import Placed
from tests.integration.pipeline.reference import adapter_of, error_of, random_lora

BLOCKS = 6  # main blocks of the built-in model
ALWAYS = (0, 2, None)  # resident blocks
OTHERS = [pytest.param(count, marks=pytest.mark.slow) for count in range(BLOCKS + 1) if count not in ALWAYS]


CARD = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA card"),
]


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
@pytest.mark.parametrize("resident", [*ALWAYS, *OTHERS])
def test_pictures_are_bit_equal_to_the_resident_path(
    parts: dict[WeightLocation, PipelineParts],
    stacks: list[LoraStack],
    pictures: list[Tensor],
    base: WeightLocation,
    resident: int | None,
) -> None:
    placed = Placed(parts[base], resident)
    generator = random.Random(resident)
    for number in [*range(len(stacks)), *generator.choices(range(len(stacks)), k=3)]:
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


@pytest.fixture(scope="module")
def pictures_in_eight_bits(
    place: Placement, stacks: list[LoraStack]
) -> Callable[[WeightFormat], dict[int, Tensor]]:
    """What a base on the card draws in a format, by the number of the stack."""

    @cache
    def draw(weight_format: WeightFormat) -> dict[int, Tensor]:
        whole = Placed(load_pipeline(WEIGHTS, place), None, weight_format)
        return {number: whole.draw(stacks[number])[0] for number in (1, 3, 0)}

    return draw


@pytest.mark.parametrize("base", [WeightLocation.PINNED, WeightLocation.DISK])
@pytest.mark.parametrize("weight_format", [WeightFormat.FP8, WeightFormat.INT8])
@pytest.mark.parametrize("resident", [0, 2, BLOCKS])
def test_pictures_in_eight_bits_are_bit_equal_to_those_with_the_base_on_the_card(
    place: Placement,
    stacks: list[LoraStack],
    base: WeightLocation,
    weight_format: WeightFormat,
    resident: int,
    pictures_in_eight_bits: Callable[[WeightFormat], dict[int, Tensor]],
) -> None:
    pictures = pictures_in_eight_bits(weight_format)
    placed = Placed(load_pipeline(WEIGHTS, place, base), resident, weight_format)
    for number in (1, 3, 0, 1):
        assert torch.equal(placed.draw(stacks[number])[0], pictures[number])


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


def test_disk_blocks_share_a_few_small_buffers(parts: dict[WeightLocation, PipelineParts]) -> None:
    source = parts[WeightLocation.DISK].blocks
    assert isinstance(source, FileSource)
    assert source.host_bytes == 32 * 2**20
