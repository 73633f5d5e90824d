"""Blocks pass through slots of the card: the steps see the right weights, whatever happens in between."""

import itertools
import random
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.eight_bit.formats import FP8, INT8, NO_LAYERS, EightBitFormat, EightBitLayers
from engine.lora.formats import Pair
from engine.lora.merger import Merger
from engine.lora.patches import Adapter, LoraStack, Matrix, concatenate_pairs
from engine.zimage.residency import writer as writer_module
from engine.zimage.residency.lanes import HostLanes, Lane
from engine.zimage.residency.layout import BlockLayout, block_layouts
from engine.zimage.residency.slots import Slot, resident_first
from engine.zimage.residency.sources import Fill, HostSource
from engine.zimage.residency.store import RING, BlockStore

BLOCKS, WIDTH, INNER = 8, 12, 20
SHAPES = {
    "attention.to_q": (WIDTH, WIDTH), "attention.to_k": (WIDTH, WIDTH), "attention.to_v": (WIDTH, WIDTH),
    "attention.to_out.0": (WIDTH, WIDTH), "feed_forward.w1": (INNER, WIDTH),
    "feed_forward.w3": (INNER, WIDTH), "feed_forward.w2": (WIDTH, INNER),
}  # fmt: skip
NAMES = ["context_refiner.0", "noise_refiner.0", *(f"layers.{number}" for number in range(BLOCKS))]
STEP = [name for name in NAMES if not name.startswith("context")]
EIGHT_BIT_LAYERS = frozenset(
    f"{block}.{layer}"
    for block in STEP
    for layer in ("attention.qkv", "attention.to_out.0", "feed_forward.w13", "feed_forward.w2")
)


def new_source(seed: int = 0) -> HostSource:
    """Random blocks, as the reader fills them."""
    shapes = {f"{block}.{part}.weight": shape for block in NAMES for part, shape in SHAPES.items()}
    source = HostSource(block_layouts(shapes), torch.float32)
    generator = torch.Generator().manual_seed(seed)
    for target in source.targets().values():
        target.copy_(torch.randn(target.shape, generator=generator))
    return source


def adapter(seed: int, *only: str) -> Adapter:
    """A LoRA on the layers whose name begins with one of these; on all without any."""
    generator = torch.Generator().manual_seed(seed)
    pairs = {
        f"{block}.{part}": Pair(
            torch.randn(3, shape[1], generator=generator), torch.randn(shape[0], 3, generator=generator)
        )
        for block in NAMES
        for part, shape in SHAPES.items()
        if not only or f"{block}.{part}".startswith(only)
    }
    return Adapter(pairs, torch.zeros(1))


def expected(source: HostSource, stack: LoraStack, block: str) -> dict[str, Tensor]:
    """A block's weights with these LoRAs, merged into a copy, as the resident path does."""
    layout = source.layouts[block]
    base = layout.views(source.blocks[block].numbers)
    merged = {layer: weight.clone() for layer, weight in base.items()}
    for part, (layer, rows) in layout.parts.items():
        if pair := concatenate_pairs(stack, part):
            torch.addmm(base[layer][rows], pair.up, pair.down, out=merged[layer][rows])
    return merged


def check(store: BlockStore, source: HostSource, stack: LoraStack, block: str) -> None:
    for layer, weight in expected(source, stack, block).items():
        assert torch.equal(store.places[layer].weight, weight), (block, layer)


def run_step(store: BlockStore, source: HostSource, stack: LoraStack, blocks: Sequence[str] = STEP) -> None:
    """One step: every weight is right at its use."""
    store.ensure("t_embedder")
    for block in blocks:
        store.ensure(block)
        check(store, source, stack, block)
    store.ensure("all_final_layer")


STACKS: list[LoraStack] = [
    (),
    ((adapter(1), 0.7),),
    ((adapter(2, "layers.2.", "layers.5.attention.to_k"), 1.0),),
    ((adapter(3), -0.5), (adapter(4, "noise_refiner", "layers.7"), 0.9)),
    ((adapter(5, "context_refiner"), 1.0),),
]


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
