"""A backup is sound and complete whenever it is made; a restore changes everything or nothing."""

import asyncio
import hashlib
import sqlite3
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.commands.values import Draw
from bot.errors import DatabaseDamaged, DatabaseForeign, DatabaseInUse, DatabaseMissing, DatabaseNewer
from bot.store.files.backup import KEEP_DAYS, KEEP_WEEKS, back_up, restore, thin_out
from tests.fakes.desk_harness import MIGRATIONS, a_context, open_harness

NOW_S = 1_790_000_000.0
DAY_S = 86_400


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def jobs_in(folder: Path) -> int:
    async with open_harness(folder) as harness:
        survey = await harness.store.survey()
    assert survey.is_sound
    return sum(survey.jobs.values())


async def test_backups_made_while_the_bot_writes_are_sound_each_one(tmp_path: Path) -> None:
    backups: list[Path] = []
    async with open_harness(tmp_path) as harness, harness.running():
        for number in range(12):
            await harness.desk.handle(Draw(prompt="a face"), a_context(str(number), f"person{number}"))
            backups.append(
                await asyncio.to_thread(
                    back_up, tmp_path / "sugarbot.db", tmp_path / "backups", NOW_S + number
                )
            )
    for number, backup in enumerate(backups):
        with sqlite3.connect(backup) as connection:
            [(verdict,)] = connection.execute("PRAGMA integrity_check")
            [(jobs,)] = connection.execute("SELECT count(*) FROM job")
        connection.close()
        assert (verdict, jobs) == ("ok", number + 1)


async def test_a_restore_brings_the_old_state_back_and_sets_the_other_file_aside(tmp_path: Path) -> None:
    path = tmp_path / "sugarbot.db"
    async with open_harness(tmp_path) as harness:
        await harness.desk.handle(Draw(prompt="a face"), a_context("1"))
        backup = back_up(path, tmp_path / "backups", NOW_S)
        await harness.desk.handle(Draw(prompt="a face"), a_context("2"))
    aside = restore(backup, path, MIGRATIONS, NOW_S)
    assert await jobs_in(tmp_path) == 1
    assert aside is not None
    aside.replace(path)
    assert await jobs_in(tmp_path) == 2


async def test_a_restore_into_an_empty_folder_needs_nothing_there(tmp_path: Path) -> None:
    async with open_harness(tmp_path / "old") as harness:
        await harness.desk.handle(Draw(prompt="a face"), a_context("1"))
        backup = back_up(tmp_path / "old" / "sugarbot.db", tmp_path, NOW_S)
    assert restore(backup, tmp_path / "new" / "sugarbot.db", MIGRATIONS, NOW_S) is None
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert await jobs_in(tmp_path / "new") == 1


async def test_a_restore_under_a_running_bot_is_refused(tmp_path: Path) -> None:
    async with open_harness(tmp_path):
        backup = back_up(tmp_path / "sugarbot.db", tmp_path, NOW_S)
        with pytest.raises(DatabaseInUse):
            restore(backup, tmp_path / "sugarbot.db", MIGRATIONS, NOW_S)


@pytest.mark.parametrize("what", ["cut", "text", "another", "newer", "missing"])
async def test_a_backup_that_is_none_of_ours_changes_nothing(tmp_path: Path, what: str) -> None:
    path = tmp_path / "sugarbot.db"
    async with open_harness(tmp_path) as harness:
        await harness.desk.handle(Draw(prompt="a face"), a_context("1"))
        good = back_up(path, tmp_path, NOW_S)
    bad, error = tmp_path / "bad.db", DatabaseMissing if what == "missing" else DatabaseDamaged
    if what == "cut":
        bad.write_bytes(good.read_bytes()[:9000])
    elif what == "text":
        bad.write_text("not a database at all, but long enough to be looked at " * 20)
    elif what == "another":
        with sqlite3.connect(bad) as connection:
            connection.execute("CREATE TABLE other (id)")
        connection.close()
        error = DatabaseForeign
    elif what == "newer":
        bad.write_bytes(good.read_bytes())
        with sqlite3.connect(bad) as connection:
            connection.execute("PRAGMA user_version = 9999")
        connection.close()
        error = DatabaseNewer
    before = sha256(path)
    with pytest.raises(error):
        restore(bad, path, MIGRATIONS, NOW_S)
    assert sha256(path) == before
    assert await jobs_in(tmp_path) == 1


def test_a_database_that_is_not_there_is_no_empty_backup(tmp_path: Path) -> None:
    with pytest.raises(DatabaseMissing):
        back_up(tmp_path / "sugarbot.db", tmp_path / "backups", NOW_S)
    assert not (tmp_path / "backups").exists()


def test_a_week_of_days_and_a_month_of_weeks_are_kept(tmp_path: Path) -> None:
    for day in range(60):
        for hour in (0, 5):
            made = datetime.fromtimestamp(NOW_S - day * DAY_S - hour * 3600, tz=UTC)
            (tmp_path / f"sugarbot-{made:%Y%m%d-%H%M%S}.db").touch()
    (tmp_path / "mine.db").touch()
    thin_out(tmp_path, NOW_S)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert "mine.db" in kept
    assert KEEP_DAYS + KEEP_WEEKS - 2 <= len(kept) - 1 <= KEEP_DAYS + KEEP_WEEKS
    assert f"sugarbot-{datetime.fromtimestamp(NOW_S, tz=UTC):%Y%m%d-%H%M%S}.db" in kept


async def test_an_interrupted_restore_leaves_the_database_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sugarbot.db"
    async with open_harness(tmp_path) as harness:
        await harness.desk.handle(Draw(prompt="a face"), a_context("1"))
        made = back_up(path, tmp_path / "backups", NOW_S)
        await harness.desk.handle(Draw(prompt="a face"), a_context("2"))

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", cut_off)
        with pytest.raises(KeyboardInterrupt):
            restore(made, path, MIGRATIONS, NOW_S)
    assert await jobs_in(tmp_path) == 2
    aside = restore(made, path, MIGRATIONS, NOW_S)
    assert await jobs_in(tmp_path) == 1
    again = restore(made, path, MIGRATIONS, NOW_S)
    assert aside is not None
    assert again is not None
    assert aside != again, "a second restore within a second took the first one's copy"


async def test_a_restore_keeps_the_old_file_also_where_it_can_have_no_second_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "sugarbot.db"
    async with open_harness(tmp_path) as harness:
        await harness.desk.handle(Draw(prompt="a face"), a_context("1"))
        backup = back_up(path, tmp_path / "backups", NOW_S)
        await harness.desk.handle(Draw(prompt="a face"), a_context("2"))

    def refuse(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr("os.link", refuse)
    aside = restore(backup, path, MIGRATIONS, NOW_S)
    assert aside is not None
    aside.replace(path)
    assert await jobs_in(tmp_path) == 2
