"""What the bot did in a time, and what it refused. Queries of statistics.sql."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from sqlite3 import Row

from bot.store.database import Database

NamedCounts = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class TotalsRow:
    """What ended in a time: jobs by state, their pictures, their people."""

    done: int
    failed: int
    cancelled: int
    pictures: int
    people: int


@dataclass(frozen=True, slots=True)
class SpanRow:
    """One span of a time; ``number`` counts from 0."""

    number: int
    pictures: int
    failed: int
    people: int


class StatisticsStore:
    """Queries on job, lora_use and refusal."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._query = partial(database.query, "statistics.sql")

    async def add_refusals(self, counts: Mapping[tuple[int, str], int]) -> None:
        """Add how often each rule refused, by hour since 1970 and rule; all or none."""
        async with self._database.atomic():
            for (hour, rule), count in counts.items():
                await self._query("add_refusals", hour=hour, rule=rule, count=count)

    async def forget_refusals(self, first_hour: int) -> None:
        """Delete what was counted before this hour since 1970."""
        await self._query("forget_refusals", first_hour=first_hour)

    async def totals(self, since_ms: int) -> TotalsRow:
        """Return what ended since a moment."""
        [row] = await self._query("totals", since_ms=since_ms)
        return TotalsRow(**dict(row))

    async def waits_ms(self, since_ms: int) -> tuple[int, int] | None:
        """Return how long half of the jobs, and 95 % of them, waited at most; None if none was drawn."""
        [row] = await self._query("waits", since_ms=since_ms)
        return None if row["half_ms"] is None else (int(row["half_ms"]), int(row["most_ms"]))

    async def fails(self, since_ms: int) -> NamedCounts:
        """Return why jobs failed, the most frequent reason first."""
        return _counts(await self._query("fails", since_ms=since_ms))

    async def refusals(self, since_hour: int) -> NamedCounts:
        """Return what was refused, by rule, the most frequent first."""
        return _counts(await self._query("refusals", since_hour=since_hour))

    async def loras(self, since_ms: int, limit: int) -> NamedCounts:
        """Return with which LoRAs most pictures were drawn."""
        return _counts(await self._query("loras", since_ms=since_ms, limit=limit))

    async def spans(self, since_ms: int, span_ms: int) -> tuple[SpanRow, ...]:
        """Return the spans of this length since a moment in which a job ended."""
        rows = await self._query("spans", since_ms=since_ms, span_ms=span_ms)
        return tuple(SpanRow(**dict(row)) for row in rows)


def _counts(rows: list[Row]) -> NamedCounts:
    return tuple((str(row["name"]), int(row["count"])) for row in rows)
