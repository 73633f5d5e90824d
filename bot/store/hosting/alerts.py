"""Alerts to the hosts, and the messages about them until they are delivered.

Call every method that changes something in the transaction of the work that it belongs to.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from bot.outcomes import AlertKind
from bot.outcomes.hosting.alerts import Fact
from bot.store.database import Database
from bot.store.rows import OutboxState


@dataclass(frozen=True, slots=True)
class LastingAlert:
    """An alert that is not over."""

    id: int
    kind: AlertKind
    subject: str
    facts: Mapping[str, Fact]
    since_ms: int


@dataclass(frozen=True, slots=True)
class TakenAlert:
    """A message that this process delivers now; ``attempts`` counts this delivery too.

    Attributes:
        over_ms: Only of a message that says that the condition is over.
    """

    id: int
    user_id: str
    locale: str
    kind: AlertKind
    facts: Mapping[str, Fact]
    since_ms: int
    over_ms: int | None
    attempts: int


class AlertQueue:
    """Queries on alert and alert_message."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._query = partial(database.query, "alerts.sql")

    async def lasting(self) -> tuple[LastingAlert, ...]:
        """Return the alerts that are not over, oldest first."""
        return tuple(
            LastingAlert(
                row["id"],
                AlertKind(row["kind"]),
                row["subject"],
                json.loads(row["facts"]),
                row["since_ms"],
            )
            for row in await self._query("lasting")
        )

    async def last_reported(self) -> dict[tuple[AlertKind, str], int]:
        """Return when each condition was reported last."""
        rows = await self._query("last_reported")
        return {(AlertKind(row["kind"]), row["subject"]): row["reported_ms"] for row in rows}

    async def begin(
        self,
        kind: AlertKind,
        subject: str,
        facts: Mapping[str, Fact],
        since_ms: int,
        now_ms: int,
        hosts: Iterable[tuple[str, str]],
    ) -> int:
        """Store an alert and a message to each host (platform, user id); return the alert's id."""
        content = json.dumps(dict(facts))
        [row] = await self._query(
            "add_alert", kind=kind, subject=subject, facts=content, since_ms=since_ms, now_ms=now_ms
        )
        alert = int(row["id"])
        for platform, user_id in hosts:
            await self._query("add_alert_message", alert=alert, is_over=0, platform=platform, user_id=user_id)
        return alert

    async def end(self, alert: int, now_ms: int) -> None:
        """Store that a condition is over, and a message to each host who was to be told of it."""
        await self._query("end_alert", id=alert, now_ms=now_ms)
        await self._query("withdraw_alert_messages", alert=alert)
        await self._query("add_last_messages", alert=alert)

    async def take(self, platform: str, now_ms: int, locale: str) -> TakenAlert | None:
        """Take the platform's oldest message that is due; it counts as sending until marked.

        Args:
            platform: Of the hosts.
            now_ms: UTC.
            locale: Of a host whose language is unknown.
        """
        async with self._database.atomic():
            rows = await self._query("take_alert_message", platform=platform, now_ms=now_ms)
            if not rows:
                return None
            message = rows[0]
            host = {"platform": platform, "user_id": message["user_id"], "locale": locale}
            [said] = await self._query("read_alert", alert=message["alert"], **host)
        return TakenAlert(
            id=message["id"],
            user_id=message["user_id"],
            locale=said["locale"],
            kind=AlertKind(said["kind"]),
            facts=json.loads(said["facts"]),
            since_ms=said["since_ms"],
            over_ms=said["over_ms"] if message["is_over"] else None,
            attempts=message["attempts"],
        )

    async def mark(self, message_id: int, state: OutboxState, not_before_ms: int) -> None:
        """Store how a delivery ended."""
        await self._query("mark_alert_message", id=message_id, state=state, not_before_ms=not_before_ms)

    async def recover(self) -> None:
        """After a stop, mark what was being sent as possibly delivered; all that waits is due now."""
        await self._query("recover_alert_messages")

    async def delete_old(self, oldest_ms: int) -> None:
        """Delete the alerts that were over before a moment."""
        await self._query("delete_old_alerts", oldest_ms=oldest_ms)
