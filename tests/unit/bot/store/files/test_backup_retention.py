"""Backups: which files count as backups, and which are deleted."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.store.files.backup import KEEP_NIGHTS, newest_s, thin_out
from tests.unit.bot.store.stored import names_in

NOW_S = datetime(2027, 1, 6, 12, tzinfo=UTC).timestamp()  # a Wednesday
HOUR_S = 3_600.0
DAY_S = 24 * HOUR_S


def a_backup(folder: Path, made_s: float) -> str:
    """An empty file with the name of a backup of this moment; the name."""
    path = folder / f"sugarbot-{datetime.fromtimestamp(made_s, tz=UTC):%Y%m%d-%H%M%S}.db"
    path.touch()
    return path.name


def test_without_backups_the_newest_was_never_made(tmp_path: Path) -> None:
    assert newest_s(tmp_path, NOW_S) == 0
    assert newest_s(tmp_path / "not there", NOW_S) == 0


def test_the_time_of_the_newest_backup_is_known(tmp_path: Path) -> None:
    for hours in (30, 2, 7):
        a_backup(tmp_path, NOW_S - hours * HOUR_S)
    assert newest_s(tmp_path, NOW_S) == NOW_S - 2 * HOUR_S


def test_a_clock_may_have_been_an_hour_ahead_but_no_more(tmp_path: Path) -> None:
    a_backup(tmp_path, NOW_S + HOUR_S + 1)
    a_backup(tmp_path, NOW_S - DAY_S)
    assert newest_s(tmp_path, NOW_S) == NOW_S - DAY_S
    a_backup(tmp_path, NOW_S + HOUR_S)
    assert newest_s(tmp_path, NOW_S) == NOW_S + HOUR_S


def test_names_with_an_impossible_date_or_none_are_neither_counted_nor_deleted(tmp_path: Path) -> None:
    strange = {
        "sugarbot-20261301-000000.db",
        "sugarbot-20260230-000000.db",
        "sugarbot-20261201-000000.db.db",
        "sugarbot-.db",
        "sugarbot-mine.db",
        "my-sugarbot-20261201-000000.db",
    }
    for name in strange:
        (tmp_path / name).touch()
    assert newest_s(tmp_path, NOW_S) == 0
    good = a_backup(tmp_path, NOW_S - 300 * DAY_S)
    assert thin_out(tmp_path, NOW_S) == ()
    assert names_in(tmp_path) == sorted({*strange, good})


def test_fourteen_nights_are_kept_over_the_new_year_too(tmp_path: Path) -> None:
    made = {a_backup(tmp_path, NOW_S - day * DAY_S) for day in range(60)}
    gone = thin_out(tmp_path, NOW_S)
    days = [*(f"202612{day}" for day in range(24, 32)), *(f"2027010{day}" for day in range(1, 7))]
    kept = {f"sugarbot-{day}-120000.db" for day in days}
    assert len(kept) == KEEP_NIGHTS == 14
    assert names_in(tmp_path) == sorted(kept)
    assert {path.name for path in gone} == made - kept
    assert thin_out(tmp_path, NOW_S) == ()


def test_of_each_day_the_newest_is_kept(tmp_path: Path) -> None:
    old = [a_backup(tmp_path, NOW_S - hours * HOUR_S) for hours in (2, 3)]
    newest = a_backup(tmp_path, NOW_S - HOUR_S)
    assert sorted(path.name for path in thin_out(tmp_path, NOW_S)) == sorted(old)
    assert names_in(tmp_path) == [newest]


def test_a_backup_of_a_wrong_clock_pushes_no_other_out_and_stays(tmp_path: Path) -> None:
    made = {a_backup(tmp_path, NOW_S - day * DAY_S) for day in range(7)}
    ahead = {a_backup(tmp_path, NOW_S + day * DAY_S) for day in range(1, 9)}
    thin_out(tmp_path, NOW_S)
    assert names_in(tmp_path) == sorted(made | ahead)


def test_a_backup_that_the_host_deletes_meanwhile_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for hours in (1, 2, 3):
        a_backup(tmp_path, NOW_S - hours * HOUR_S)
    unlink = Path.unlink

    def deleted_already(path: Path, **options: Any) -> None:
        os.unlink(path)
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", deleted_already)
    assert len(thin_out(tmp_path, NOW_S)) == 2
