"""A checkpoint's files → tensors on the device, in their final number format, with several threads.

Each thread reads a chunk of a file into its own buffer, which is pinned for a card, and copies it to the
target while other threads read. It uses ``pread`` instead of a memory map: from the page cache both make one
copy, but ``pread`` has no page fault for each 4 KiB, and a file that shrinks raises an error instead of
killing the process. Needs torch only, so that reading can start before diffusers and transformers are
imported.
"""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from pathlib import Path

import structlog
import torch
from torch import Tensor

from engine.checkpoint.contents import STEMS, weight_files
from engine.checkpoint.header import read_header
from engine.cuda.dtypes import DTYPES
from engine.reading import read_fully
from engine.zimage.device import Placement

log = structlog.get_logger("engine.worker")

READERS = 8  # one thread copies about 5 GB/s from the page cache; a card accepts ten times that
BUFFER_BYTES = 32 * 2**20  # per thread; a matrix of Z-Image-Turbo has 29 or 79 MB


class WeightReader:
    """Reads the weights of every part. Reading starts when this is created.

    Args:
        folder: A checkpoint.
        placement: The target. Floating-point tensors get its number format, all others keep theirs.
        readers: Number of reading threads.
        buffer_bytes: Buffer of each thread, a multiple of 8.
    """

    def __init__(
        self, folder: Path, placement: Placement, *, readers: int = READERS, buffer_bytes: int = BUFFER_BYTES
    ) -> None:
        self._placement = placement
        self._buffer_bytes = buffer_bytes
        self._own = threading.local()  # each reader's buffer and stream
        self._readers = ThreadPoolExecutor(min(readers, os.cpu_count() or 1), "weights")
        one_by_one = ThreadPoolExecutor(1, "weights of a part")
        self._parts: dict[str, Future[dict[str, Tensor]]] = {
            part: one_by_one.submit(self._read, folder, part) for part in STEMS
        }
        one_by_one.shutdown(wait=False)  # its thread ends with the last part

    def wait_for(self, part: str) -> dict[str, Tensor]:
        """Wait for one part's weights. They can be taken once.

        Raises:
            BadHeader: A file is damaged.
            OSError: A file is missing or ends early.
            OutOfMemoryError: The device has too little free memory.
        """
        return self._parts.pop(part).result()

    def _read(self, folder: Path, part: str) -> dict[str, Tensor]:
        started_s = time.perf_counter()
        tensors: dict[str, Tensor] = {}
        with ExitStack() as open_files:
            jobs: list[Future[None]] = []
            try:
                for path in weight_files(folder, part):
                    file = open_files.enter_context(path.open("rb")).fileno()
                    for offset_bytes, dtype, target in self._chunks(path, tensors):
                        jobs.append(self._readers.submit(self._copy, file, offset_bytes, dtype, target))
                for job in jobs:
                    job.result()
            finally:
                for job in jobs:
                    job.cancel()
                wait(jobs)  # the threads use the open files until then
        gigabytes = sum(tensor.nbytes for tensor in tensors.values()) / 1e9
        seconds = time.perf_counter() - started_s
        log.info("weights read", part=part, gigabytes=round(gigabytes, 3), seconds=round(seconds, 3))
        return tensors

    def _chunks(self, path: Path, tensors: dict[str, Tensor]) -> Iterator[tuple[int, torch.dtype, Tensor]]:
        """Allocate a file's tensors; yield each chunk's offset, number format and target."""
        with path.open("rb") as file:
            found = read_header(file)
        for name, entry in found.items():
            dtype = DTYPES[entry.dtype]
            final = self._placement.dtype if dtype.is_floating_point else dtype
            tensors[name] = torch.empty(entry.shape, dtype=final, device=self._placement.device)
            count = self._buffer_bytes // entry.item_bytes
            for index, target in enumerate(torch.split(tensors[name].view(-1), count)):
                yield entry.offset_bytes + index * self._buffer_bytes, dtype, target

    def _copy(self, file: int, offset_bytes: int, dtype: torch.dtype, target: Tensor) -> None:
        buffer = self._buffer()[: target.numel() * dtype.itemsize]
        read_fully(file, buffer.numpy().data, offset_bytes)
        numbers = buffer.view(dtype)
        if not self._placement.is_card:
            target.copy_(numbers)
            return
        with torch.cuda.stream(self._own.stream):
            if dtype != target.dtype:
                numbers = numbers.to(target.device, non_blocking=True)  # the card does the rounding
            target.copy_(numbers, non_blocking=True)
        self._own.stream.synchronize()  # now the buffer can be reused

    def _buffer(self) -> Tensor:
        if not hasattr(self._own, "buffer"):
            is_card = self._placement.is_card
            self._own.buffer = torch.empty(self._buffer_bytes, dtype=torch.uint8, pin_memory=is_card)
            self._own.stream = torch.cuda.Stream(self._placement.device) if is_card else None  # type: ignore[no-untyped-call]
        buffer: Tensor = self._own.buffer
        return buffer


_started: dict[tuple[Path, Placement], WeightReader] = {}


def start_reading(folder: Path, placement: Placement) -> None:
    """Start to read a checkpoint for a later ``reader_for``; returns at once."""
    _started[folder, placement] = WeightReader(folder, placement)


def reader_for(folder: Path, placement: Placement) -> WeightReader:
    """Return the reader that ``start_reading`` created, or a new one."""
    return _started.pop((folder, placement), None) or WeightReader(folder, placement)
