"""The answer to ``/stats``, from the database, and the count of refusals that it needs."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import structlog

from bot.commands.values import ShowStatistics
from bot.errors import CannotSave
from bot.monitoring.figures import REFUSALS
from bot.outcomes import CommandContext, Span, StatisticsShown
from bot.store import Store

log = structlog.get_logger("bot.desk")

FLUSH_EVERY_S = 60.0  # a crash loses the refusals of a minute
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
MOST_LORAS = 6

DrawStatistics = Callable[[StatisticsShown, str], bytes]
"""Draws statistics as a PNG, with words of a locale. Blocking."""


class RefusalCounts:
    """Counts what the desk refused, by hour and rule; in memory, and now and then in the database.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock
        self._counts: Counter[tuple[int, str]] = Counter()

    def note(self, rule: str) -> None:
        """Count one refusal."""
        REFUSALS.labels(rule).inc()
        self._counts[self._clock() // HOUR_MS, rule] += 1

    async def flush(self) -> None:
        """Store what was counted; what cannot be stored now is stored later."""
        if not self._counts:
            return
        try:
            async with self._store.atomic():
                counts = self._counts.copy()
                await self._store.statistics.add_refusals(counts)
                self._store.after_commit(lambda: self._forget(counts))
        except CannotSave as error:
            log.warning("refusals not stored", reason=str(error))

    def _forget(self, counts: Counter[tuple[int, str]]) -> None:
        self._counts -= counts

    async def run(self) -> None:
        """Store every minute, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            await self.flush()


class StatisticsView:
    """Answers ``ShowStatistics``.

    Args:
        draw: Draws the picture, in a thread.
        clock: UTC milliseconds.
    """

    def __init__(
        self, *, store: Store, refusals: RefusalCounts, draw: DrawStatistics, clock: Callable[[], int]
    ) -> None:
        self._store = store
        self._refusals = refusals
        self._draw = draw
        self._clock = clock

    async def show(self, command: ShowStatistics, context: CommandContext) -> StatisticsShown:
        """Return what happened in the last days, with a picture."""
        await self._refusals.flush()
        since_ms = self._clock() - command.days * DAY_MS
        statistics = self._store.statistics
        totals, waits_ms = await statistics.totals(since_ms), await statistics.waits_ms(since_ms)
        shown = StatisticsShown(
            days=command.days,
            pictures=totals.pictures,
            people=totals.people,
            done=totals.done,
            failed=totals.failed,
            cancelled=totals.cancelled,
            waits_s=None if waits_ms is None else (waits_ms[0] / 1_000, waits_ms[1] / 1_000),
            fails=await statistics.fails(since_ms),
            refusals=await statistics.refusals(since_ms // HOUR_MS),
            loras=await statistics.loras(since_ms, MOST_LORAS),
            spans=await self._spans(command.days, since_ms),
        )
        return replace(shown, png=await asyncio.to_thread(self._draw, shown, context.locale))

    async def _spans(self, days: int, since_ms: int) -> tuple[Span, ...]:
        """Return what happened in each hour of one day, or in each of several days."""
        span_ms, count = (HOUR_MS, 24) if days == 1 else (DAY_MS, days)
        spans = [Span((since_ms + number * span_ms) // 1_000) for number in range(count)]
        for row in await self._store.statistics.spans(since_ms, span_ms):
            number = min(row.number, count - 1)  # the clock was set back
            found = spans[number]
            spans[number] = Span(
                found.at_s,
                found.pictures + row.pictures,
                found.failed + row.failed,
                max(found.people, row.people),
            )
        return tuple(spans)
