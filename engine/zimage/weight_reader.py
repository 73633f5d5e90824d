"""A checkpoint's files → tensors on the device, in their final number format, by several threads at once.

Each thread reads a stretch of a file into a buffer of its own, pinned where there is a card, and copies it to
where it belongs while the others read. Reading is ``pread``, not a memory map: from the page cache it is the
same one copy, without a page fault for each 4 KiB, and a file that shrinks meanwhile is an error and not the
end of the process. Needs torch alone, so that reading can start before diffusers and transformers are
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

READERS = 8  # one thread copies some 5 GB/s from the page cache, and a card takes ten times that
BUFFER_BYTES = 32 * 2**20  # of each reader; a matrix of Z-Image-Turbo is 29 or 79 MB


class WeightReader:
    """The weights of every part, on their way from the moment this is made.

    Args:
        folder: A checkpoint.
        placement: Where they go. Floating-point numbers get its format, all others keep theirs.
        readers: How many threads read.
        buffer_bytes: Of each thread; a multiple of 8.
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
        """Wait for one part's weights; asked for once, they are the caller's alone.

        Raises:
            BadHeader: A file is damaged.
            OSError: A file is gone or ends early.
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
                wait(jobs)  # until then the files are theirs
        gigabytes = sum(tensor.nbytes for tensor in tensors.values()) / 1e9
        seconds = time.perf_counter() - started_s
        log.info("weights read", part=part, gigabytes=round(gigabytes, 3), seconds=round(seconds, 3))
        return tensors

    def _chunks(self, path: Path, tensors: dict[str, Tensor]) -> Iterator[tuple[int, torch.dtype, Tensor]]:
        """Allocate a file's tensors; yield each stretch of the file and the part that it fills."""
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
                numbers = numbers.to(target.device, non_blocking=True)  # so that the card does the rounding
            target.copy_(numbers, non_blocking=True)
        self._own.stream.synchronize()  # the buffer is free again

    def _buffer(self) -> Tensor:
        if not hasattr(self._own, "buffer"):
            is_card = self._placement.is_card
            self._own.buffer = torch.empty(self._buffer_bytes, dtype=torch.uint8, pin_memory=is_card)
            self._own.stream = torch.cuda.Stream(self._placement.device) if is_card else None  # type: ignore[no-untyped-call]
        buffer: Tensor = self._own.buffer
        return buffer


_started: dict[tuple[Path, Placement], WeightReader] = {}


def start_reading(folder: Path, placement: Placement) -> None:
    """Begin to read a checkpoint that ``reader_for`` is going to be asked for; returns at once."""
    _started[folder, placement] = WeightReader(folder, placement)


def reader_for(folder: Path, placement: Placement) -> WeightReader:
    """The weights that are on their way already; else their reading begins now."""
    return _started.pop((folder, placement), None) or WeightReader(folder, placement)
