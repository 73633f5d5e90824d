"""Each host gets one message per condition, also after restarts; a failing platform delays only its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bot import messages
from bot.desk import files
from bot.desk.alerts.alerts import MAX_DELIVERIES, HostAlerts
from bot.desk.alerts.conditions import Health
from bot.desk.alerts.tracking import CALM_S, GAP_S, LASTS_S
from bot.errors import CannotSave
from bot.outcomes import Alert, AlertKind, Platform, RetryLater, Undeliverable
from bot.store import Store, open_store
from bot.store.rows import OutboxState
from tests.fakes.chat import FakeChat
from tests.fakes.clock import FakeClock
from tests.fakes.desk_harness import MIGRATIONS, a_context, until

FINE = Health(up_s=10.0)
DISK = Health(up_s=10.0, free_bytes=0, needed_bytes=2**20)
OFFLINE = Health(up_s=10.0, offline_s={Platform.TELEGRAM: 400.0, Platform.DISCORD: 0.0})
DAY_MS = 86_400_000
HOSTS = ("discord:1", "telegram:2", "telegram:3")


@dataclass
class Watched:
    """Alerts on a database, and two chats."""

    store: Store
    alerts: HostAlerts
    clock: FakeClock
    discord: FakeChat = field(default_factory=lambda: FakeChat(Platform.DISCORD))
    telegram: FakeChat = field(default_factory=lambda: FakeChat(Platform.TELEGRAM))

    async def report(self, health: Health) -> None:
        """Let the condition last until it is reported."""
        await self.alerts.review(health)
        self.clock.advance(seconds=LASTS_S)
        await self.alerts.review(health)

    async def calm(self) -> None:
        """Let everything be fine until conditions are over."""
        await self.alerts.review(FINE)
        self.clock.advance(seconds=CALM_S)
        await self.alerts.review(FINE)

    async def sent(self) -> None:
        """Return when no message waits."""
        async with asyncio.timeout(30):
            while await self.store._run("SELECT id FROM alert_message WHERE state <> 'sent'"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    @property
    def received(self) -> list[Alert]:
        return self.discord.alerts + self.telegram.alerts


@asynccontextmanager
async def watched(folder: Path, clock: FakeClock | None = None, **options: object) -> AsyncIterator[Watched]:
    clock = clock or FakeClock()
    store = await open_store(folder / "sugarbot.db", MIGRATIONS)
    defaults = {
        "hosts": lambda: HOSTS,
        "locale": lambda: "zh-CN",
        "is_enabled": lambda: True,
        "every_s": 0.01,
    }
    arguments = defaults | options
    it = Watched(store, HostAlerts(store=store, clock=clock, **arguments), clock)  # type: ignore[arg-type]
    chats = {Platform.DISCORD: it.discord, Platform.TELEGRAM: it.telegram}
    run = asyncio.create_task(it.alerts.run(chats))
    try:
        await asyncio.sleep(0)
        yield it
    finally:
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)
        await store.close()


async def test_every_host_is_told_once_and_once_when_it_is_over(tmp_path: Path) -> None:
    async with watched(tmp_path) as it:
        await it.report(DISK)
        await until(lambda: len(it.received) == 3)
        for _ in range(5):
            await it.report(DISK)
        await asyncio.sleep(0.05)
        assert [(alert.user_id, alert.kind, alert.lasted_s) for alert in it.received] == [
            (user_id, AlertKind.DISK_LOW, None) for user_id in "123"
        ]
        await it.calm()
        await until(lambda: len(it.received) == 6)
        [last] = it.discord.alerts[1:]
        assert last.lasted_s == 6 * LASTS_S + CALM_S
        assert len({(alert.platform, alert.id) for alert in it.received}) == 6


async def test_a_restart_repeats_nothing_and_forgets_nothing(tmp_path: Path) -> None:
    clock = FakeClock()
    async with watched(tmp_path, clock) as it:
        await it.report(DISK)
        await it.sent()
        assert len(it.received) == 3
    async with watched(tmp_path, clock) as it:
        await it.report(DISK)
        await asyncio.sleep(0.05)
        assert it.received == []
        await it.calm()
        await until(lambda: len(it.received) == 3)
        assert all(alert.lasted_s for alert in it.received)


async def nothing(*_: object) -> None:
    """What a loop takes of which the process ends before."""


async def test_what_was_being_sent_at_a_crash_is_sent_again(tmp_path: Path) -> None:
    clock = FakeClock()
    async with watched(tmp_path, clock, every_s=3_600.0) as it:
        take, it.store.alerts.take = it.store.alerts.take, nothing  # type: ignore[method-assign]
        await it.report(DISK)
        taken = await take("discord", clock(), "en")
        assert taken is not None
    async with watched(tmp_path, clock) as it:
        await until(lambda: len(it.received) == 3)
        assert [alert.id for alert in it.discord.alerts] == [taken.id]


async def test_a_platform_in_trouble_delays_only_its_own_messages(tmp_path: Path) -> None:
    async with watched(tmp_path) as it:
        it.telegram.errors.extend([RuntimeError(), RetryLater("slow", 90.0)])
        await it.report(OFFLINE)
        await until(lambda: len(it.discord.alerts) == 1 and not it.telegram.errors)
        assert it.telegram.alerts == []
        it.clock.advance(seconds=100)
        await until(lambda: len(it.telegram.alerts) == 2)
        assert it.discord.alerts[0].facts == {"chat": "telegram", "minutes": 6}


async def test_an_alert_that_did_not_arrive_before_it_was_over_is_told_by_its_last_message(
    tmp_path: Path,
) -> None:
    async with watched(tmp_path) as it:
        it.telegram.errors.extend([RuntimeError()] * 2)
        await it.report(OFFLINE)
        await until(lambda: len(it.discord.alerts) == 1 and not it.telegram.errors)
        await it.calm()
        await until(lambda: len(it.telegram.alerts) == 2 and len(it.discord.alerts) == 2)
        assert all(alert.lasted_s is not None for alert in it.telegram.alerts)


async def test_an_alert_whose_sending_fails_when_it_is_over_is_told_by_its_last_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watched(tmp_path, hosts=lambda: ["discord:1"]) as it:
        send, is_sending, is_over = it.discord.send_alert, asyncio.Event(), asyncio.Event()

        async def fail_late(alert: Alert) -> None:
            if alert.lasted_s is None and not is_sending.is_set():
                is_sending.set()
                await is_over.wait()
                raise RuntimeError
            await send(alert)

        monkeypatch.setattr(it.discord, "send_alert", fail_late)
        await it.report(DISK)
        await is_sending.wait()
        await it.calm()
        is_over.set()
        await until(lambda: len(it.received) > 0)
        it.clock.advance(seconds=86_400)
        await asyncio.sleep(0.05)
        assert [alert.lasted_s is None for alert in it.received] == [False]


async def test_a_disk_that_is_full_for_a_moment_loses_no_alert_until_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SAVE_AGAIN_S", 0.01)
    async with watched(tmp_path, hosts=lambda: ["discord:1"]) as it:
        mark, is_full = it.store.alerts.mark, True

        async def mark_later(message_id: int, state: OutboxState, not_before_ms: int) -> None:
            nonlocal is_full
            if is_full:
                is_full = False
                raise CannotSave(detail="disk full")
            await mark(message_id, state, not_before_ms)

        monkeypatch.setattr(it.store.alerts, "mark", mark_later)
        it.discord.errors.append(RuntimeError())
        await it.report(DISK)
        await until(lambda: not is_full)
        async with asyncio.timeout(30):
            while not it.received:
                it.clock.advance(seconds=60)
                await asyncio.sleep(0.01)


async def test_a_clock_that_is_set_back_delays_no_alert(tmp_path: Path) -> None:
    clock = FakeClock()
    async with watched(tmp_path, clock, hosts=lambda: ["discord:1"]) as it:
        await it.alerts.review(DISK)
        it.clock.now_ms -= DAY_MS
        await it.report(DISK)
        await until(lambda: len(it.received) == 1)
        it.discord.errors.append(RuntimeError())
        await it.calm()
        async with asyncio.timeout(30):
            while not await it.store._run("SELECT 1 FROM alert_message WHERE state = 'maybe'"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        it.clock.now_ms -= DAY_MS
    async with watched(tmp_path, clock, hosts=lambda: ["discord:1"]) as it:
        await until(lambda: [alert.lasted_s is None for alert in it.received] == [False])
        await it.alerts.review(FINE)
        it.clock.advance(seconds=GAP_S)
        await it.report(DISK)
        await until(lambda: len(it.received) == 2)
        await it.sent()  # until then, a start sends it again
        it.clock.now_ms -= DAY_MS
    async with watched(tmp_path, clock, hosts=lambda: ["discord:1"]) as it:
        await it.calm()
        await until(lambda: len(it.received) == 1)
        assert it.received[0].lasted_s == 0


async def test_a_host_who_takes_no_messages_ends_the_tries(tmp_path: Path) -> None:
    async with watched(tmp_path, hosts=lambda: ["discord:1"]) as it:
        it.discord.errors.append(Undeliverable("closed"))
        await it.report(DISK)
        await until(lambda: not it.discord.errors)
        it.clock.advance(seconds=86_400)
        await asyncio.sleep(0.05)
        assert it.received == []
        assert MAX_DELIVERIES > 100


async def test_hosts_who_want_no_alerts_and_chats_that_are_not_served_get_none(tmp_path: Path) -> None:
    async with watched(tmp_path, is_enabled=lambda: False) as it:
        await it.report(DISK)
        await it.calm()
        await asyncio.sleep(0.05)
        assert it.received == []
        assert await it.store.alerts.lasting() == ()
    async with watched(tmp_path, hosts=lambda: ["web:1", "console:2"]) as it:
        await it.report(DISK)
        await asyncio.sleep(0.05)
        assert it.received == []


async def test_a_condition_from_before_the_chats_is_told_as_soon_as_they_are_there(tmp_path: Path) -> None:
    store, clock, chat = await open_store(tmp_path / "sugarbot.db", MIGRATIONS), FakeClock(), FakeChat()
    alerts = HostAlerts(
        store=store, hosts=lambda: ["console:1"], locale=lambda: "en", is_enabled=lambda: True, clock=clock,
        every_s=0.01,
    )  # fmt: skip
    for _ in range(2):
        await alerts.review(DISK)
        clock.advance(seconds=LASTS_S)
    assert await store.alerts.lasting() == ()
    run = asyncio.create_task(alerts.run({Platform.CONSOLE: chat}))
    await asyncio.sleep(0)
    for _ in range(2):
        await alerts.review(DISK)
        clock.advance(seconds=LASTS_S)
    await until(lambda: len(chat.alerts) == 1)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await store.close()


async def test_a_host_reads_their_own_language(tmp_path: Path) -> None:
    async with watched(tmp_path) as it:
        english = a_context("1", "1", platform=Platform.DISCORD, locale="en")
        await it.store.people.find_or_create(english, it.clock())
        await it.report(DISK)
        await until(lambda: len(it.received) == 3)
    assert [(alert.user_id, alert.locale) for alert in it.received] == [
        ("1", "en"), ("2", "zh-CN"), ("3", "zh-CN"),
    ]  # fmt: skip


async def test_old_alerts_are_deleted_with_their_messages(tmp_path: Path) -> None:
    async with watched(tmp_path) as it:
        await it.report(DISK)
        await it.calm()
        it.clock.advance(seconds=100 * 86_400)
        await it.report(OFFLINE)
        await it.calm()
        rows = await it.store._run("SELECT kind FROM alert")
        assert [row["kind"] for row in rows] == ["chat_offline"]
        assert (await it.store._run("SELECT count(*) AS count FROM alert_message"))[0]["count"] == 6


@pytest.mark.parametrize("locale", ["en", "zh-CN", "zh-TW"])
@pytest.mark.parametrize("kind", AlertKind)
def test_every_alert_has_a_sentence_with_its_facts(kind: AlertKind, locale: str) -> None:
    facts = {"count": 7, "minutes": 8, "hours": 27, "free_mib": 11, "needed_mib": 256, "chat": "telegram"}
    wrong = messages.format_alert(Alert(1, Platform.DISCORD, "1", locale, kind, facts), locale)
    over = messages.format_alert(Alert(2, Platform.DISCORD, "1", locale, kind, facts, 360.0), locale)
    assert "{" not in wrong + over
    assert "6" in over
    assert (kind is AlertKind.CHAT_OFFLINE) == ("Telegram" in over)
