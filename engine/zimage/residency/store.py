"""The blocks of a transformer whose pristine weights are not on the card: each is in a slot when it is used.

A resident block owns a slot. The others share a ring of slots: while the card computes one block, the next is
copied, and its LoRAs are merged into the slot on the way. A block with the right LoRAs stays as it is. The
order goes around: during the last block of a step, the first of the next one is copied.
"""

from collections.abc import Iterator, Mapping
from itertools import chain

import structlog
import torch
from torch import Tensor

from engine.eight_bit.formats import NO_LAYERS
from engine.lora.merger import select_backend
from engine.lora.patches import LoraStack, Matrices, Matrix, MergedPatch, MergeLayers
from engine.zimage.residency.lanes import Lane, Lanes
from engine.zimage.residency.layout import BlockLayout
from engine.zimage.residency.slots import BlockLoras, Slot, loras_of, resident_first
from engine.zimage.residency.sources import BlockSource

RING = 3  # one slot is computed with, one is ready, one is filled: neither the link nor the card waits
MAIN = "layers."
CONTEXT = "context_refiner."  # used once a picture, before its steps

log = structlog.get_logger("engine.lora")


class BlockStore:
    """Puts each block and its LoRAs into a slot before the block is used. Not thread-safe.

    Attributes:
        places: Layer → its weight on the card; its address changes when its block moves to another slot.
        matrices: The same with the rows of the library's layers, for the bank.

    Args:
        source: The pristine blocks.
        device: Where the slots are.
        lanes: The device's queues.
        resident_blocks: The main blocks with a slot of their own; None for all.

    Raises:
        torch.OutOfMemoryError: Not even the least number of slots fits.
    """

    def __init__(
        self, source: BlockSource, device: torch.device, lanes: Lanes, resident_blocks: int | None = None
    ) -> None:
        self._source, self._device, self._lanes = source, device, lanes
        self._layouts: Mapping[str, BlockLayout] = source.layouts
        self._main = [name for name in self._layouts if name.startswith(MAIN)]
        self._following = _following(list(self._layouts))
        self._own: dict[str, Slot] = {}
        self._ring: list[Slot] = []
        self._streamed: list[str] = []
        self._is_whole = False
        empty = torch.empty(0, dtype=source.dtype, device=device)
        self.places: dict[str, Tensor] = {
            layer: empty.detach() for layout in self._layouts.values() for layer in layout.layers
        }
        self.matrices = {
            layer: Matrix(self.places[layer], span.parts)
            for layout in self._layouts.values()
            for layer, span in layout.layers.items()
        }
        self._merges: dict[Slot | None, _Merge] = {}  # of each slot of the ring, and of all others
        self._stack: LoraStack = ()
        self._loras: dict[str, BlockLoras] = dict.fromkeys(self._layouts, ())
        self._at = ""  # the block that was used last
        self._in_use: Slot | None = None
        self._uses = 0
        self._is_settled = False
        self.copied_bytes = 0  # in all, for measurements
        self.resize(len(self._main) if resident_blocks is None else resident_blocks)

    @property
    def main_blocks(self) -> int:
        """The number of main blocks."""
        return len(self._main)

    @property
    def resident_blocks(self) -> int:
        """The number of main blocks that stay on the card."""
        return sum(name in self._own for name in self._main)

    @property
    def block_bytes(self) -> int:
        """Memory of the largest slot."""
        return max(layout.numbers for layout in self._layouts.values()) * self._source.dtype.itemsize

    @property
    def main_bytes(self) -> int:
        """Memory of the slots of the main blocks, those of the ring included."""
        own = sum(slot.numbers.nbytes for name, slot in self._own.items() if name.startswith(MAIN))
        return own + sum(slot.numbers.nbytes for slot in self._ring)

    @property
    def card_bytes(self) -> int:
        """Memory of all slots."""
        return sum(slot.numbers.nbytes for slot in self._slots())

    @property
    def host_bytes(self) -> int:
        """Main memory of the pristine blocks."""
        return self._source.host_bytes

    @property
    def is_settled(self) -> bool:
        """Whether every block of a step is in its place for good, so that a step moves nothing."""
        return self._is_settled

    def resize(self, resident_blocks: int) -> None:
        """Give this many main blocks a slot of their own, or as many as fit.

        Blocks that keep their slot keep what is in it.

        Raises:
            torch.OutOfMemoryError: Not even the ring and the refiners fit. The next ``ensure`` tries again.
        """
        count = len(self._main)
        wanted = count if resident_blocks + RING >= count else max(0, resident_blocks)
        self._join_lanes()
        self._is_whole = False
        while not self._allocate(wanted):
            if not wanted:
                raise torch.OutOfMemoryError("There is no memory for the slots of the blocks.")
            wanted -= max(1, wanted // 4)
        self._is_whole = True
        self._connect()

    def _allocate(self, resident_blocks: int) -> bool:
        """Free the slots that are not needed, and allocate the others; false if they do not all fit."""
        resident = {self._main[number] for number in resident_first(len(self._main))[:resident_blocks]}
        own = [name for name in self._layouts if name in resident or not name.startswith(MAIN)]
        for name in [name for name in self._own if name not in own]:
            del self._own[name]
        self._streamed = [name for name in self._main if name not in resident]
        self._ring = self._ring if self._streamed else []
        try:
            while self._streamed and len(self._ring) < RING:
                self._ring.append(self._new_slot(max(self._layouts[name].numbers for name in self._streamed)))
            for name in own:
                if name not in self._own:
                    self._own[name] = self._new_slot(self._layouts[name].numbers)
        except torch.OutOfMemoryError:
            return False
        return True

    def use(self, stack: LoraStack) -> None:
        """Let the blocks have these LoRAs from now on."""
        if stack == self._stack:
            return
        # The LoRAs so far may be freed when this returns; the lanes must have read them by then.
        self._join_lanes()
        self._stack = stack
        self._loras = {name: loras_of(stack, layout) for name, layout in self._layouts.items()}
        self._at, self._is_settled = "", False
        for merge in self._merges.values():
            merge.write = None

    def ensure(self, block: str) -> None:
        """Make a block ready before its weights are used, and begin to fetch those after it.

        Args:
            block: Its name. A layer that belongs to no block is always ready.

        Raises:
            OSError: A block could not be read. The next call tries again.
            torch.OutOfMemoryError: The merge needs more memory. The next call tries again.
        """
        if self._is_settled and not block.startswith(CONTEXT):
            return
        if not self._is_whole:
            self.resize(0)
        self._end_use()
        if block in self._layouts:
            slot = self._holder(block) or self._start(block, self._own.get(block) or self._first_free(set()))
            self._at, self._in_use = block, slot
            self._fetch_ahead()
            self._finish(slot)
        else:
            self._fetch_ahead()

    def _end_use(self) -> None:
        """Note from which moment on the slot of the last block may be overwritten."""
        if (slot := self._in_use) is not None:
            self._uses += 1
            slot.free, slot.touched, self._in_use = self._lanes.mark(Lane.COMPUTE), self._uses, None

    def _holder(self, block: str) -> Slot | None:
        slots = [self._own[block]] if block in self._own else self._ring
        return next((slot for slot in slots if slot.holds(block, self._loras[block])), None)

    def _first_free(self, kept: set[Slot]) -> Slot | None:
        """Return the slot of the ring that is free first and neither in use nor kept."""
        free = [slot for slot in self._ring if slot not in kept and slot is not self._in_use]
        return min(free, key=lambda slot: slot.touched, default=None)

    def _fetch_ahead(self) -> None:
        """Begin to fill as many slots as may be under way for the blocks that are used next."""
        kept: set[Slot] = set()
        ahead = 0
        for block in self._following[self._at]:
            slot = self._holder(block)
            if slot is None:
                slot = self._own.get(block) or self._first_free(kept)
                if slot is None or slot is self._in_use:
                    return
                self._start(block, slot)
            kept.add(slot)
            ahead += slot.is_ahead
            if ahead == RING - 1:
                return
        self._is_settled = not ahead and not self._ring and self._is_at_rest()

    def _is_at_rest(self) -> bool:
        """Whether the walk around that ``_fetch_ahead`` made began at a step's block and missed none."""
        slot = self._own.get(self._at)
        return slot is not None and slot.fill is None and slot.holds(self._at, self._loras[self._at])

    def _start(self, block: str, slot: Slot | None) -> Slot:
        """Begin to copy a block into a slot; queue the merge, too, if the copy is already queued."""
        assert slot is not None  # noqa: S101 - the ring is larger than what is in use
        slot.empty()
        layout = self._layouts[block]
        numbers = slot.numbers[: layout.numbers]
        slot.fill = self._source.fill(block, numbers, self._lanes, slot.free)
        slot.layout, slot.loras, slot.is_ahead = layout, self._loras[block], True
        self.copied_bytes += numbers.nbytes
        if slot.fill.is_queued:
            self._merge(slot)
        return slot

    def _finish(self, slot: Slot) -> None:
        """Let the steps wait until the block in a slot is ready, and find it there."""
        if slot.fill is not None:
            self._merge(slot)
        self._point_to(slot.layout, slot)
        self._lanes.wait(Lane.COMPUTE, slot.ready)
        slot.ready, slot.is_ahead = None, False

    def _merge(self, slot: Slot) -> None:
        """Wait until the copy is queued, and merge the block's LoRAs in place."""
        assert slot.fill is not None and slot.layout is not None  # noqa: S101, PT018 - of a filled slot
        try:
            slot.ready = slot.fill.wait()
            slot.fill = None
            if slot.loras:
                self._lanes.wait(Lane.MERGE, slot.ready)
                changed = {part for adapter, _ in self._stack for part in adapter.pairs}
                layers = [layer for layer, span in slot.layout.layers.items() if changed & span.parts.keys()]
                writer = self._writer(slot)
                with self._lanes.on(Lane.MERGE):
                    writer(layers)
                slot.ready = self._lanes.mark(Lane.MERGE)
            slot.free = slot.ready
        except BaseException:
            # What was queued ends before the card is used otherwise.
            slot.fill = None
            self._join_lanes()
            slot.empty()
            raise

    def _writer(self, slot: Slot) -> MergeLayers:
        merge = self._merges[slot if slot in self._ring else None]
        if merge.write is None:
            merge.write = merge.begin(self._stack)
            # The LoRA and the tables of addresses are on their way in the lane of the steps.
            self._lanes.wait(Lane.MERGE, self._lanes.mark(Lane.COMPUTE))
        return merge.write

    def _join_lanes(self) -> None:
        """Let the steps begin after all work of the other lanes, and that work after all steps so far."""
        for lane in (Lane.COPY, Lane.MERGE):
            self._lanes.wait(Lane.COMPUTE, self._lanes.mark(lane))
        now = self._lanes.mark(Lane.COMPUTE)
        for slot in self._slots():
            slot.free = now

    def _slots(self) -> Iterator[Slot]:
        return chain(self._own.values(), self._ring)

    def _new_slot(self, numbers: int) -> Slot:
        memory = torch.empty(numbers, dtype=self._source.dtype, device=self._device)
        # Torch may give memory that queued steps still use.
        return Slot(memory, free=self._lanes.mark(Lane.COMPUTE))

    def _connect(self) -> None:
        """Point the layers to their slots, and make the merge functions for these addresses."""
        self._at, self._in_use, self._is_settled = "", None, False
        for name, slot in self._own.items():
            self._point_to(self._layouts[name], slot)
        own = [layer for name in self._own for layer in self._layouts[name].layers]
        self._merges = {None: _Merge({layer: self.matrices[layer] for layer in own})}
        for slot in self._ring:
            self._merges[slot] = _Merge(
                {
                    layer: Matrix(weight, self.matrices[layer].parts)
                    for name in self._streamed
                    for layer, weight in self._layouts[name].views(slot.numbers).items()
                }
            )
        for name in self._streamed:
            self._point_to(self._layouts[name], self._ring[0])  # for their shapes, until they are fetched

    def _point_to(self, layout: BlockLayout | None, slot: Slot) -> None:
        if layout is not None:
            for layer, weight in layout.views(slot.numbers).items():
                self.places[layer].data = weight


class _Merge:
    """Merges LoRAs in place, at fixed addresses.

    Args:
        matrices: The layers there.
    """

    def __init__(self, matrices: Matrices) -> None:
        self._copies = {layer: MergedPatch(matrix.weight) for layer, matrix in matrices.items()}
        self._backend = select_backend(matrices, NO_LAYERS) if matrices else None
        self.write: MergeLayers | None = None

    def begin(self, stack: LoraStack) -> MergeLayers:
        """Return the function that merges these LoRAs into given layers."""
        assert self._backend is not None  # noqa: S101 - only called for a layer
        return self._backend(self._copies, stack)


def _following(blocks: list[str]) -> dict[str, list[str]]:
    """Return block → those that are used after it, until it comes again; "" is the begin of a picture."""
    context = [name for name in blocks if name.startswith(CONTEXT)]
    steps = [name for name in blocks if not name.startswith(CONTEXT)]
    following = {name: context[at + 1 :] + steps for at, name in enumerate(context)}
    following |= {name: steps[at + 1 :] + steps[:at] for at, name in enumerate(steps)}
    return following | {"": context + steps}
