"""A running bot names its faults, before what is worth knowing, and waits for no platform that hangs."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.checks import running
from bot.checks.finding import Finding, Level
from bot.checks.running import SelfCheck
from bot.settings import Settings
from bot.settings.sections import DiscordSettings, EngineSettings, TelegramSettings
from engine.planner.headroom import Headroom
from engine.shelf import Shelf

MEMORY = Headroom(2**33, 2**34, 2**33, "CPU", "a test says so")


def self_check(folder: Path, settings: Settings, **others: Callable[[], object]) -> SelfCheck:
    usual: dict[str, Callable[[], object]] = {
        "settings": lambda: settings,
        "hosts": lambda: {"discord:1"},
        "allowed": lambda: {"discord:2"},
        "shelf": lambda: Shelf(files={}),
        "headroom": lambda: MEMORY,
    }
    return SelfCheck(
        **(usual | others),  # type: ignore[arg-type]
        database=folder / "sugarbot.db",
        backups=folder / "backups",
        restart_record=folder / "restart-needed.json",
    )


async def answers(*found: Finding) -> AsyncIterator[Finding]:
    for each in found:
        yield each


async def hangs() -> AsyncIterator[Finding]:
    await asyncio.sleep(3_600)
    yield Finding(Level.FINE, "discord", "never")


async def test_a_sound_set_up_has_no_fault(tmp_path: Path) -> None:
    found = await self_check(tmp_path, Settings(data_dir=tmp_path)).diagnose()
    assert [fault for fault in found.faults if not fault.is_note] == []
    assert found.fine > 0


async def test_faults_come_before_notes(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "missing", engine=EngineSettings(default_lora="nobody"))
    (tmp_path / "missing").write_text("a file")
    found = await self_check(tmp_path, settings).diagnose()
    assert {"data_unusable", "default_unknown"} <= {fault.code for fault in found.faults if not fault.is_note}
    order = [fault.is_note for fault in found.faults]
    assert order == sorted(order)


async def test_who_became_a_host_in_a_chat_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "check_discord", lambda settings: answers())
    settings = Settings(data_dir=tmp_path, discord=DiscordSettings(token=SecretStr("x")))
    found = await self_check(tmp_path, settings).diagnose()
    assert "no_hosts" not in {fault.code for fault in found.faults}
    found = await self_check(tmp_path, settings, hosts=set).diagnose()
    assert "no_hosts" in {fault.code for fault in found.faults}


async def test_a_platform_that_hangs_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = Finding(Level.WRONG, "telegram", "token_refused", {"platform": "telegram"})
    monkeypatch.setattr(running, "PLATFORM_S", 0.05)
    monkeypatch.setattr(running, "check_discord", lambda settings: hangs())
    monkeypatch.setattr(running, "check_telegram", lambda settings, is_running: answers(fault))
    token = SecretStr("some-token")
    settings = Settings(
        data_dir=tmp_path, discord=DiscordSettings(token=token), telegram=TelegramSettings(token=token)
    )
    found = await self_check(tmp_path, settings).diagnose()
    assert found.unanswered == ("discord",)
    assert "token_refused" in {each.code for each in found.faults}
    assert "some-token" not in repr(found)
    assert replace(found, faults=()).fine == found.fine
