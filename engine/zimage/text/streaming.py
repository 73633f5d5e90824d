"""The text encoder's layers while they are not on the card: each passes through a slot for every new prompt.

The card needs room for two layers, and only during a prompt. While it computes one layer, the next is copied.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import torch
from torch import Tensor

from engine.zimage.residency.lanes import Lane, Lanes, Mark
from engine.zimage.residency.sources import BlockSource, Fill
from engine.zimage.text.encoder import LayerWeights

SLOTS = 2  # one is computed with, one is filled


class StreamedLayers:
    """All layers but the last, in order; an iteration copies them to the card.

    Args:
        source: The layers' large matrices; those of later layers are not used.
        norms: For each layer, on the card: before attention, of queries and keys, before the feed-forward.
        device: The card.
        lanes: Its queues.
    """

    def __init__(
        self,
        source: BlockSource,
        norms: Sequence[tuple[Tensor, Tensor, Tensor]],
        device: torch.device,
        lanes: Lanes,
    ) -> None:
        self._source = source
        self._names = list(source.layouts)[: len(norms)]
        self._norms = norms
        self._device = device
        self._lanes = lanes

    def __iter__(self) -> Iterator[LayerWeights]:
        """Yield each layer when it is in its slot; it is valid until the next one is asked for.

        Raises:
            OSError: A layer could not be read.
        """
        names = self._names
        slots = [self._new_slot() for _ in range(SLOTS)]
        free: list[Mark] = [self._lanes.mark(Lane.COMPUTE)] * SLOTS
        fills: list[Fill] = []
        try:
            for number, name in enumerate(names):
                for ahead in range(len(fills), min(number + SLOTS, len(names))):
                    at = ahead % SLOTS
                    fills.append(self._source.fill(names[ahead], slots[at], self._lanes, free[at]))
                self._lanes.wait(Lane.COMPUTE, fills[number].wait())
                views = self._source.layouts[name].views(slots[number % SLOTS])
                yield self._weights(number, {layer.rpartition(".")[2]: view for layer, view in views.items()})
                free[number % SLOTS] = self._lanes.mark(Lane.COMPUTE)
        finally:
            for fill in fills:
                with suppress(OSError):  # raised already
                    fill.wait()
            # The slots' memory is used again in the steps' lane, which must not overtake the copies.
            self._lanes.wait(Lane.COMPUTE, self._lanes.mark(Lane.COPY))

    def _weights(self, number: int, matrices: Mapping[str, Tensor]) -> LayerWeights:
        before_attention, of_heads, before_feed = self._norms[number]
        return LayerWeights(
            before_attention,
            matrices["qkv"],
            of_heads,
            matrices["out"],
            before_feed,
            matrices["w13"],
            matrices["w2"],
        )

    def _new_slot(self) -> Tensor:
        numbers = max(layout.numbers for layout in self._source.layouts.values())
        return torch.empty(numbers, dtype=self._source.dtype, device=self._device)
