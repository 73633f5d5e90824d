"""A database that is gone or damaged is never replaced silently: the newest sound backup is offered."""

from pathlib import Path

import pytest

from bot.errors import BackupDamaged, DatabaseDamaged, DatabaseLost, DatabaseMissing, SugarbotError
from bot.messages import format_error
from bot.store import open_store
from bot.store.files.backup import back_up
from bot.store.files.restore import restore
from bot.store.survey import survey_at
from tests.fakes.desk_harness import MIGRATIONS
from tests.unit.bot.store.stored import a_person

NOW_S = 1_790_000_000.0
DAY_S = 86_400


async def a_bot_that_has_run(folder: Path) -> list[Path]:
    """A data folder with a database and three backups, the newest of which is damaged; oldest first."""
    path = folder / "sugarbot.db"
    store = await open_store(path, MIGRATIONS)
    await a_person(store, "web", "ann")
    await store.close()
    backups = [back_up(path, folder / "backups", NOW_S + day * DAY_S) for day in range(3)]
    backups[-1].write_bytes(b"no database")
    return backups


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def overwrite(path: Path) -> None:
    path.write_bytes(b"no database" * 1_000)


def logs_aside(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.glob("*.aside-wal")]


def advice(error: SugarbotError) -> str:
    assert format_error(error, "zh-CN") != format_error(error, "en")
    return format_error(error, "en")


@pytest.mark.parametrize("lose", [empty, remove])
async def test_a_lost_database_is_not_started_over_and_the_newest_sound_backup_is_offered(
    tmp_path: Path, lose: object
) -> None:
    _, newest_sound, _ = await a_bot_that_has_run(tmp_path)
    path = tmp_path / "sugarbot.db"
    assert callable(lose)
    lose(path)
    was_there = path.exists()
    for work in (
        lambda: survey_at(path, 99),
        lambda: back_up(path, tmp_path / "backups", NOW_S),
    ):
        with pytest.raises(DatabaseLost):
            work()
    with pytest.raises(DatabaseLost) as caught:
        await open_store(path, MIGRATIONS)
    assert f"`sugarbot db restore {newest_sound}`" in advice(caught.value)
    assert path.exists() is was_there
    assert not was_there or path.stat().st_size == 0
    restore(newest_sound, path, MIGRATIONS, NOW_S)
    await (await open_store(path, MIGRATIONS)).close()


@pytest.mark.parametrize(
    "trace", ["pictures/0f/0f.png", "sugarbot.db.v0025.backup", "sugarbot.db.20260101-040000.aside"]
)
async def test_pictures_and_copies_show_that_a_bot_has_run(tmp_path: Path, trace: str) -> None:
    left = tmp_path / trace
    left.parent.mkdir(parents=True, exist_ok=True)
    left.write_bytes(b"x")
    with pytest.raises(DatabaseLost) as caught:
        await open_store(tmp_path / "sugarbot.db", MIGRATIONS)
    assert "no sound backup" in advice(caught.value)
    assert "To start over" in advice(caught.value)


async def test_an_empty_file_in_a_new_folder_may_start(tmp_path: Path) -> None:
    path = tmp_path / "sugarbot.db"
    empty(path)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "holiday-1.png").write_bytes(b"x")  # not ours
    with pytest.raises(DatabaseMissing):
        back_up(path, tmp_path / "backups", NOW_S)
    await (await open_store(path, MIGRATIONS)).close()


async def test_a_damaged_database_and_a_damaged_backup_name_the_newest_sound_backup(tmp_path: Path) -> None:
    *_, newest_sound, damaged = await a_bot_that_has_run(tmp_path)
    path = tmp_path / "sugarbot.db"
    with pytest.raises(BackupDamaged) as backup_caught:
        restore(damaged, path, MIGRATIONS, NOW_S)
    assert f"`sugarbot db restore {newest_sound}`" in advice(backup_caught.value)
    assert str(damaged) in advice(backup_caught.value)
    assert "start over" not in advice(backup_caught.value)
    overwrite(path)
    with pytest.raises(DatabaseDamaged) as caught:
        await open_store(path, MIGRATIONS)
    assert f"`sugarbot db restore {newest_sound}`" in advice(caught.value)


async def test_the_log_of_a_lost_database_does_not_change_the_restored_one(tmp_path: Path) -> None:
    _, sound, _ = await a_bot_that_has_run(tmp_path)
    path = tmp_path / "sugarbot.db"
    log = tmp_path / "sugarbot.db-wal"
    store = await open_store(path, MIGRATIONS)
    await a_person(store, "web", "bob")
    content = log.read_bytes()
    await store.close()
    path.unlink()
    log.write_bytes(content)
    assert restore(sound, path, MIGRATIONS, NOW_S).survey.people == 1
    assert survey_at(path, 99).people == 1
    assert logs_aside(tmp_path) == [content]


async def test_without_a_sound_backup_the_newest_sound_copy_is_offered(tmp_path: Path) -> None:
    for backup in await a_bot_that_has_run(tmp_path):
        empty(backup)
    path = tmp_path / "sugarbot.db"
    copy = path.rename(tmp_path / "sugarbot.db.v0025.backup")
    empty(tmp_path / "sugarbot.db.20260921-040000.aside")
    with pytest.raises(DatabaseLost) as caught:
        await open_store(path, MIGRATIONS)
    assert f"`sugarbot db restore {copy}`" in advice(caught.value)
