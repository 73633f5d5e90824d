"""Milliseconds and peak memory of a piece of work, on a card or without one."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

WARM_UPS = 3  # a card compiles, picks kernels and records graphs first
CPU_WARM_UPS = 1


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was measured.

    Attributes:
        milliseconds: The median.
        peak_bytes: What torch held at most meanwhile, weights included; 0 without a card.
    """

    milliseconds: float
    peak_bytes: int


def measure(work: Callable[[], object], device: torch.device, rounds: int) -> Measurement:
    """Do ``work`` a few times unmeasured, then ``rounds`` times, each waited for."""
    is_card = device.type == "cuda"
    for _ in range(warm_up_rounds(device)):
        work()
    if is_card:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    seconds = []
    for _ in range(rounds):
        started_s = time.perf_counter()
        work()
        if is_card:
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - started_s)
    peak_bytes = torch.cuda.max_memory_allocated(device) if is_card else 0
    return Measurement(statistics.median(seconds) * 1000, peak_bytes)


@dataclass
class PeakMemory:
    """What ``peak`` found: the most that torch held; 0 without a card."""

    nbytes: int = 0


@contextmanager
def peak(device: torch.device) -> Iterator[PeakMemory]:
    """Find the most memory that torch holds meanwhile, weights included; known when the context is left."""
    found = PeakMemory()
    if device.type != "cuda":
        yield found
        return
    reset = torch.cuda.reset_peak_memory_stats

    def look() -> None:
        found.nbytes = max(found.nbytes, torch.cuda.max_memory_allocated(device))

    def look_and_reset(device: Any = None) -> None:
        look()
        reset(device)

    reset(device)
    # Each job's ``StageTimer`` and ``measure`` reset the peak; without this only the last job would be seen.
    torch.cuda.reset_peak_memory_stats = look_and_reset
    try:
        yield found
    finally:
        torch.cuda.reset_peak_memory_stats = reset
        look()


def warm_up_rounds(device: torch.device) -> int:
    """How often work is done before it is measured."""
    return WARM_UPS if device.type == "cuda" else CPU_WARM_UPS


def as_cuda_graph(work: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """The same work as one CUDA graph; without a card, the work itself."""
    if device.type != "cuda":
        return work
    for _ in range(WARM_UPS):
        work()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay
