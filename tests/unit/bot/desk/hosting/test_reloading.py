"""A change of the settings file counts without a restart; a file with a fault changes nothing."""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
from structlog.typing import EventDict

from bot.checks.finding import Level
from bot.checks.storage import check_restart
from bot.desk.hosting.reloading import SettingsReload, read_record
from bot.errors import CannotSave
from bot.messages.checks import format_finding
from bot.policy.rules import Rules
from bot.settings import Settings, SettingsFiles, load_settings
from bot.settings.files import Looks
from bot.settings.live import LiveSettings
from tests.fakes.desk_harness import until


class CountingFiles(SettingsFiles):
    """Counts what is asked of it."""

    looks = reads = 0

    def look(self) -> Looks:
        self.looks += 1
        return super().look()

    def read(self) -> Settings:
        self.reads += 1
        return super().read()


class World:
    """A settings file, the settings that count, and what was logged."""

    def __init__(self, folder: Path, logged: list[EventDict]) -> None:
        self.file = folder / "sugarbot.toml"
        self.file.write_text('hosts = ["discord:1"]')
        self.record = folder / "restart-needed.json"
        self.logged = logged
        self.rules: list[Rules] = []
        self.is_locked = False
        self.files = CountingFiles(self.file, {})
        self.live = LiveSettings(load_settings(self.file, {}))
        self.reload = SettingsReload(
            live=self.live,
            files=self.files,
            use_rules=self._use_rules,
            record=self.record,
            look_every_s=0.01,
        )

    async def _use_rules(self, rules: Rules) -> None:
        if self.is_locked:
            raise CannotSave(detail="database is locked")
        self.rules.append(rules)

    def events(self, name: str) -> list[EventDict]:
        return [each for each in self.logged if each["event"] == name]

    @contextlib.asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        before = self.files.looks
        task = asyncio.create_task(self.reload.run(), name="watch settings")
        await until(lambda: self.files.looks > before)  # what changes from now on is a change
        yield
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with structlog.testing.capture_logs() as logged:
        yield World(tmp_path, logged)


async def test_a_changed_file_counts_and_its_rules_hold_at_once(world: World) -> None:
    async with world.watching():
        world.file.write_text('hosts = ["discord:2"]\nallow = ["telegram:*"]\nquota.daily_credits = 7')
        await until(lambda: bool(world.events("settings read again")))
    [rules] = world.rules
    assert (rules.hosts, rules.allow, rules.daily_credits) == ({"discord:2"}, {"telegram:*"}, 7)
    assert world.live.now.hosts == ("discord:2",)
    [line] = world.events("settings read again")
    assert line["settings"] == "allow, hosts, quota.daily_credits"


async def test_a_change_between_the_reading_of_the_settings_and_the_first_look_counts(world: World) -> None:
    world.file.write_text('hosts = ["discord:2"]')
    async with world.watching():
        await until(lambda: bool(world.rules))
    assert world.live.now.hosts == ("discord:2",)


async def test_a_start_with_unchanged_files_reads_nothing_again(world: World) -> None:
    async with world.watching():
        await until(lambda: world.files.looks > 5)
    assert world.files.reads == 0
    assert world.logged == []


async def test_a_secret_that_can_be_read_once_is_read_once(tmp_path: Path) -> None:
    """As in ``…_PASSWORD_FILE=<(pass sugarbot)``: a second reading would find nothing."""
    pipe = tmp_path / "password"
    os.mkfifo(pipe)
    files = SettingsFiles(None, {"SUGARBOT_WEB__OPERATOR_PASSWORD_FILE": str(pipe)})
    before = files.look()
    writer = threading.Thread(target=pipe.write_text, args=["pass-word"])
    writer.start()
    assert pipe.read_text() == "pass-word"
    writer.join()
    assert files.first == before == files.look()


async def test_rules_that_could_not_be_used_are_used_as_soon_as_they_can(world: World) -> None:
    world.file.write_text('hosts = ["discord:2"]')
    world.is_locked = True
    with pytest.raises(CannotSave):  # supervision starts the watch again
        await world.reload.reload()
    world.is_locked = False
    async with world.watching():
        await until(lambda: bool(world.rules))
    assert [rules.hosts for rules in world.rules] == [{"discord:2"}]


async def test_a_host_may_ask_without_a_change(world: World) -> None:
    async with world.watching():
        world.reload.ask()
        await until(lambda: bool(world.events("settings read again")))
    assert world.rules == []


async def test_a_file_with_a_fault_changes_nothing_and_says_why(world: World) -> None:
    async with world.watching():
        world.file.write_text('hosts = ["discord:2"]\nallow = 7\nlanguage = 8')
        await until(lambda: bool(world.events("settings not read again, the former ones count")))
        assert world.live.now.hosts == ("discord:1",)
        [line] = world.events("settings not read again, the former ones count")
        assert "allow must be" in line["why"]
        assert "\n" not in line["why"]
        assert "start again" not in line["why"], "the bot runs on"
        world.file.write_text('hosts = ["discord:2"]')
        await until(lambda: bool(world.rules))
    assert world.live.now.hosts == ("discord:2",)


async def test_a_file_that_is_still_being_written_is_not_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    read_after: list[int] = []

    def look() -> tuple[tuple[int, int, int]]:
        looks.append(min(len(looks), 5))  # it changes at five looks, then it stays as it is
        return ((looks[-1], 0, 0),)

    async def note() -> None:
        read_after.append(len(looks))

    monkeypatch.setattr(world.files, "look", look)
    monkeypatch.setattr(world.reload, "reload", note)
    task = asyncio.create_task(world.reload.run(), name="watch settings")
    await until(lambda: len(looks) > 10)
    task.cancel()
    await asyncio.wait([task])
    assert read_after == [7]


async def test_what_needs_a_restart_is_logged_recorded_and_told_by_doctor(world: World) -> None:
    async with world.watching():
        world.file.write_text('hosts = ["discord:1"]\nweb.port = 7777\ndiscord.token = "a-secret"')
        world.file.chmod(0o600)
        await until(lambda: bool(world.events("changed settings need a restart")))
        [line] = world.events("changed settings need a restart")
        assert line["settings"] == "discord.token, web.port"
        [finding] = check_restart(world.record)
        assert finding.level is Level.NOTE
        assert "discord.token, web.port" in format_finding(finding.code, finding.facts, "en")
        assert "a-secret" not in world.record.read_text() + str(world.logged)
        world.file.write_text('hosts = ["discord:1"]')
        await until(lambda: not world.record.exists())
    assert list(check_restart(world.record)) == []


async def test_the_record_of_an_earlier_run_goes_at_the_start(world: World) -> None:
    world.record.write_text('["web.port"]')
    assert read_record(world.record) == ("web.port",)
    async with world.watching():
        await until(lambda: not world.record.exists())


@pytest.mark.parametrize("content", ["", "{", "7", "\xff"])
def test_a_damaged_record_names_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / "record").write_text(content, encoding="latin-1")
    assert read_record(tmp_path / "record") == ()


async def test_a_file_that_goes_and_comes_back_is_read(world: World) -> None:
    async with world.watching():
        world.file.unlink()
        await until(lambda: bool(world.logged))
        world.file.write_text('hosts = ["discord:5"]')
        await until(lambda: world.live.now.hosts == ("discord:5",))
