"""The answer to ``/stats``."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Span:
    """An hour or a day of the time; ``failed`` counts jobs."""

    at_s: int
    pictures: int = 0
    failed: int = 0
    people: int = 0


@dataclass(frozen=True, slots=True)
class StatisticsShown:
    """What the bot did in the last ``days``.

    Attributes:
        done, failed, cancelled: Jobs that ended so.
        waits_s: How long half of the jobs, and 95 % of them, waited at most; None if none was drawn.
        fails: Reason → jobs, the most frequent first.
        refusals: Rule → refused commands, the most frequent first.
        loras: Name → pictures, the most frequent first.
        spans: Hours for one day, else days; the oldest first.
        png: A picture of the spans and the LoRAs; may be empty.
    """

    days: int
    pictures: int
    people: int
    done: int
    failed: int
    cancelled: int
    waits_s: tuple[float, float] | None
    fails: tuple[tuple[str, int], ...]
    refusals: tuple[tuple[str, int], ...]
    loras: tuple[tuple[str, int], ...]
    spans: tuple[Span, ...]
    png: bytes = field(default=b"", repr=False)
