"""E5: what a change of LoRA costs, by where its weights are, and the base afterwards.

A picture with another LoRA than the one before, then one with the same LoRA again: what the first takes more
is the price of the switch. The stage timer could not show it, because merging is part of several stages.
"""

import statistics
from collections.abc import Callable, Iterator

from engine.bench.clock import warm_ups
from engine.bench.report.figures import CHANGED, IN_MEMORY, ON_CARD, ON_DISK
from engine.bench.report.results import ResultLine
from engine.bench.rows.ours import Ours
from engine.bench.rows.subject import SizePx, Subject, said

PAIR = 1, 2  # the two that take turns
WHOLE = "{}, whole picture"
LATER_START = "its first step starts later by this than with the same LoRA again"
LATER_PIXELS = "its pixels come later by this than with the same LoRA again"


def lines(subject: Subject, ours: Ours) -> Iterator[ResultLine]:
    """Milliseconds of a switch for each place of the weights, then how many base tensors many changed."""
    before = ours.fingerprint()
    for _ in range(warm_ups(subject.place.device)):
        ours.draw(subject.sizes["E1"], PAIR[0])
    yield from _cost(subject, ours, ON_CARD, lambda: None)
    if subject.place.is_card:
        yield from _cost(subject, ours, IN_MEMORY, lambda: ours.bank.forget(in_memory=False))
    else:
        yield ResultLine(
            "E5", IN_MEMORY, None, "ms", note="without a card, that is where they are drawn from"
        )
    subject.loras.read_shelf()
    yield from _cost(
        subject, ours, ON_DISK, lambda: ours.bank.forget(in_memory=True), " · page cache, hashed before"
    )
    for number in range(subject.effort.switches):
        ours.draw(subject.sizes["E3"], PAIR[number % 2], steps=1)
    after = ours.fingerprint()
    changed = sum(one != other for one, other in zip(before, after, strict=True))
    note = f"of {len(before)}, after {subject.effort.switches} switches"
    yield ResultLine("E5", CHANGED, float(changed), "tensors", note=note)


def _cost(
    subject: Subject, ours: Ours, where: str, forget: Callable[[], None], note: str = ""
) -> Iterator[ResultLine]:
    """The medians of what a switched picture takes more, up to its first step and up to its pixels."""
    size, (one, other) = subject.sizes["E1"], PAIR
    starts, pixels = [], []
    for _ in range(subject.effort.rounds):
        ours.draw(size, other)
        forget()
        switched, same = _timed(ours, size, one), _timed(ours, size, one)
        starts.append(switched[0] - same[0])
        pixels.append(switched[1] - same[1])
    for who, seconds, what in ((where, starts, LATER_START), (WHOLE.format(where), pixels, LATER_PIXELS)):
        yield ResultLine(
            "E5", who, statistics.median(seconds) * 1000, "ms", work=said(size), note=what + note
        )


def _timed(ours: Ours, size: SizePx, number: int) -> tuple[float, float]:
    """Seconds from the order to the start of the first step, and to the pixels."""
    whole_s, end = ours.timed(size, number)
    # Stages follow one another: what is neither step nor decoder is before the first step.
    return whole_s - end.timings.denoise_s - end.timings.decode_s, whole_s
