"""Measures milliseconds and peak memory of a piece of work, with or without a card."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

WARM_UPS = 3  # the first rounds on a card compile, select kernels and record graphs
CPU_WARM_UPS = 1


@dataclass(frozen=True, slots=True)
class Measurement:
    """Time and memory of one piece of work.

    Attributes:
        milliseconds: The median.
        peak_bytes: The most memory that torch allocated, weights included; 0 without a card.
    """

    milliseconds: float
    peak_bytes: int


def measure(work: Callable[[], object], device: torch.device, rounds: int) -> Measurement:
    """Run ``work`` for warm-up, then measure ``rounds`` runs, each with a wait for the card."""
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
    """The result of ``track_peak_memory``; 0 without a card."""

    nbytes: int = 0


@contextmanager
def track_peak_memory(device: torch.device) -> Iterator[PeakMemory]:
    """Find torch's peak memory inside the context, weights included; known at its end."""
    found = PeakMemory()
    if device.type != "cuda":
        yield found
        return
    reset = torch.cuda.reset_peak_memory_stats

    def update() -> None:
        found.nbytes = max(found.nbytes, torch.cuda.max_memory_allocated(device))

    def update_and_reset(device: Any = None) -> None:
        update()
        reset(device)

    reset(device)
    # Each job's ``StageTimer`` and ``measure`` reset the peak; without this only the last job would count.
    torch.cuda.reset_peak_memory_stats = update_and_reset
    try:
        yield found
    finally:
        torch.cuda.reset_peak_memory_stats = reset
        update()


def warm_up_rounds(device: torch.device) -> int:
    """Return the number of rounds before a measurement."""
    return WARM_UPS if device.type == "cuda" else CPU_WARM_UPS


def as_cuda_graph(work: Callable[[], object], device: torch.device) -> Callable[[], object]:
    """Return the same work as one CUDA graph; without a card, the work itself."""
    if device.type != "cuda":
        return work
    for _ in range(WARM_UPS):
        work()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay
