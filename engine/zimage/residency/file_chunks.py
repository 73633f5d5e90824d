"""Stretches of files → tensors on any device in any number format, read by several threads.

Each thread has a buffer, which is pinned for a card, and copies it to the target while other threads read.
``pread`` instead of a memory map: from the page cache both make one copy, but ``pread`` has no page fault for
each 4 KiB, and a file that shrinks raises an error instead of killing the process.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.reading import read_fully
from engine.zimage.residency.lanes import Mark

READERS = 8  # one thread copies about 5 GB/s from the page cache; a card accepts ten times that
BUFFER_BYTES = 32 * 2**20  # per thread; a matrix of Z-Image-Turbo has 29 or 79 MB


@dataclass(frozen=True, slots=True, eq=False)
class FileTensor:
    """A tensor in an open file.

    Attributes:
        file: Its descriptor.
        offset_bytes: The tensor's first byte.
        dtype: Its number format there.
    """

    file: int
    offset_bytes: int
    dtype: torch.dtype


class ChunkReader:
    """The reading threads and their buffers.

    Args:
        device: The device of the targets that are not in main memory.
        readers: Number of threads.
        buffer_bytes: Buffer of each, a multiple of 8.
    """

    def __init__(
        self, device: torch.device, *, readers: int = READERS, buffer_bytes: int = BUFFER_BYTES
    ) -> None:
        self._device = device
        self._buffer_bytes = buffer_bytes
        self._own = threading.local()  # each thread's buffer and stream
        self._threads = ThreadPoolExecutor(min(readers, os.cpu_count() or 1), "weights")

    def read(self, source: FileTensor, target: Tensor, after: Mark = None) -> list[Future[None]]:
        """Begin to read a tensor. When all the results are there, the target has its numbers.

        Args:
            source: Where its numbers are.
            target: Contiguous; its number format may be another one.
            after: Write not before this moment of the card; None: not before the work queued so far.

        Returns:
            Raises ``OSError`` if the file ends early.
        """
        if after is None and target.device.type == "cuda":
            # Torch may have given memory that queued work still uses, of which the threads know nothing.
            after = torch.cuda.current_stream(target.device).record_event()
        return [
            self._threads.submit(self._copy, source, offset_bytes, piece, after)
            for offset_bytes, piece in self._pieces(source, target)
        ]

    def run(self, work: Callable[[], None]) -> Future[None]:
        """Do other work in one of the threads."""
        return self._threads.submit(work)

    def _pieces(self, source: FileTensor, target: Tensor) -> Iterator[tuple[int, Tensor]]:
        count = self._buffer_bytes // source.dtype.itemsize
        for index, piece in enumerate(torch.split(target.view(-1), count)):
            yield source.offset_bytes + index * count * source.dtype.itemsize, piece

    def _copy(self, source: FileTensor, offset_bytes: int, target: Tensor, after: Mark) -> None:
        if target.device.type == "cpu" and target.dtype == source.dtype:
            read_fully(source.file, target.view(torch.uint8).numpy().data, offset_bytes)
            return
        buffer = self._buffer()[: target.numel() * source.dtype.itemsize]
        read_fully(source.file, buffer.numpy().data, offset_bytes)
        numbers = buffer.view(source.dtype)
        if target.device.type == "cpu":
            target.copy_(numbers)
            return
        stream = self._own.stream
        with torch.cuda.stream(stream):
            if after is not None:
                stream.wait_event(after)
            if source.dtype != target.dtype:
                numbers = numbers.to(target.device, non_blocking=True)  # the card does the rounding
            target.copy_(numbers, non_blocking=True)
        stream.synchronize()  # now the buffer can be reused

    def _buffer(self) -> Tensor:
        if not hasattr(self._own, "buffer"):
            is_card = self._device.type == "cuda"
            self._own.buffer = torch.empty(self._buffer_bytes, dtype=torch.uint8, pin_memory=is_card)
            self._own.stream = torch.cuda.Stream(self._device) if is_card else None  # type: ignore[no-untyped-call]
        buffer: Tensor = self._own.buffer
        return buffer


def wait_for_all(work: Sequence[Future[None]]) -> None:
    """Wait until all work has ended; raise its first error.

    On an error or an interruption, the rest is cancelled; nothing writes any more when this returns.
    """
    try:
        for each in work:
            each.result()
    finally:
        for each in work:
            each.cancel()
        wait(work)
