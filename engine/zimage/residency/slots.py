"""A slot: memory on the card that holds one block at a time; and which main blocks keep one."""

from dataclasses import dataclass
from weakref import ReferenceType, ref

import torch
from torch import Tensor

from engine.lora.adapter import Adapter, LoraStack
from engine.lora.patches import MergedPatch
from engine.zimage.residency.lanes import Mark
from engine.zimage.residency.layout import BlockLayout
from engine.zimage.residency.sources import Fill

GOLDEN = (5**0.5 - 1) / 2  # multiples of it, modulo 1, are spread evenly, however many there are

# The LoRAs that change a block, each with its strength. A reference keeps no LoRA on the card.
BlockLoras = tuple[tuple[ReferenceType[Adapter], float], ...]


@dataclass(eq=False)
class Slot:
    """Memory of one block on the card, and what it holds.

    Attributes:
        numbers: The memory.
        scales: In eight bits, a scale for each row.
        layout: The block that it holds or is about to hold; None for none.
        loras: The LoRAs in it.
        fill: The copy that is under way and not yet written with its LoRAs.
        landing: The slot that the copy goes to, if it is not this one.
        ready: The moment at which the block can be used; None if the steps wait for nothing.
        free: The moment from which it may be overwritten.
        is_ahead: Whether it holds a block that was not used since it was filled.
        touched: Counts up with each use; the slot that was used first is free first.
    """

    numbers: Tensor
    scales: Tensor | None = None
    layout: BlockLayout | None = None
    loras: BlockLoras = ()
    fill: Fill | None = None
    landing: "Slot | None" = None
    ready: Mark = None
    free: Mark = None
    is_ahead: bool = False
    touched: int = 0

    @property
    def nbytes(self) -> int:
        """Its memory."""
        return self.numbers.nbytes + (0 if self.scales is None else self.scales.nbytes)

    def weights(self, layout: BlockLayout) -> dict[str, MergedPatch]:
        """Return the weights of a block's layers in this slot."""
        scales = {} if self.scales is None else layout.scale_views(self.scales)
        return {
            layer: MergedPatch(weight, scales.get(layer))
            for layer, weight in layout.views(self.numbers).items()
        }

    def holds(self, block: str, loras: BlockLoras) -> bool:
        """Whether it holds this block with these LoRAs, or soon will."""
        return self.layout is not None and self.layout.name == block and self.loras == loras

    def empty(self) -> None:
        """Forget what it holds, after a failure or before another block comes."""
        self.layout, self.ready, self.is_ahead = None, None, False
        if self.fill is not None:
            fill, target = self.fill, self.landing or self
            self.fill, self.landing = None, None
            try:
                target.free = fill.wait() or target.free
            except OSError:
                return  # nobody needs that block any more


def new_slot(layout: BlockLayout, dtype: torch.dtype, device: torch.device, free: Mark) -> Slot:
    """Allocate a slot for a block, with scales if the number format has eight bits.

    Args:
        layout: The block, or one of the same size.
        dtype: Of its weights in the slot.
        device: The card.
        free: When the steps so far end: torch may give memory that they still use.
    """
    numbers = torch.empty(layout.numbers, dtype=dtype, device=device)
    rows = sum(span.shape[0] for span in layout.layers.values())
    scales = torch.empty(rows, dtype=torch.float32, device=device) if dtype.itemsize == 1 else None
    return Slot(numbers, scales, free=free)


def loras_of(stack: LoraStack, layout: BlockLayout) -> BlockLoras:
    """Return the LoRAs of a stack that change a block."""
    parts = layout.parts
    return tuple(
        (ref(adapter), strength) for adapter, strength in stack if not adapter.parts.isdisjoint(parts)
    )


def resident_first(count: int) -> list[int]:
    """Return the numbers of ``count`` blocks in the order in which they get a slot of their own.

    The first few of the order are spread evenly over the blocks, for every "few": so a copy always has the
    arithmetic of about as many resident blocks to hide behind. One more resident block moves no other.
    """
    return sorted(range(count), key=lambda number: number * GOLDEN % 1)
