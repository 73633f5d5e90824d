"""E5: the cost of a change of LoRA by the location of its weights, and whether the base is unchanged.

The cost is the time of a picture with another LoRA than the one before, minus that of a picture with the same
LoRA again. The stage timer cannot show it, because merging is part of several stages.
"""

import statistics
from collections.abc import Callable, Iterator

from engine.bench.measurement import warm_up_rounds
from engine.bench.report.results import ResultLine
from engine.bench.report.targets import CHANGED, IN_MEMORY, ON_CARD, ON_DISK
from engine.bench.rows.own_pipeline import OwnPipeline
from engine.bench.rows.workload import PictureSize, Workload, format_size

PAIR = 1, 2  # the two that take turns
WHOLE = "{}, whole picture"
LATER_START = "its first step starts later by this than with the same LoRA again"
LATER_PIXELS = "its pixels come later by this than with the same LoRA again"


def lines(workload: Workload, ours: OwnPipeline) -> Iterator[ResultLine]:
    """Measure the cost of a switch for each location, then count the changed base tensors."""
    before = ours.fingerprint()
    for _ in range(warm_up_rounds(workload.placement.device)):
        ours.draw(workload.sizes["E1"], PAIR[0])
    yield from _cost(workload, ours, ON_CARD, lambda: None)
    if workload.placement.is_card:
        yield from _cost(workload, ours, IN_MEMORY, lambda: ours.bank.drop_caches(in_memory=False))
    else:
        yield ResultLine(
            "E5", IN_MEMORY, None, "ms", note="without a card, that is where they are drawn from"
        )
    workload.loras.read_shelf()
    yield from _cost(
        workload, ours, ON_DISK, lambda: ours.bank.drop_caches(in_memory=True), " · page cache, hashed before"
    )
    for number in range(workload.effort.switches):
        ours.draw(workload.sizes["E3"], PAIR[number % 2], steps=1)
    after = ours.fingerprint()
    changed = sum(one != other for one, other in zip(before, after, strict=True))
    note = f"of {len(before)}, after {workload.effort.switches} switches"
    yield ResultLine("E5", CHANGED, float(changed), "tensors", note=note)


def _cost(
    workload: Workload, ours: OwnPipeline, where: str, forget: Callable[[], None], note: str = ""
) -> Iterator[ResultLine]:
    """Measure the median extra time of a switch up to the first step and up to the pixels."""
    size, (one, other) = workload.sizes["E1"], PAIR
    starts, pixels = [], []
    for _ in range(workload.effort.rounds):
        ours.draw(size, other)
        forget()
        switched, same = _timed(ours, size, one), _timed(ours, size, one)
        starts.append(switched[0] - same[0])
        pixels.append(switched[1] - same[1])
    for who, seconds, what in ((where, starts, LATER_START), (WHOLE.format(where), pixels, LATER_PIXELS)):
        yield ResultLine(
            "E5", who, statistics.median(seconds) * 1000, "ms", work=format_size(size), note=what + note
        )


def _timed(ours: OwnPipeline, size: PictureSize, number: int) -> tuple[float, float]:
    """Return the seconds from request to the start of the first step, and to the pixels."""
    whole_s, end = ours.timed(size, number)
    # Stages are sequential, so the time that is neither steps nor decoder comes before the first step.
    return whole_s - end.timings.denoise_s - end.timings.decode_s, whole_s
