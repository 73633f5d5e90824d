"""Copies a block to the card and writes it, with its LoRAs, into its slot.

In bf16 the copy goes into the slot itself and the LoRAs are merged in place. In eight bits it goes into a
landing slot, from which one kernel merges, rotates, scales and rounds into the slot.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch

from engine.eight_bit.formats import NO_LAYERS, EightBitLayers
from engine.lora.adapter import LoraStack
from engine.lora.merger import MergeBackend, select_backend
from engine.lora.patches import Matrices, Matrix, MergedPatch, MergeLayers
from engine.zimage.residency.lanes import Lane, Lanes
from engine.zimage.residency.layout import BlockLayout
from engine.zimage.residency.slots import BlockLoras, Slot, new_slot
from engine.zimage.residency.sources import BlockSource

LANDINGS = 2  # one is written from while the next copy arrives

_Place = tuple[Slot | None, Slot | None]  # a landing or none; a slot of the ring, or none for all others


class BlockWriter:
    """Fills the slots of one model.

    Args:
        source: The pristine blocks.
        device: The card.
        lanes: Its queues.
        eight_bit: The layers whose slots are in eight bits.

    Raises:
        torch.OutOfMemoryError: The landing slots do not fit.
    """

    def __init__(
        self, source: BlockSource, device: torch.device, lanes: Lanes, eight_bit: EightBitLayers
    ) -> None:
        self._source, self._device, self._lanes, self._eight_bit = source, device, lanes, eight_bit
        largest = max(source.layouts.values(), key=lambda layout: layout.numbers)
        self.landings = [
            new_slot(largest, source.dtype, device, None) for _ in range(LANDINGS if eight_bit else 0)
        ]
        self._stack: LoraStack = ()
        self._ring: Sequence[Slot] = ()
        self._under_way: list[Slot] = []  # slots whose copy goes to a landing, oldest first
        self._backends: dict[_Place, MergeBackend] = {}
        self._weights: dict[Slot | None, Mapping[str, MergedPatch]] = {}
        self._writes: dict[_Place, MergeLayers] = {}
        self.copied_bytes = 0  # in all, for measurements

    def new_slot(self, layout: BlockLayout) -> Slot:
        """Allocate a slot for a block of this size."""
        eight_bit = self._eight_bit.format if self.is_eight_bit(layout) else None
        dtype = self._source.dtype if eight_bit is None else eight_bit.dtype
        return new_slot(layout, dtype, self._device, self._lanes.mark(Lane.COMPUTE))

    def slot_bytes(self, layout: BlockLayout) -> int:
        """Return the memory of a slot for a block of this size."""
        if not self.is_eight_bit(layout):
            return layout.numbers * self._source.dtype.itemsize
        rows = sum(span.shape[0] for span in layout.layers.values())
        return layout.numbers + rows * torch.float32.itemsize

    def is_eight_bit(self, layout: BlockLayout) -> bool:
        """Whether a block is multiplied in eight bits."""
        return any(layer in self._eight_bit for layer in layout.layers)

    def disconnect(self) -> None:
        """Forget the addresses of all slots, until ``connect``."""
        self._backends, self._weights = {}, {}
        self._writes.clear()
        self._under_way = [slot for slot in self._under_way if slot.landing is not None]

    def connect(self, own: Mapping[str, Slot], ring: Sequence[Slot], streamed: Sequence[str]) -> None:
        """Make the merge functions for the addresses of these slots.

        Args:
            own: Block → its own slot.
            ring: The slots that the other blocks share.
            streamed: Those blocks.
        """
        layouts = self._source.layouts
        self._ring = ring
        self._weights = {slot: _all_weights((layouts[name], slot) for name in streamed) for slot in ring}
        self._weights[None] = _all_weights((layouts[name], slot) for name, slot in own.items())
        for slot, weights in self._weights.items():
            in_place = {layer: each for layer, each in weights.items() if layer not in self._eight_bit}
            if in_place:
                self._backends[None, slot] = select_backend(self._matrices(in_place), NO_LAYERS)
        for landing in self.landings:
            weights = _all_weights(
                (layout, landing) for layout in layouts.values() if self.is_eight_bit(layout)
            )
            backend = select_backend(self._matrices(weights), self._eight_bit)
            self._backends |= {(landing, slot): backend for slot in self._weights}

    def use(self, stack: LoraStack) -> None:
        """Write these LoRAs from now on. The lanes must have read the ones so far."""
        self._stack = stack
        self._writes.clear()

    def start(self, layout: BlockLayout, loras: BlockLoras, slot: Slot) -> None:
        """Begin to copy a block into a slot; queue the rest, too, if the copy is already queued."""
        slot.empty()
        landing = self._free_landing() if self.is_eight_bit(layout) else None
        target = landing or slot
        numbers = target.numbers[: layout.numbers]
        slot.fill = self._source.fill(layout.name, numbers, self._lanes, target.free)
        slot.layout, slot.loras, slot.landing, slot.is_ahead = layout, loras, landing, True
        self.copied_bytes += numbers.nbytes
        if landing is not None:
            self._under_way.append(slot)
        if slot.fill.is_queued:
            self.finish(slot)

    def finish(self, slot: Slot) -> None:
        """Wait until a copy is queued, and queue the merge behind it; does nothing if both are queued.

        Raises:
            OSError: The block could not be read.
            torch.OutOfMemoryError: The merge needs more memory.
        """
        if slot.fill is None or slot.layout is None:
            return
        try:
            slot.ready = slot.fill.wait()
            if layers := self._layers_to_write(slot):
                self._write(slot, layers)
            slot.free = slot.ready
            slot.fill, slot.landing = None, None
        except BaseException:
            # What was queued must end before the memory is used otherwise.
            slot.fill, slot.landing = None, None
            self.join_lanes([slot])
            slot.empty()
            raise

    def join_lanes(self, slots: Sequence[Slot]) -> None:
        """Let the steps begin after all work of the other lanes, and work on these slots after all steps."""
        for lane in (Lane.COPY, Lane.MERGE):
            self._lanes.wait(Lane.COMPUTE, self._lanes.mark(lane))
        now = self._lanes.mark(Lane.COMPUTE)
        for slot in (*slots, *self.landings):
            slot.free = now

    def _write(self, slot: Slot, layers: Sequence[str]) -> None:
        write = self._write_function(slot)
        self._lanes.wait(Lane.MERGE, slot.ready)
        if slot.landing is not None:
            self._lanes.wait(Lane.MERGE, slot.free)  # the copy has waited for the landing only
        with self._lanes.on(Lane.MERGE):
            write(layers)
        slot.ready = self._lanes.mark(Lane.MERGE)
        if slot.landing is not None:
            slot.landing.free = slot.ready

    def _layers_to_write(self, slot: Slot) -> list[str]:
        """Return the layers that the copy alone does not complete."""
        assert slot.layout is not None  # noqa: S101 - of a filled slot
        changed = {part for adapter, _ in self._stack for part in adapter.parts}
        return [
            layer
            for layer, span in slot.layout.layers.items()
            if slot.landing is not None or (slot.loras and changed & span.parts.keys())
        ]

    def _write_function(self, slot: Slot) -> MergeLayers:
        ring_slot = slot if slot in self._ring else None
        place = slot.landing, ring_slot
        if place not in self._writes:
            weights = self._weights[ring_slot]
            is_landed = slot.landing is not None
            own = (layer for layer in weights if (layer in self._eight_bit) == is_landed)
            copies = {layer: weights[layer] for layer in own}
            self._writes[place] = self._backends[place](copies, self._stack)
            # The LoRA and the tables of addresses are on their way in the lane of the steps.
            self._lanes.wait(Lane.MERGE, self._lanes.mark(Lane.COMPUTE))
        return self._writes[place]

    def _free_landing(self) -> Slot:
        """Return the landing that is free first; complete the oldest copy under way if none is free."""
        self._under_way = [slot for slot in self._under_way if slot.landing is not None]
        while len(self._under_way) >= len(self.landings):
            self.finish(self._under_way.pop(0))
        taken = {slot.landing for slot in self._under_way}
        free = next(each for each in self.landings if each not in taken)
        self.landings.remove(free)
        self.landings.append(free)  # the other one is next
        return free

    def _matrices(self, weights: Mapping[str, MergedPatch]) -> Matrices:
        spans = (span for layout in self._source.layouts.values() for span in layout.layers.items())
        return {layer: Matrix(weights[layer].weight, span.parts) for layer, span in spans if layer in weights}


def _all_weights(blocks: Iterable[tuple[BlockLayout, Slot]]) -> dict[str, MergedPatch]:
    """Return the weights of these blocks in these slots."""
    return {layer: each for layout, slot in blocks for layer, each in slot.weights(layout).items()}
