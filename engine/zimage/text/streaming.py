"""The text encoder's layers while they are not on the card: each passes through a slot for every new prompt.

The card needs room for two layers, and only during a prompt. While it computes one layer, the next is copied.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

import torch
from torch import Tensor

from engine.eight_bit.quantise import EightBitMatrix
from engine.zimage.residency.lanes import Lane, Lanes, Mark
from engine.zimage.residency.layout import BlockLayout
from engine.zimage.residency.sources import BlockSource, Fill
from engine.zimage.text.encoder import LayerWeights
from engine.zimage.text.scaled import EncoderMatrix, rounded

SLOTS = 2  # one is computed with, one is filled


class StreamedLayers:
    """All layers but the last, in order; an iteration copies them to the card.

    Args:
        source: The layers' large matrices; those of later layers are not used.
        norms: For each layer, on the card: before attention, of queries and keys, before the feed-forward.
        device: The card.
        lanes: Its queues.
        scaled: The matrices of ``source`` if it holds eight-bit values; the scales are on the card.
        is_rounded: Whether the layers are in eight bits. Those of a source in the usual format are rounded
            when they are on the card.
    """

    def __init__(
        self,
        source: BlockSource,
        norms: Sequence[tuple[Tensor, Tensor, Tensor]],
        device: torch.device,
        lanes: Lanes,
        *,
        scaled: Mapping[str, EightBitMatrix] | None = None,
        is_rounded: bool = False,
    ) -> None:
        self._source = source
        self._names = list(source.layouts)[: len(norms)]
        self._norms = norms
        self._device = device
        self._lanes = lanes
        self._is_rounded = is_rounded
        self._scales = [_scales(source.layouts[name], scaled) for name in self._names] if scaled else None
        self._dtype = norms[0][0].dtype

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

    def _weights(self, number: int, arrived: Mapping[str, Tensor]) -> LayerWeights:
        before_attention, of_heads, before_feed = self._norms[number]
        matrices: Mapping[str, EncoderMatrix] = arrived
        if self._scales is not None:
            scales = self._scales[number]
            matrices = {
                name: EightBitMatrix(values, scales[name], self._dtype) for name, values in arrived.items()
            }
        elif self._is_rounded:
            matrices = {name: rounded(weight) for name, weight in arrived.items()}
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


def _scales(layout: BlockLayout, scaled: Mapping[str, EightBitMatrix]) -> dict[str, Tensor]:
    """Return the scales of a layer's fused matrices, each [rows, 1]."""
    return {
        name.rpartition(".")[2]: torch.cat([scaled[f"{part}.weight"].scales for part in span.parts])
        for name, span in layout.layers.items()
    }
