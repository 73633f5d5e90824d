"""Monthly reports to the owners of LoRAs, delivered to their private chats.

A month's report is made once, when the month is over: a report is unique by person and month. Reports wait in
the store until they are delivered, also over restarts. As with results, one that was being sent at a crash is
sent again; a chat that will never take it ends its tries.
"""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial

import structlog
from pydantic import TypeAdapter

from bot.desk.alerts.sending import send_once
from bot.desk.files import retry_while_full
from bot.desk.loras.shelf import LoraShelf
from bot.errors import CannotSave
from bot.outcomes import ChatOutput, LoraUse, OwnerReport, Platform
from bot.store import Store
from bot.store.rows import OwnerReportRow
from engine.backoff import Backoff

log = structlog.get_logger("bot.desk")

CHECK_EVERY_S = 600.0  # a report may be ten minutes late
BACK_OFF = Backoff((60.0, 600.0, 3_600.0))
MAX_DELIVERIES = 100  # about four days
_USES = TypeAdapter(tuple[LoraUse, ...])


class OwnerReports:
    """Makes and delivers the reports.

    Args:
        clock: UTC milliseconds.
        every_s: Time between two checks.
    """

    def __init__(
        self, *, store: Store, shelf: LoraShelf, clock: Callable[[], int], every_s: float = CHECK_EVERY_S
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._clock = clock
        self._every_s = every_s

    async def run(self, chats: Mapping[Platform, ChatOutput]) -> None:
        """Make the reports of each month that is over and deliver them, until cancelled."""
        await retry_while_full(self._store.owner_reports.recover)
        while True:
            try:
                await self.make()
                await self.deliver(chats)
            except CannotSave:
                log.warning("reports wait: nothing can be saved")
            except Exception:  # supervision: a failed report must not end the bot
                log.exception("reports failed")
            await asyncio.sleep(self._every_s)

    async def make(self) -> None:
        """Store the reports about the last complete month, unless they exist."""
        month, from_ms, to_ms = last_month(self._clock())
        owned: defaultdict[str, dict[str, str]] = defaultdict(dict)  # owner → name → sha256
        for file in self._shelf.all_files:
            if owner := self._shelf.statements.owner_of(file):
                owned[owner][file.name] = file.sha256
        async with self._store.atomic():
            for owner, files in owned.items():
                platform, _, user_id = owner.partition(":")
                counts = await self._store.consents.uses_between(files, from_ms, to_ms)
                if counts and platform in set(Platform):
                    uses = [
                        LoraUse(each.lora, files[each.lora], each.jobs, each.pictures, each.people)
                        for each in counts
                    ]
                    content = json.dumps([asdict(use) for use in uses], ensure_ascii=False)
                    await self._store.owner_reports.add(platform, user_id, month, content)

    async def deliver(self, chats: Mapping[Platform, ChatOutput]) -> None:
        """Deliver the reports that are due."""
        for platform, chat in chats.items():
            while (taken := await self._store.owner_reports.take(platform, self._clock())) is not None:
                await self._deliver(taken, platform, chat)

    async def _deliver(self, row: OwnerReportRow, platform: Platform, chat: ChatOutput) -> None:
        report = OwnerReport(
            id=row.id,
            platform=platform,
            user_id=row.user_id,
            locale=row.locale,
            month=row.period,
            uses=_USES.validate_json(row.content),
        )
        facts = {"report": row.id, "month": row.period}
        sending = chat.send_report(report)
        state, wait_s = await send_once("report", sending, row.attempts, BACK_OFF, MAX_DELIVERIES, **facts)
        due_ms = self._clock() + int(1_000 * wait_s)
        await retry_while_full(partial(self._store.owner_reports.mark, row.id, state, due_ms))


def last_month(now_ms: int) -> tuple[str, int, int]:
    """Return the last complete month, as ``2026-10``, its begin and its end (UTC milliseconds)."""
    now = datetime.fromtimestamp(now_ms / 1_000, UTC)
    this = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    begin = this.replace(year=this.year - (this.month == 1), month=(this.month - 2) % 12 + 1)
    return f"{begin:%Y-%m}", int(begin.timestamp() * 1_000), int(this.timestamp() * 1_000)
