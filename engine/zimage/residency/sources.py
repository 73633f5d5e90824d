"""Where the pristine weights of the blocks are while they are not on the card; nothing here writes them."""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from engine.zimage.residency.file_chunks import ChunkReader, FileTensor, wait_for_all
from engine.zimage.residency.host_memory import HostBlock
from engine.zimage.residency.lanes import Lane, Lanes, Mark
from engine.zimage.residency.layout import BlockLayout, block_weights

DISK_READERS = 4  # each holds a pinned buffer
DISK_BUFFER_BYTES = 8 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Fill:
    """A block on its way into a slot.

    Attributes:
        wait: Returns when the rest of the way is up to the card, with the moment at which the block is
            there. Raises ``OSError`` if the block cannot be read; then nothing writes the slot any more.
        is_queued: Whether ``wait`` returns at once.
    """

    wait: Callable[[], Mark]
    is_queued: bool


class BlockSource(Protocol):
    """The pristine blocks of one transformer.

    Attributes:
        layouts: All blocks, in the order in which a picture needs them.
        dtype: Their number format on the card.
        host_bytes: Main memory that they use.
    """

    layouts: Mapping[str, BlockLayout]
    dtype: torch.dtype
    host_bytes: int

    def fill(self, block: str, slot: Tensor, lanes: Lanes, after: Mark) -> Fill:
        """Begin to copy a block into a slot on the card, after a moment of the card."""

    def pristine(self, part: str) -> Tensor:
        """Return the weight of one of the library's layers, in main memory; not to be written."""


class HostSource:
    """Blocks in main memory.

    Args:
        layouts: All blocks.
        dtype: Their number format.
    """

    def __init__(self, layouts: Mapping[str, BlockLayout], dtype: torch.dtype) -> None:
        self.layouts, self.dtype = layouts, dtype
        self.blocks = {name: HostBlock(layout.numbers, dtype) for name, layout in layouts.items()}
        self.host_bytes = sum(block.numbers.nbytes for block in self.blocks.values())

    def targets(self) -> dict[str, Tensor]:
        """Return the checkpoint's tensors → where they belong."""
        views = {name: layout.views(self.blocks[name].numbers) for name, layout in self.layouts.items()}
        return {
            tensor: views[block][layer][rows]
            for tensor, (block, layer, rows) in block_weights(self.layouts).items()
        }

    def fill(self, block: str, slot: Tensor, lanes: Lanes, after: Mark) -> Fill:
        """Queue the copy of a block."""
        lanes.wait(Lane.COPY, after)
        with lanes.on(Lane.COPY):
            slot.copy_(self.blocks[block].numbers, non_blocking=True)
        mark = lanes.mark(Lane.COPY)
        return Fill(lambda: mark, is_queued=True)

    def pristine(self, part: str) -> Tensor:
        """Return a view of a layer's weight."""
        block, layer, rows = block_weights(self.layouts)[f"{part}.weight"]
        return self.layouts[block].views(self.blocks[block].numbers)[layer][rows]


class FileSource:
    """Blocks in the checkpoint's files, which stay open: a replaced file does no harm, a changed one raises.

    Args:
        layouts: All blocks.
        dtype: Their number format on the card.
        tensors: The checkpoint's tensors in the blocks.
        device: The card.
    """

    def __init__(
        self,
        layouts: Mapping[str, BlockLayout],
        dtype: torch.dtype,
        tensors: Mapping[str, FileTensor],
        device: torch.device,
    ) -> None:
        self.layouts, self.dtype = layouts, dtype
        self._places = {name: (tensors[name], *place) for name, place in block_weights(layouts).items()}
        self._states = {tensor.file: _state(tensor.file) for tensor, *_ in self._places.values()}
        self._reader = ChunkReader(device, readers=DISK_READERS, buffer_bytes=DISK_BUFFER_BYTES)
        self.host_bytes = DISK_READERS * DISK_BUFFER_BYTES

    def fill(self, block: str, slot: Tensor, lanes: Lanes, after: Mark) -> Fill:
        """Begin to read a block."""
        views = self.layouts[block].views(slot)
        work, files = [], set()
        for tensor, own, layer, rows in self._places.values():
            if own == block:
                work += self._reader.read(tensor, views[layer][rows], after)
                files.add(tensor.file)
        return Fill(partial(self._finish, work, files), is_queued=False)

    def pristine(self, part: str) -> Tensor:
        """Read a layer's weight.

        Raises:
            OSError: It cannot be read, or its file was changed.
        """
        tensor, block, layer, rows = self._places[f"{part}.weight"]
        shape = rows.stop - rows.start, self.layouts[block].layers[layer].shape[1]
        weight = torch.empty(shape, dtype=self.dtype)
        self._finish(self._reader.read(tensor, weight), {tensor.file})
        return weight

    def _finish(self, work: list[Future[None]], files: set[int]) -> Mark:
        wait_for_all(work)
        for file in files:
            if _state(file) != self._states[file]:
                raise OSError("A weights file was changed while it was in use.")
        return None


def _state(file: int) -> tuple[int, int]:
    """Return what changes when a file is written: its length and the time of the last change."""
    status = os.fstat(file)
    return status.st_size, status.st_mtime_ns
