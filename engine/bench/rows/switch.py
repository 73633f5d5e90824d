"""E5: what another LoRA costs its picture, by where its weights lie, and the base afterwards."""

import statistics
from collections.abc import Callable, Iterator

from engine.bench.rows.ours import Ours
from engine.bench.rows.subject import Subject, said
from engine.bench.tell.book import Line
from engine.bench.tell.figures import CHANGED, IN_MEMORY, ON_CARD, ON_DISK

PAIR = 1, 2  # the two that take turns


def lines(subject: Subject, ours: Ours) -> Iterator[Line]:
    """Milliseconds until the first step can start, then how many base tensors many switches changed."""
    before = ours.fingerprint()
    yield _line(subject, ours, ON_CARD, lambda: None)
    if subject.place.is_card:
        yield _line(subject, ours, IN_MEMORY, lambda: ours.bank.forget(in_memory=False))
    else:
        yield Line("E5", IN_MEMORY, None, "ms", note="without a card, that is where they are drawn from")
    subject.loras.read_shelf()
    note = "page cache, hashed before"
    yield _line(subject, ours, ON_DISK, lambda: ours.bank.forget(in_memory=True), note)
    yield _longer(subject, ours)
    for number in range(subject.effort.switches):
        _switch(subject, ours, PAIR[number % 2])
    after = ours.fingerprint()
    changed = sum(one != other for one, other in zip(before, after, strict=True))
    note = f"of {len(before)}, after {subject.effort.switches} switches"
    yield Line("E5", CHANGED, float(changed), "tensors", note=note)


def _line(subject: Subject, ours: Ours, who: str, forget: Callable[[], None], note: str = "") -> Line:
    """The median of a LoRA's part of a picture, the other one drawn before each."""
    one, other = PAIR
    seconds = []
    for _ in range(subject.effort.rounds):
        _switch(subject, ours, other)
        forget()
        seconds.append(_switch(subject, ours, one))
    return Line("E5", who, statistics.median(seconds) * 1000, "ms", note=note)


def _longer(subject: Subject, ours: Ours) -> Line:
    """How much longer a picture takes than with the LoRA of the one before: its first step merges."""
    size, rounds = subject.sizes["E1"], range(subject.effort.rounds)
    ours.draw(size, PAIR[0])
    same = [ours.timed(size, PAIR[0])[0] for _ in rounds]
    turns = [ours.timed(size, PAIR[(number + 1) % 2])[0] for number in rounds]
    longer_ms = (statistics.median(turns) - statistics.median(same)) * 1000
    return Line(
        "E5", "ours, whole picture longer by", longer_ms, "ms", work=said(size), note="LoRA on the card"
    )


def _switch(subject: Subject, ours: Ours, number: int) -> float:
    """Draw one step with a LoRA; the seconds that went into the LoRA alone."""
    return ours.draw(subject.sizes["E3"], number, steps=1).timings.lora_s
