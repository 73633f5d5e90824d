"""Tells the hosts what is wrong and that it is over, in their private chats.

An alert and its messages are stored in one transaction, so each message arrives at least once, also after a
crash, and no start repeats an alert. A platform that cannot be reached delays only its own messages.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from functools import partial

import structlog

from bot.desk.alerts.conditions import Condition, Health, Key, conditions_of
from bot.desk.alerts.sending import send_once
from bot.desk.alerts.tracking import Step, Tracked, Tracking, next_step
from bot.desk.files import retry_while_full
from bot.desk.queue import MonotonicClock
from bot.errors import CannotSave
from bot.outcomes import Alert, ChatOutput, Platform
from bot.store import Store
from bot.store.hosting.alerts import TakenAlert
from engine.backoff import Backoff

log = structlog.get_logger("bot.desk.alerts")

LOOK_AGAIN_S = 15.0
BACK_OFF = Backoff((15.0, 60.0, 300.0, 900.0))
MAX_DELIVERIES = 300  # about three days
KEPT_MS = 90 * 86_400_000


class HostAlerts:
    """Stores alerts and delivers them.

    Args:
        hosts: Returns ``platform:user_id`` of each host, now.
        locale: Returns that of hosts whose language is unknown.
        is_enabled: Returns whether hosts want alerts now; else the log alone has the conditions.
        clock: UTC milliseconds.
        every_s: Between two looks at what is due.
    """

    def __init__(
        self,
        *,
        store: Store,
        hosts: Callable[[], Collection[str]],
        locale: Callable[[], str],
        is_enabled: Callable[[], bool],
        clock: Callable[[], int],
        every_s: float = LOOK_AGAIN_S,
    ) -> None:
        self._store = store
        self._hosts = hosts
        self._locale = locale
        self._is_enabled = is_enabled
        self._clock = MonotonicClock(clock)
        self._every_s = every_s
        self._tracking: Tracking | None = None
        self._ids: dict[Key, int] = {}
        self._platforms: frozenset[Platform] = frozenset()
        self._changed = asyncio.Event()

    async def review(self, health: Health) -> None:
        """Compare the bot's health with what the hosts know, and store what to tell them.

        Before ``run`` nothing happens, because nobody could be told.

        Raises:
            CannotSave: Nothing was stored; the next review tries again.
        """
        if not self._platforms:
            return
        if self._tracking is None:
            await self._load()
        tracking = self._tracking or Tracking()
        step = next_step(tracking, conditions_of(health, tracking.reported), self._clock())
        if step.begun or step.over:
            await self._store_step(step)
        self._tracking = step.tracking

    async def run(self, chats: Mapping[Platform, ChatOutput]) -> None:
        """Deliver the messages that are due, until cancelled."""
        self._platforms = frozenset(chats)
        await retry_while_full(self._store.alerts.recover)
        async with asyncio.TaskGroup() as group:
            for platform, chat in chats.items():
                group.create_task(self._deliver_all(platform, chat), name=f"alerts {platform}")

    async def _load(self) -> None:
        now_ms, lasting = self._clock(), dict[Key, Tracked]()
        for each in await self._store.alerts.lasting():
            condition = Condition(each.kind, each.subject, each.facts)
            self._ids[condition.key] = each.id
            lasting[condition.key] = Tracked(condition, each.since_ms, now_ms, is_reported=True)
        reported_ms = await self._store.alerts.last_reported()  # the clock may have been set back since
        self._tracking = Tracking(lasting, {key: min(at_ms, now_ms) for key, at_ms in reported_ms.items()})

    async def _store_step(self, step: Step) -> None:
        now_ms, begun = self._clock(), dict[Key, int]()
        hosts = self._recipients()
        async with self._store.atomic():
            for each in step.begun:
                condition = each.condition
                begun[condition.key] = await self._store.alerts.begin(
                    condition.kind, condition.subject, condition.facts, each.since_ms, now_ms, hosts
                )
            for each in step.over:
                await self._store.alerts.end(self._ids[each.condition.key], now_ms)
            if step.over:
                await self._store.alerts.delete_old(now_ms - KEPT_MS)
        for each in step.begun:
            facts = dict(each.condition.facts)
            log.error("host needed", kind=each.condition.kind.value, hosts=len(hosts), **facts)
        for each in step.over:
            log.info("host not needed any more", kind=each.condition.kind.value)
            del self._ids[each.condition.key]
        self._ids |= begun
        self._changed.set()

    def _recipients(self) -> list[tuple[str, str]]:
        """Return platform and user id of each host whose platform the bot serves."""
        if not self._is_enabled():
            return []
        named = (host.partition(":") for host in sorted(self._hosts()))
        return [(platform, user_id) for platform, _, user_id in named if platform in self._platforms]

    async def _deliver_all(self, platform: Platform, chat: ChatOutput) -> None:
        while True:
            self._changed.clear()
            try:
                while taken := await self._store.alerts.take(platform, self._clock(), self._locale()):
                    await self._deliver(taken, platform, chat)
            except CannotSave:
                log.warning("alerts wait: nothing can be saved", platform=platform)
            except Exception:  # supervision: a failed alert must not end the bot
                log.exception("alerts failed", platform=platform)
            try:
                async with asyncio.timeout(self._every_s):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _deliver(self, row: TakenAlert, platform: Platform, chat: ChatOutput) -> None:
        alert = Alert(
            id=row.id,
            platform=platform,
            user_id=row.user_id,
            locale=row.locale,
            kind=row.kind,
            facts=row.facts,
            lasted_s=None if row.over_ms is None else max(0, row.over_ms - row.since_ms) / 1_000,
        )
        facts = {"alert": row.id, "platform": platform, "kind": row.kind.value}
        sending = chat.send_alert(alert)
        state, wait_s = await send_once("alert", sending, row.attempts, BACK_OFF, MAX_DELIVERIES, **facts)
        due_ms = self._clock() + int(1_000 * wait_s)
        await retry_while_full(partial(self._store.alerts.mark, row.id, state, due_ms))
