"""The monthly reports to owners: made once, delivered over restarts and troubles."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot import messages
from bot.commands.buttons import data_of, press_of
from bot.commands.values import LoraWish
from bot.desk import files
from bot.desk.loras.reports import MAX_DELIVERIES, OwnerReports, last_month
from bot.errors import CannotSave, OwnersOnly
from bot.outcomes import LoraRevoked, LoraUse, OwnerReport, Platform, RetryLater, Undeliverable
from bot.store.rows import OutboxState
from engine.request import FailReason
from engine.shelf import LoraFile, Shelf, Sidecar
from tests.fakes.clock import FakeClock
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness, until

OWNED = Sidecar(owner="console:the-owner")
FILES = {
    name: LoraFile(name, Path(name), name[0] * 64, 1, 8, sidecar=sidecar)
    for name, sidecar in {"face": OWNED, "style": OWNED, "plain": Sidecar()}.items()
}
DAY_S = 86_400


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)


def opened(folder: Path, clock: FakeClock) -> Any:
    return open_harness(folder, shelf=Shelf(FILES), clock=clock)


async def a_month_of_use(harness: DeskHarness) -> None:
    async with harness.running():
        await harness.accept("1", "a-member", loras=(LoraWish("face"),), count=2)
        await harness.accept("2", "ben", loras=(LoraWish("face"), LoraWish("plain")))
        await harness.accept("3", "ben", loras=(LoraWish("face"),))
        await harness.chat.wait_for_results(3)
    harness.clock.advance(seconds=31 * DAY_S)


async def a_month_of_use_again(harness: DeskHarness, number: int) -> None:
    async with harness.running():
        await harness.accept(f"again {number}", loras=(LoraWish("face"),))
        await harness.chat.wait_for_results(1)
    harness.clock.advance(seconds=31 * DAY_S)


def expected(harness: DeskHarness) -> OwnerReport:
    month = last_month(harness.clock())[0]
    return OwnerReport(1, Platform.CONSOLE, "the-owner", "en", month, (LoraUse("face", "f" * 64, 3, 4, 2),))


def reports_of(harness: DeskHarness) -> OwnerReports:
    return harness.desk.parts.reports


@pytest.mark.parametrize(
    ("now", "month", "begin", "end"),
    [
        ("2026-11-29T12:00:00", "2026-10", "2026-10-01", "2026-11-01"),
        ("2027-01-01T00:00:00", "2026-12", "2026-12-01", "2027-01-01"),
        ("2024-03-31T23:59:59", "2024-02", "2024-02-01", "2024-03-01"),
    ],
)
def test_the_last_complete_month(now: str, month: str, begin: str, end: str) -> None:
    assert last_month(ms(now)) == (month, ms(begin), ms(end))


async def test_an_owner_gets_one_report_of_what_was_drawn(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as harness:
        await a_month_of_use(harness)
    async with opened(tmp_path, clock) as harness:
        async with harness.running():
            await until(lambda: bool(harness.chat.owner_reports))
        assert harness.chat.owner_reports == [expected(harness)]
        for _ in range(2):
            await reports_of(harness).make()
            await reports_of(harness).deliver({Platform.CONSOLE: harness.chat})
        assert len(harness.chat.owner_reports) == 1


async def test_a_month_without_use_has_no_report_and_each_month_its_own(tmp_path: Path) -> None:
    clock, months = FakeClock(), []
    for count in (0, 1, 1):
        async with opened(tmp_path, clock) as harness:
            await reports_of(harness).make()
            await reports_of(harness).deliver({Platform.CONSOLE: harness.chat})
            assert len(harness.chat.owner_reports) == count
            months += [report.month for report in harness.chat.owner_reports]
            await a_month_of_use_again(harness, len(months))
    assert len(set(months)) == 2


async def test_a_report_survives_restarts_until_it_arrives(tmp_path: Path) -> None:
    clock = FakeClock()
    async with opened(tmp_path, clock) as harness:
        await a_month_of_use(harness)
        report = expected(harness)
        await reports_of(harness).make()
        # The process ends while the chat has it.
        taken = await harness.store.owner_reports.take("console", clock())
        assert taken is not None
    async with opened(tmp_path, clock) as harness, harness.running():
        await until(lambda: bool(harness.chat.owner_reports))
        assert harness.chat.owner_reports == [report]


@pytest.mark.parametrize("error", [RuntimeError(), RetryLater("slow", 90.0)])
async def test_a_chat_in_trouble_gets_it_later(tmp_path: Path, error: Exception) -> None:
    async with opened(tmp_path, FakeClock()) as harness:
        await a_month_of_use(harness)
        chats = {Platform.CONSOLE: harness.chat}
        harness.chat.errors.append(error)
        await reports_of(harness).make()
        await reports_of(harness).deliver(chats)
        await reports_of(harness).deliver(chats)
        assert harness.chat.owner_reports == []
        harness.clock.advance(seconds=90)
        await reports_of(harness).deliver(chats)
        assert len(harness.chat.owner_reports) == 1


async def test_a_report_that_failed_while_the_disk_was_full_is_sent_later_in_the_same_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "SAVE_AGAIN_S", 0.01)
    async with opened(tmp_path, FakeClock()) as harness:
        await a_month_of_use(harness)
        mark, is_full = harness.store.owner_reports.mark, True

        async def mark_later(report_id: int, state: OutboxState, not_before_ms: int) -> None:
            nonlocal is_full
            if is_full:
                is_full = False
                raise CannotSave(detail="disk full")
            await mark(report_id, state, not_before_ms)

        monkeypatch.setattr(harness.store.owner_reports, "mark", mark_later)
        chats = {Platform.CONSOLE: harness.chat}
        harness.chat.errors.append(RuntimeError())
        await reports_of(harness).make()
        await reports_of(harness).deliver(chats)
        harness.clock.advance(seconds=DAY_S)
        await reports_of(harness).deliver(chats)
        assert len(harness.chat.owner_reports) == 1


@pytest.mark.parametrize("tries", [1, MAX_DELIVERIES])
async def test_a_chat_that_never_takes_it_ends_the_tries(tmp_path: Path, tries: int) -> None:
    async with opened(tmp_path, FakeClock()) as harness:
        await a_month_of_use(harness)
        chats = {Platform.CONSOLE: harness.chat}
        await reports_of(harness).make()
        harness.chat.errors.extend([RuntimeError()] * tries if tries > 1 else [Undeliverable("no")])
        for _ in range(tries + 1):
            await reports_of(harness).deliver(chats)
            harness.clock.advance(seconds=DAY_S)
        assert (harness.chat.owner_reports, list(harness.chat.errors)) == ([], [])


async def test_an_owner_on_no_platform_gets_no_report_and_breaks_nothing(tmp_path: Path) -> None:
    files = {"face": replace(FILES["face"], sidecar=Sidecar(owner="nobody"))}
    async with open_harness(tmp_path, shelf=Shelf(files)) as harness:
        await a_month_of_use_again(harness, 1)
        await reports_of(harness).make()
        assert await harness.store.owner_reports.take("console", harness.clock()) is None


async def test_a_failed_report_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(tmp_path, FakeClock()) as harness:
        calls = 0

        async def fail() -> None:
            nonlocal calls
            calls += 1
            raise ZeroDivisionError

        reports = OwnerReports(
            store=harness.store,
            shelf=harness.desk.parts.shelf,
            clock=harness.clock,
            every_s=0.001,
        )
        monkeypatch.setattr(reports, "make", fail)
        task = asyncio.create_task(reports.run({}), name="reports")
        await until(lambda: calls > 2)
        task.cancel()
        await asyncio.wait({task})


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
def test_a_report_names_month_and_counts(locale: str) -> None:
    report = OwnerReport(
        1, Platform.CONSOLE, "the-owner", locale, "2026-10", (LoraUse("face", "f" * 64, 3, 4, 2),)
    )
    shown = messages.format_owner_report(report, locale)
    for part in ("2026-10", "face", "3", "4", "2", "/lora revoke"):
        assert part in shown
    assert "{" not in shown


async def test_a_button_of_the_report_takes_the_lora_back_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path, FakeClock()) as harness:
        waiting = await harness.accept("1", "a-member", loras=(LoraWish("face"),))
        [(label, command)] = messages.owner_report_buttons(expected(harness))
        assert label == "Take back face"
        pressed = press_of(data_of(command))
        with pytest.raises(OwnersOnly):
            await harness.desk.handle(pressed, a_context("2", "a-member"))
        assert await harness.desk.handle(pressed, a_context("3", "the-owner")) == LoraRevoked("face", "", 1)
        assert (await harness.job(waiting.job_id)).fail == FailReason.LORA_WITHDRAWN
