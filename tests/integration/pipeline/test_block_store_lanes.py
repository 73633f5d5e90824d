"""No lane touches a slot beside another; copies run ahead; blocks in eight bits."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.eight_bit.formats import FP8, INT8, NO_LAYERS, EightBitFormat, EightBitLayers
from engine.lora.adapter import LoraStack
from engine.lora.merger import Merger
from engine.lora.patches import Matrix
from engine.zimage.residency import writer as writer_module
from engine.zimage.residency.lanes import HostLanes, Lane
from engine.zimage.residency.sources import Fill, HostSource
from engine.zimage.residency.store import RING, BlockStore
from tests.integration.pipeline.blocks import BLOCKS, EIGHT_BIT_LAYERS, NAMES, STACKS, STEP, check, new_source


@dataclass
class CheckedLanes:
    """Lanes without a device that know the order of all work: a vector clock for each lane."""

    clocks: dict[Lane, dict[Lane, int]] = field(
        default_factory=lambda: {lane: dict.fromkeys(Lane, 0) for lane in Lane}
    )
    at: Lane = Lane.COMPUTE
    work: dict[int, list[tuple[Lane, int, bool]]] = field(default_factory=dict)

    @contextmanager
    def on(self, lane: Lane) -> Iterator[None]:
        before, self.at = self.at, lane
        yield
        self.at = before

    def mark(self, lane: Lane) -> Any:
        return dict(self.clocks[lane])

    def wait(self, lane: Lane, mark: Any) -> None:
        for other, count in (mark or {}).items():
            self.clocks[lane][other] = max(self.clocks[lane][other], count)

    def touch(self, memory: Tensor, *, is_write: bool) -> None:
        """Note work on a slot; fail if the card could do it beside work that it must follow."""
        clock = self.clocks[self.at]
        clock[self.at] += 1
        done = self.work.setdefault(memory.untyped_storage().data_ptr(), [])
        for lane, count, wrote in done:
            assert clock[lane] >= count or not (is_write or wrote), (lane, self.at)
        done.append((self.at, clock[self.at], is_write))


def watched(
    monkeypatch: pytest.MonkeyPatch, resident: int, eight_bit: EightBitLayers = NO_LAYERS
) -> tuple[BlockStore, HostSource, CheckedLanes, list[tuple[Lane, str]]]:
    """A store whose copies and merges are noted in their order."""
    source, lanes, log = new_source(), CheckedLanes(), []
    fill, backend = source.fill, writer_module.select_backend

    def noted_fill(block: str, slot: Tensor, own: Any, after: Any) -> Fill:
        lanes.wait(Lane.COPY, after)
        with lanes.on(Lane.COPY):
            lanes.touch(slot, is_write=True)
        log.append((Lane.COPY, block))
        return fill(block, slot, own, None)

    def noted_backend(matrices: Any, layers: EightBitLayers) -> Any:
        inner = backend(matrices, layers)

        def begin(copies: Any, stack: LoraStack) -> Any:
            write = inner(copies, stack)
            tables = torch.zeros(1)
            lanes.touch(tables, is_write=True)  # they arrive in the lane of the steps

            def writing(names: Sequence[str]) -> None:
                assert lanes.at is Lane.MERGE
                lanes.touch(tables, is_write=False)
                for adapter_, _ in stack:
                    lanes.touch(adapter_.block, is_write=False)
                for name in names:
                    lanes.touch(matrices[name].weight, is_write=False)
                    lanes.touch(copies[name].weight, is_write=True)
                log.append((Lane.MERGE, ".".join(names[0].split(".")[:2])))
                write(names)

            return writing

        return begin

    monkeypatch.setattr(source, "fill", noted_fill)
    monkeypatch.setattr(writer_module, "select_backend", noted_backend)
    return BlockStore(source, torch.device("cpu"), lanes, resident, eight_bit), source, lanes, log


@pytest.mark.parametrize("eight_bit_format", [None, INT8], ids=["bf16", "int8"])
@pytest.mark.parametrize("resident", range(BLOCKS + 1))
def test_no_lane_touches_a_slot_beside_another(
    monkeypatch: pytest.MonkeyPatch, resident: int, eight_bit_format: EightBitFormat | None
) -> None:
    eight_bit = EightBitLayers(eight_bit_format, EIGHT_BIT_LAYERS) if eight_bit_format else NO_LAYERS
    store, source, lanes, log = watched(monkeypatch, resident, eight_bit)
    generator = random.Random(resident)

    def use(blocks: Sequence[str], stack: LoraStack) -> None:
        for block in blocks:
            store.ensure(block)
            if not eight_bit:
                check(store, source, stack, block)
            slot: Any = store._holder(block)
            lanes.touch(slot.numbers, is_write=False)
            log.append((Lane.COMPUTE, block))

    stack: LoraStack = ()
    for _ in range(30):
        old, stack = stack, generator.choice(STACKS)
        store.use(stack)
        for adapter_ in {each for each, _ in old} - {each for each, _ in stack}:
            lanes.touch(adapter_.block, is_write=True)  # its memory may be used otherwise now
        use(NAMES[:1], stack)
        for _ in range(generator.randrange(3)):
            use(STEP, stack)
            store.ensure("all_final_layer")
        if generator.random() < 0.3:
            store.resize(generator.choice([resident, 0, BLOCKS]))
            use(STEP, stack)
            store.resize(resident)


@pytest.mark.parametrize("resident", [0, 4])
def test_copies_run_ahead_of_the_steps_and_around_to_the_next_step(
    monkeypatch: pytest.MonkeyPatch, resident: int
) -> None:
    store, _, _, log = watched(monkeypatch, resident)
    store.use(STACKS[1])
    for _ in range(3):
        for block in STEP:
            store.ensure(block)
            log.append((Lane.COMPUTE, block))
        store.ensure("all_final_layer")
    streamed = [name for name in STEP if name not in store._own]
    steps = [at for at, entry in enumerate(log) if entry == (Lane.COMPUTE, STEP[0])]
    for at, (lane, block) in enumerate(log):
        if at > steps[1] and lane is Lane.COMPUTE and block in streamed:
            for way in (Lane.COPY, Lane.MERGE):
                queued = max(index for index, entry in enumerate(log[:at]) if entry == (way, block))
                others = [entry for entry in log[queued:at] if entry[0] is Lane.COMPUTE]
                assert len(others) >= RING - 1, (way, block)


def expected_in_eight_bits(
    source: HostSource, stack: LoraStack, block: str, eight_bit: EightBitLayers
) -> Any:
    """What the merger writes beside a base on the card."""
    base = source.layouts[block].views(source.blocks[block].numbers)
    matrices = {
        layer: Matrix(weight, source.layouts[block].layers[layer].parts) for layer, weight in base.items()
    }
    patches = Merger(matrices, eight_bit).merge(stack)
    patches.ensure_merged(block)
    return patches.layers


@pytest.mark.parametrize("eight_bit_format", [INT8, FP8], ids=lambda each: each.name)
@pytest.mark.parametrize("resident", [0, 1, 3, BLOCKS])
def test_blocks_in_eight_bits_are_written_from_the_base_with_their_loras(
    resident: int, eight_bit_format: EightBitFormat
) -> None:
    source = new_source()
    eight_bit = EightBitLayers(eight_bit_format, EIGHT_BIT_LAYERS)
    store = BlockStore(source, torch.device("cpu"), HostLanes(), resident, eight_bit)
    generator = random.Random(resident)
    for _ in range(12):
        stack = generator.choice(STACKS)
        store.use(stack)
        for block in [*NAMES, *STEP]:
            store.ensure(block)
            if block not in STEP:
                check(store, source, stack, block)
                continue
            wanted = expected_in_eight_bits(source, stack, block, eight_bit)
            for layer, patch in wanted.items():
                assert torch.equal(store.places[layer].weight, patch.weight)
                assert torch.equal(store.places[layer].scales, patch.scales)
        store.ensure("all_final_layer")
        if generator.random() < 0.3:
            store.resize(generator.randrange(BLOCKS + 1))
    assert store.block_bytes < source.layouts["layers.0"].numbers * 2
