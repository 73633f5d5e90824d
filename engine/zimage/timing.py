"""Measures the seconds of each stage and the peak memory of one job."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

from engine.request import Timings


class StageTimer:
    """Measures one job. Create it when the job starts.

    Args:
        device: On a card, CUDA events measure each stage, which costs no card time.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds: dict[str, float] = {}
        self._marks: list[tuple[str, torch.cuda.Event, torch.cuda.Event]] = []
        self._process = psutil.Process()
        self._resident_bytes = 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    @contextmanager
    def stage(self, field: str) -> Iterator[None]:
        """Add the seconds inside the context to a field of ``Timings``."""
        if self._device.type == "cuda":
            started = _mark()
            yield
            self._marks.append((field, started, _mark()))
            return
        started_s = time.perf_counter()
        try:
            yield
        finally:
            self.add(field, time.perf_counter() - started_s)
            self._resident_bytes = max(self._resident_bytes, self._process.memory_info().rss)

    def add(self, field: str, seconds: float) -> None:
        """Add seconds that were measured elsewhere."""
        self._seconds[field] = self._seconds.get(field, 0.0) + seconds

    @property
    def timings(self) -> Timings:
        """The timings so far. On a card, waits until the measured work is done."""
        while self._marks:
            field, started, ended = self._marks.pop()
            ended.synchronize()
            self.add(field, started.elapsed_time(ended) / 1000)
        return Timings(**self._seconds)

    @property
    def held_bytes(self) -> int:
        """On a card, the memory that torch's allocator reserves now; otherwise the process's memory."""
        if self._device.type == "cuda":
            return torch.cuda.memory_reserved(self._device)
        return self._process.memory_info().rss

    @property
    def kept_bytes(self) -> int:
        """On a card, the memory that is in use now; otherwise 0."""
        return torch.cuda.memory_allocated(self._device) if self._device.type == "cuda" else 0

    @property
    def peak_bytes(self) -> int:
        """On a card, the most memory that torch allocated; otherwise the largest memory after a stage."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        return self._resident_bytes


def _mark() -> torch.cuda.Event:
    mark = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    mark.record()
    return mark
