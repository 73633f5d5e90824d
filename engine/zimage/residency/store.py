"""The blocks of a transformer whose pristine weights are not on the card: each is in a slot when it is used.

A resident block owns a slot. The others share a ring of slots: while the card computes one block, the next is
copied, and its LoRAs are merged into the slot on the way. A block with the right LoRAs stays as it is. The
order goes around: during the last block of a step, the first of the next one is copied.
"""

from collections.abc import Mapping

import structlog
import torch
from torch import Tensor

from engine.eight_bit.formats import NO_LAYERS, EightBitLayers
from engine.lora.adapter import LoraStack
from engine.lora.patches import Matrix, MergedPatch
from engine.zimage.residency.lanes import Lane, Lanes
from engine.zimage.residency.layout import BlockLayout
from engine.zimage.residency.slots import BlockLoras, Slot, loras_of, resident_first
from engine.zimage.residency.sources import BlockSource
from engine.zimage.residency.writer import BlockWriter

RING = 3  # one slot is computed with, one is ready, one is filled: neither the link nor the card waits
MAIN = "layers."
CONTEXT = "context_refiner."  # used once a picture, before its steps

log = structlog.get_logger("engine.lora")


class BlockStore:
    """Puts each block and its LoRAs into a slot before the block is used. Not thread-safe.

    Attributes:
        places: Layer → its weight on the card, in eight bits with scales; it has another address when its
            block is in another slot.
        is_eight_bit: Whether the blocks of the steps are in eight bits.
        ring_slots: How many slots the blocks share that own none.
        matrices: The same with the rows of the library's layers, for the bank.

    Args:
        source: The pristine blocks.
        device: Where the slots are.
        lanes: The device's queues.
        resident_blocks: The main blocks with a slot of their own; None for all.
        eight_bit: The layers whose slots are in eight bits.

    Raises:
        torch.OutOfMemoryError: Not even the least number of slots fits.
    """

    def __init__(
        self,
        source: BlockSource,
        device: torch.device,
        lanes: Lanes,
        resident_blocks: int | None = None,
        eight_bit: EightBitLayers = NO_LAYERS,
    ) -> None:
        self._source, self._lanes = source, lanes
        self._writer = BlockWriter(source, device, lanes, eight_bit)
        self.is_eight_bit = bool(eight_bit)
        self.ring_slots = RING - 1 if eight_bit else RING  # in eight bits, a landing slot is the third
        self._layouts: Mapping[str, BlockLayout] = source.layouts
        self._main = [name for name in self._layouts if name.startswith(MAIN)]
        self._following = _following(list(self._layouts))
        self._own: dict[str, Slot] = {}
        self._ring: list[Slot] = []
        self._streamed: list[str] = []
        self._is_whole = False
        self.places = {
            layer: _empty(eight_bit.dtype_of(layer, source.dtype), device)
            for layout in self._layouts.values()
            for layer in layout.layers
        }
        self.matrices = {
            layer: Matrix(self.places[layer].weight, span.parts)
            for layout in self._layouts.values()
            for layer, span in layout.layers.items()
        }
        self._stack: LoraStack = ()
        self._loras: dict[str, BlockLoras] = dict.fromkeys(self._layouts, ())
        self._at = ""  # the block that was used last
        self._in_use: Slot | None = None
        self._uses = 0
        self._is_settled = False
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
        """Memory of a main block's slot."""
        return max(self._writer.slot_bytes(self._layouts[name]) for name in self._main)

    @property
    def main_bytes(self) -> int:
        """Memory of the slots of the main blocks, those of the ring included."""
        own = sum(slot.nbytes for name, slot in self._own.items() if name.startswith(MAIN))
        return own + sum(slot.nbytes for slot in self._ring)

    @property
    def card_bytes(self) -> int:
        """Memory of all slots."""
        return sum(slot.nbytes for slot in (*self._slots(), *self._writer.landings))

    @property
    def copied_bytes(self) -> int:
        """What was copied to the card in all, for measurements."""
        return self._writer.copied_bytes

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
        wanted = count if resident_blocks + self.ring_slots >= count else max(0, resident_blocks)
        self._writer.join_lanes(self._slots())
        self._is_whole = False
        while not self._allocate(wanted):
            if not wanted:
                raise torch.OutOfMemoryError("There is no memory for the slots of the blocks.")
            wanted -= max(1, wanted // 4)
        self._connect()
        self._is_whole = True

    def _allocate(self, resident_blocks: int) -> bool:
        """Free the slots that are not needed, and allocate the others; false if they do not all fit."""
        resident = {self._main[number] for number in resident_first(len(self._main))[:resident_blocks]}
        own = [name for name in self._layouts if name in resident or not name.startswith(MAIN)]
        self._streamed = [name for name in self._main if name not in resident]
        for name in [name for name in self._own if name not in own]:
            self._own.pop(name).empty()
        while self._ring and not self._streamed:
            self._ring.pop().empty()
        self._disconnect()
        try:
            while self._streamed and len(self._ring) < self.ring_slots:
                self._ring.append(self._writer.new_slot(self._layouts[self._streamed[0]]))
            for name in own:
                if name not in self._own:
                    self._own[name] = self._writer.new_slot(self._layouts[name])
        except torch.OutOfMemoryError:
            return False
        return True

    def pristine(self, part: str) -> Tensor:
        """Return the base weight of one of the library's layers, in main memory."""
        return self._source.pristine(part)

    def use(self, stack: LoraStack) -> None:
        """Let the blocks have these LoRAs from now on."""
        if stack == self._stack:
            return
        # The LoRAs so far may be freed when this returns; the lanes must have read them by then.
        self._writer.join_lanes(self._slots())
        self._stack = stack
        self._writer.use(stack)
        self._loras = {name: loras_of(stack, layout) for name, layout in self._layouts.items()}
        self._at, self._is_settled = "", False

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
            if ahead == self.ring_slots - 1:
                return
        self._is_settled = not ahead and not self._ring and self._is_at_rest()

    def _is_at_rest(self) -> bool:
        """Whether the walk around that ``_fetch_ahead`` made began at a step's block and missed none."""
        slot = self._own.get(self._at)
        return slot is not None and slot.fill is None and slot.holds(self._at, self._loras[self._at])

    def _start(self, block: str, slot: Slot | None) -> Slot:
        """Begin to fill a slot."""
        assert slot is not None  # noqa: S101 - the ring is larger than what is in use
        self._writer.start(self._layouts[block], self._loras[block], slot)
        return slot

    def _finish(self, slot: Slot) -> None:
        """Let the steps wait until the block in a slot is ready, and find it there."""
        self._writer.finish(slot)
        if slot.layout is not None:
            self._point_to(slot.layout, slot)
        self._lanes.wait(Lane.COMPUTE, slot.ready)
        slot.ready, slot.is_ahead = None, False

    def _disconnect(self) -> None:
        """Let nothing refer to a slot, so that the memory of those that were dropped is free now."""
        self._at, self._in_use, self._is_settled = "", None, False
        self._writer.disconnect()
        for place in self.places.values():
            place.weight.data = place.weight.new_empty(0)
            if place.scales is not None:
                place.scales.data = place.scales.new_empty(0)

    def _connect(self) -> None:
        """Point the layers to their slots."""
        for name, slot in self._own.items():
            self._point_to(self._layouts[name], slot)
        for name in self._streamed:
            self._point_to(self._layouts[name], self._ring[0])  # for their shapes, until they are fetched
        self._writer.connect(self._own, self._ring, self._streamed)

    def _point_to(self, layout: BlockLayout, slot: Slot) -> None:
        for layer, place in slot.weights(layout).items():
            own = self.places[layer]
            own.weight.data = place.weight
            if own.scales is not None and place.scales is not None:
                own.scales.data = place.scales

    def _slots(self) -> list[Slot]:
        return [*self._own.values(), *self._ring]


def _empty(dtype: torch.dtype, device: torch.device) -> MergedPatch:
    """Return a place without memory."""
    scales = torch.empty(0, dtype=torch.float32, device=device) if dtype.itemsize == 1 else None
    return MergedPatch(torch.empty(0, dtype=dtype, device=device), scales)


def _following(blocks: list[str]) -> dict[str, list[str]]:
    """Return block → those that are used after it, until it comes again; "" is the begin of a picture."""
    context = [name for name in blocks if name.startswith(CONTEXT)]
    steps = [name for name in blocks if not name.startswith(CONTEXT)]
    following = {name: context[at + 1 :] + steps for at, name in enumerate(context)}
    following |= {name: steps[at + 1 :] + steps[:at] for at, name in enumerate(steps)}
    return following | {"": context + steps}
