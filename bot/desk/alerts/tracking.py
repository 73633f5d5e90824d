"""Which conditions to report, and which reported ones are over: a pure step from one moment to the next."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from bot.desk.alerts.conditions import Condition, Key

LASTS_S = 30.0  # a shorter condition is not reported
CALM_S = 120.0  # a reported condition must be away for so long to be over
GAP_S = 1_800.0  # between two reports of the same condition


@dataclass(frozen=True, slots=True)
class Tracked:
    """A condition that was seen.

    Attributes:
        since_ms: When it was seen first.
        seen_ms: When it was seen last.
        is_reported: The hosts know.
    """

    condition: Condition
    since_ms: int
    seen_ms: int
    is_reported: bool = False


@dataclass(frozen=True, slots=True)
class Tracking:
    """What is known at one moment: the conditions that last, and when each was reported last."""

    lasting: Mapping[Key, Tracked] = field(default_factory=dict)
    reported_ms: Mapping[Key, int] = field(default_factory=dict)

    @property
    def reported(self) -> frozenset[Key]:
        """The conditions that the hosts know and that are not over."""
        return frozenset(key for key, each in self.lasting.items() if each.is_reported)


@dataclass(frozen=True, slots=True)
class Step:
    """The next moment: what is known then, what to report, and what is over."""

    tracking: Tracking
    begun: tuple[Tracked, ...] = ()
    over: tuple[Tracked, ...] = ()


def next_step(tracking: Tracking, conditions: Iterable[Condition], now_ms: int) -> Step:
    """Return what follows from the conditions of this moment.

    A condition is reported once until it is over, and at most every ``GAP_S``.
    """
    found = {each.key: each for each in conditions}
    lasting: dict[Key, Tracked] = {}
    reported_ms = dict(tracking.reported_ms)
    begun, over = list[Tracked](), list[Tracked]()
    for key, condition in found.items():
        earlier = tracking.lasting.get(key, Tracked(condition, now_ms, now_ms))
        now = replace(earlier, condition=condition, seen_ms=now_ms)
        is_due = now_ms - reported_ms.get(key, now_ms - int(1_000 * GAP_S)) >= 1_000 * GAP_S
        if not now.is_reported and now_ms - now.since_ms >= 1_000 * LASTS_S and is_due:
            now, reported_ms[key] = replace(now, is_reported=True), now_ms
            begun.append(now)
        lasting[key] = now
    for key, earlier in tracking.lasting.items():
        if key in found or not earlier.is_reported:
            continue
        if now_ms - earlier.seen_ms >= 1_000 * CALM_S:
            over.append(earlier)
        else:
            lasting[key] = earlier
    return Step(Tracking(lasting, reported_ms), tuple(begun), tuple(over))
