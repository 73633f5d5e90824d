"""Blocks pass through slots of the card: the steps see the right weights, whatever happens in between."""

import itertools
import random
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.eight_bit.formats import FP8, INT8, NO_LAYERS, EightBitFormat, EightBitLayers
from engine.lora.adapter import LoraStack
from engine.zimage.residency import writer as writer_module
from engine.zimage.residency.lanes import HostLanes
from engine.zimage.residency.layout import BlockLayout
from engine.zimage.residency.slots import Slot, resident_first
from engine.zimage.residency.sources import Fill
from engine.zimage.residency.store import RING, BlockStore
from tests.integration.pipeline.blocks import (
    BLOCKS,
    EIGHT_BIT_LAYERS,
    NAMES,
    STACKS,
    STEP,
    expected,
    new_source,
    run_step,
)


@pytest.mark.parametrize("resident", range(BLOCKS + 1))
def test_every_block_has_the_weights_of_its_loras_in_any_order_of_switches(resident: int) -> None:
    source = new_source()
    before = {name: block.numbers.clone() for name, block in source.blocks.items()}
    store = BlockStore(source, torch.device("cpu"), HostLanes(), resident)
    generator = random.Random(resident)
    for _ in range(40):
        stack = generator.choice(STACKS)
        store.use(stack)
        if generator.random() < 0.8:
            run_step(store, source, stack, NAMES[:1])
        for _ in range(generator.randrange(3)):
            run_step(store, source, stack)
        if generator.random() < 0.3:  # an error in the middle of a step
            run_step(store, source, stack, STEP[: generator.randrange(len(STEP))])
    assert all(torch.equal(block.numbers, before[name]) for name, block in source.blocks.items())


def test_a_streamed_block_that_is_in_two_slots_with_different_loras_is_found_in_the_right_one() -> None:
    source = new_source()
    store = BlockStore(source, torch.device("cpu"), HostLanes(), 0)
    for stack in (STACKS[1], STACKS[3], STACKS[1], STACKS[3]):
        store.use(stack)
        run_step(store, source, stack, ["layers.3"])


def test_resident_blocks_change_between_pictures_and_keep_what_is_right() -> None:
    source = new_source()
    store = BlockStore(source, torch.device("cpu"), HostLanes(), 0)
    for resident, stack in zip([3, 8, 2, 0, 5, 8, 8, 1], itertools.cycle(STACKS), strict=False):
        store.resize(resident)
        store.use(stack)
        run_step(store, source, stack, NAMES)
        run_step(store, source, stack)
    store.resize(8)
    run_step(store, source, stack, NAMES)
    assert store.is_settled
    copied = store.copied_bytes
    store.resize(4)
    store.resize(4)
    run_step(store, source, stack)
    assert store.copied_bytes - copied <= (BLOCKS - 4 + RING) * store.block_bytes


@pytest.mark.parametrize("resident", [*range(BLOCKS + 1), None])
def test_memory_on_the_card_is_that_of_the_slots(resident: int | None) -> None:
    store = BlockStore(new_source(), torch.device("cpu"), HostLanes(), resident)
    own = BLOCKS if resident is None or resident + RING >= BLOCKS else resident + RING
    assert store.card_bytes == (own + 2) * store.block_bytes  # two refiners
    assert store.host_bytes == (BLOCKS + 2) * store.block_bytes


def test_resident_blocks_are_copied_only_if_the_old_or_the_new_lora_changes_them() -> None:
    source = new_source()
    store = BlockStore(source, torch.device("cpu"), HostLanes())
    touched = {0: len(NAMES), 1: len(NAMES), 2: len(NAMES), 4: 1 + 2}
    run_step(store, source, (), NAMES)
    assert store.copied_bytes == len(NAMES) * store.block_bytes
    for index in (1, 2):
        copied = store.copied_bytes
        store.use(STACKS[index])
        run_step(store, source, STACKS[index], NAMES)
        assert store.copied_bytes - copied == touched[index] * store.block_bytes
        assert store.is_settled
    copied = store.copied_bytes
    store.use(STACKS[4])
    run_step(store, source, STACKS[4], NAMES)
    assert store.copied_bytes - copied == touched[4] * store.block_bytes
    run_step(store, source, STACKS[4])
    assert store.copied_bytes - copied == touched[4] * store.block_bytes


@pytest.mark.parametrize("resident", [0, 2, 4])
def test_a_step_copies_each_streamed_block_once(resident: int) -> None:
    source = new_source()
    store = BlockStore(source, torch.device("cpu"), HostLanes(), resident)
    store.use(STACKS[1])
    for _ in range(3):
        run_step(store, source, STACKS[1])
    copied = store.copied_bytes
    for _ in range(4):
        run_step(store, source, STACKS[1])
    assert store.copied_bytes - copied == 4 * (BLOCKS - resident) * store.block_bytes
    assert not store.is_settled


def test_resident_blocks_are_spread_evenly_for_every_number_of_them() -> None:
    for count in (8, 30):
        order = resident_first(count)
        assert sorted(order) == list(range(count))
        for resident in range(1, count + 1):
            chosen = sorted(order[:resident])
            gaps = [
                (after - at) % count or count
                for at, after in zip(chosen, chosen[1:] + chosen[:1], strict=True)
            ]
            assert max(gaps) <= 3 * count / resident + 1


def test_a_thousand_alternating_merges_are_bit_equal() -> None:
    source = new_source()
    for resident in (0, BLOCKS):
        store = BlockStore(source, torch.device("cpu"), HostLanes(), resident)
        wanted = [expected(source, stack, "layers.2")["layers.2.attention.qkv"] for stack in STACKS[:2]]
        for switch in range(1000):
            store.use(STACKS[switch % 2])
            store.ensure("layers.2")
            assert torch.equal(store.places["layers.2.attention.qkv"].weight, wanted[switch % 2])


@pytest.mark.parametrize("resident", [0, 3, BLOCKS])
@pytest.mark.parametrize("way", ["copy", "merge"])
def test_a_failure_in_the_middle_leaves_the_next_picture_right(
    monkeypatch: pytest.MonkeyPatch, resident: int, way: str
) -> None:
    source = new_source()
    store = BlockStore(source, torch.device("cpu"), HostLanes(), resident)
    generator = random.Random(0)
    fill, backend = source.fill, writer_module.select_backend
    remaining = [0]

    def fail_later() -> None:
        remaining[0] -= 1
        if remaining[0] == 0:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    def failing_fill(block: str, slot: Tensor, *rest: Any) -> Fill:
        if way == "copy":
            slot.fill_(float("nan"))  # what it holds is lost
            fail_later()
        return fill(block, slot, *rest)

    def failing_backend(*matrices: Any) -> Any:
        inner = backend(*matrices)

        def begin(copies: Any, stack: LoraStack) -> Any:
            write = inner(copies, stack)

            def writing(names: Sequence[str]) -> None:
                write(names[:1])  # some layers are merged, some are not
                if way == "merge":
                    fail_later()
                write(names[1:])

            return writing

        return begin

    monkeypatch.setattr(source, "fill", failing_fill)
    monkeypatch.setattr(writer_module, "select_backend", failing_backend)
    store.resize(resident - 1 if resident else 1)
    store.resize(resident)
    failures = 0
    for _ in range(60):
        stack = generator.choice(STACKS)
        store.use(stack)
        remaining[0] = generator.randrange(1, 12)
        try:
            run_step(store, source, stack, NAMES)
        except torch.OutOfMemoryError:
            failures += 1
        remaining[0] = 0
        if generator.random() < 0.5:
            run_step(store, source, stack, NAMES)
    assert failures > 10


class LimitedCard:
    """Memory for so many slots; a slot counts until nothing refers to its numbers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, slots: int) -> None:
        self.slots = slots
        self.in_use: list[weakref.ref[Any]] = []
        self.allocate = writer_module.new_slot
        monkeypatch.setattr(writer_module, "new_slot", self.new_slot)

    def new_slot(self, layout: BlockLayout, *rest: Any) -> Slot:
        self.in_use = [each for each in self.in_use if each() is not None]
        if len(self.in_use) >= self.slots:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        slot = self.allocate(layout, *rest)
        memory = np.empty(slot.numbers.nbytes, np.uint8)
        self.in_use.append(weakref.ref(memory))
        slot.numbers = torch.from_numpy(memory).view(slot.numbers.dtype)
        return slot


@pytest.mark.parametrize("eight_bit", [None, INT8, FP8])
def test_fewer_resident_blocks_need_no_more_memory_on_their_way(
    monkeypatch: pytest.MonkeyPatch, eight_bit: EightBitFormat | None
) -> None:
    layers = EightBitLayers(eight_bit, EIGHT_BIT_LAYERS) if eight_bit else NO_LAYERS
    card = LimitedCard(monkeypatch, 100)
    source = new_source()
    store = BlockStore(source, torch.device("cpu"), HostLanes(), eight_bit=layers)
    store.use(STACKS[1])
    for block in NAMES:
        store.ensure(block)
    card.slots = len(card.in_use)  # not one more
    for resident in (4, 2, 0):
        store.resize(resident)
        assert store.resident_blocks == resident
        for block in NAMES:
            store.ensure(block)


def test_a_store_without_any_slot_has_them_again_when_there_is_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    card = LimitedCard(monkeypatch, 100)
    source = new_source()
    store = BlockStore(source, torch.device("cpu"), HostLanes(), 0)
    block_bytes = store.block_bytes
    card.slots = 0
    store._ring.clear()
    with pytest.raises(torch.OutOfMemoryError):
        store.resize(2)
    assert (store.block_bytes, store.main_bytes) == (block_bytes, 0)
    card.slots = 100
    run_step(store, source, (), NAMES)
