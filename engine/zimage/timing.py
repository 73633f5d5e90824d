"""Seconds of each stage and the peak of memory, of one job."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

from engine.request import Timings


class StageTimer:
    """Measures one job from the moment it is made.

    Args:
        device: On a card the card's own clock counts, which takes none of its time: a stage is what lies
            between two marks in its line of work.
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
            began = _mark()
            yield
            self._marks.append((field, began, _mark()))
            return
        began_s = time.perf_counter()
        try:
            yield
        finally:
            self.add(field, time.perf_counter() - began_s)
            self._resident_bytes = max(self._resident_bytes, self._process.memory_info().rss)

    def add(self, field: str, seconds: float) -> None:
        """Add seconds that were measured elsewhere."""
        self._seconds[field] = self._seconds.get(field, 0.0) + seconds

    @property
    def timings(self) -> Timings:
        """What was measured so far; on a card it waits for that to be done."""
        while self._marks:
            field, began, ended = self._marks.pop()
            ended.synchronize()
            self.add(field, began.elapsed_time(ended) / 1000)
        return Timings(**self._seconds)

    @property
    def held_bytes(self) -> int:
        """On a card what torch keeps of it now, for other work of this process; else the process's memory."""
        if self._device.type == "cuda":
            return torch.cuda.memory_reserved(self._device)
        return self._process.memory_info().rss

    @property
    def peak_bytes(self) -> int:
        """On a card what torch had allocated at most; else the process's memory, as seen after each stage."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        return self._resident_bytes


def _mark() -> torch.cuda.Event:
    mark = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    mark.record()
    return mark
