"""A restore changes everything or nothing, and leaves a sound database of this version."""

import contextlib
import hashlib
import multiprocessing
import os
import shutil
import signal
import sqlite3
import stat
import sys
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from bot.commands.values import Draw
from bot.errors import (
    BackupUnsound,
    DatabaseDamaged,
    DatabaseForeign,
    DatabaseInUse,
    DatabaseMissing,
    DatabaseNewer,
    MigrationFailed,
    RestoreFailed,
)
from bot.messages import format_error
from bot.store import open_store
from bot.store.files import restore as module
from bot.store.files.backup import back_up
from bot.store.files.migrate import open_unchanged, read_migrations
from bot.store.files.restore import restore
from bot.store.survey import survey_file
from engine import durable
from tests.fakes.desk_harness import MIGRATIONS, a_context, open_harness
from tests.unit.bot.store.stored import a_person, names_in

NOW_S = 1_790_000_000.0
KNOWN = len(read_migrations(MIGRATIONS))
OLDER = KNOWN - 2


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def jobs_in(folder: Path) -> int:
    async with open_harness(folder) as harness:
        survey = await harness.store.survey()
    assert survey.is_sound
    return sum(survey.jobs.values())


def first_migrations(folder: Path, count: int) -> Path:
    """A folder with the first migrations, as an older version has."""
    folder.mkdir(parents=True)
    for migration in read_migrations(MIGRATIONS)[:count]:
        shutil.copy(migration.path, folder)
    return folder


def databases_in(folder: Path) -> list[str]:
    return [name for name in names_in(folder) if name.startswith("sugarbot.db")]


async def an_older_backup(folder: Path) -> Path:
    """A backup of an older version, with one person: Ann."""
    store = await open_store(folder / "a.db", first_migrations(folder / "migrations", OLDER))
    await a_person(store, "web", "ann", "Ann", "en", 1)
    await store.close()
    return back_up(folder / "a.db", folder, NOW_S)


async def a_database(path: Path, *names: str) -> Path:
    store = await open_store(path, MIGRATIONS)
    for name in names:
        await a_person(store, "web", name.lower(), name, "en", 1)
    await store.close()
    return path


def people_in(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM identity ORDER BY name")]


async def test_a_restore_brings_the_old_state_back_and_sets_the_other_file_aside(tmp_path: Path) -> None:
    path = tmp_path / "sugarbot.db"
    async with open_harness(tmp_path) as harness:
        await harness.desk.handle(Draw(prompt="a face"), a_context("1"))
        backup = back_up(path, tmp_path / "backups", NOW_S)
        await harness.desk.handle(Draw(prompt="a face"), a_context("2"))
    aside = restore(backup, path, MIGRATIONS, NOW_S).restore_point
    assert await jobs_in(tmp_path) == 1
    assert aside is not None
    aside.replace(path)
    assert await jobs_in(tmp_path) == 2


async def test_a_restore_into_an_empty_folder_needs_nothing_there(tmp_path: Path) -> None:
    async with open_harness(tmp_path / "old") as harness:
        await harness.desk.handle(Draw(prompt="a face"), a_context("1"))
        backup = back_up(tmp_path / "old" / "sugarbot.db", tmp_path, NOW_S)
    assert restore(backup, tmp_path / "new" / "sugarbot.db", MIGRATIONS, NOW_S).restore_point is None
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
    aside = restore(made, path, MIGRATIONS, NOW_S).restore_point
    assert await jobs_in(tmp_path) == 1
    again = restore(made, path, MIGRATIONS, NOW_S).restore_point
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
    aside = restore(backup, path, MIGRATIONS, NOW_S).restore_point
    assert aside is not None
    aside.replace(path)
    assert await jobs_in(tmp_path) == 2


async def test_a_backup_of_an_older_version_is_migrated_and_the_names_of_its_migrations_are_told(
    tmp_path: Path,
) -> None:
    made = await an_older_backup(tmp_path / "old")
    before = sha256(made)
    path = await a_database(tmp_path / "sugarbot.db", "Bob", "Carl")
    restored = restore(made, path, MIGRATIONS, NOW_S)
    assert [each.number for each in restored.migrations] == [OLDER + 1, OLDER + 2]
    assert (restored.survey.schema, restored.survey.people) == (KNOWN, 1)
    assert people_in(path) == ["Ann"]
    assert restored.restore_point is not None
    assert people_in(restored.restore_point) == ["Bob", "Carl"]
    assert sha256(made) == before
    back = restore(restored.restore_point, path, MIGRATIONS, NOW_S + 1)
    assert people_in(path) == ["Bob", "Carl"]
    assert back.migrations == ()


async def test_the_log_of_a_copy_that_was_taken_by_hand_is_part_of_it(tmp_path: Path) -> None:
    path = await a_database(tmp_path / "sugarbot.db", "Ann")
    (tmp_path / "copy").mkdir()
    store = await open_store(path, MIGRATIONS)
    await a_person(store, "web", "bob", "Bob", "en", 1)
    for end in ("", "-wal"):
        shutil.copy(f"{path}{end}", tmp_path / "copy" / f"mine.db{end}")
    await store.close()
    restore(tmp_path / "copy" / "mine.db", tmp_path / "new" / "sugarbot.db", MIGRATIONS, NOW_S)
    assert people_in(tmp_path / "new" / "sugarbot.db") == ["Ann", "Bob"]


@pytest.mark.parametrize("locale", ["en", "zh-CN"])
async def test_broken_laws_are_named_and_accepted_only_if_the_host_says_so(
    tmp_path: Path, locale: str
) -> None:
    async with open_harness(tmp_path / "old") as harness:
        await harness.desk.handle(Draw(prompt="a face"), a_context("1"))
        made = back_up(tmp_path / "old" / "sugarbot.db", tmp_path, NOW_S)
    with contextlib.closing(sqlite3.connect(made)) as connection, connection:
        connection.execute("UPDATE account SET credits = credits + 1")
    path = await a_database(tmp_path / "sugarbot.db", "Bob")
    before = sha256(path)
    with pytest.raises(BackupUnsound) as caught:
        restore(made, path, MIGRATIONS, NOW_S)
    sentence = format_error(caught.value, locale)
    assert str(made) in sentence
    assert {"en": "ledger; people: 1", "zh-CN": "有 1 人的额度"}[locale] in sentence
    assert sha256(path) == before
    assert restore(made, path, MIGRATIONS, NOW_S, accepts_broken_laws=True).survey.unbalanced == 1


async def test_rows_without_their_parents_are_never_accepted(tmp_path: Path) -> None:
    made = back_up(await a_database(tmp_path / "old.db", "Ann"), tmp_path, NOW_S)
    with contextlib.closing(sqlite3.connect(made)) as connection, connection:
        connection.execute("DELETE FROM person")
    with pytest.raises(BackupUnsound):
        restore(made, tmp_path / "sugarbot.db", MIGRATIONS, NOW_S, accepts_broken_laws=True)
    assert not (tmp_path / "sugarbot.db").exists()


async def test_a_migration_that_does_not_fit_the_rows_changes_nothing(tmp_path: Path) -> None:
    made = await an_older_backup(tmp_path / "old")
    path = await a_database(tmp_path / "sugarbot.db", "Bob")
    steps = first_migrations(tmp_path / "migrations", KNOWN)
    (steps / f"{KNOWN + 1:04d}_strict.sql").write_text("-- Why: no.\nINSERT INTO person VALUES (1, 1);")
    with pytest.raises(MigrationFailed) as caught:
        restore(made, path, steps, NOW_S)
    assert str(made) in format_error(caught.value, "zh-CN")
    assert people_in(path) == ["Bob"]
    assert databases_in(tmp_path) == ["sugarbot.db", "sugarbot.db.lock"]


@pytest.mark.parametrize("has_links", [True, False])
@pytest.mark.parametrize("fault", ["the folder is not synced", "another content is there"])
async def test_the_restore_point_takes_its_name_back_if_the_new_database_is_not_there_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, has_links: bool
) -> None:
    made = await an_older_backup(tmp_path / "old")
    path = await a_database(tmp_path / "sugarbot.db", "Bob")
    replace = Path.replace

    def replace_badly(draft: Path, target: Path) -> Path:
        replaced = replace(draft, target)
        if target == path and draft.name.endswith(".part"):
            if fault == "the folder is not synced":
                raise OSError(5, "Input/output error")
            path.write_bytes(b"lost")
        return replaced

    def refuse(*_: object) -> None:
        raise PermissionError("no hard links here")

    monkeypatch.setattr(Path, "replace", replace_badly)
    if not has_links:
        monkeypatch.setattr("os.link", refuse)
    with pytest.raises(RestoreFailed):
        restore(made, path, MIGRATIONS, NOW_S)
    assert people_in(path) == ["Bob"]
    assert databases_in(tmp_path) == ["sugarbot.db", "sugarbot.db.lock"]


async def test_a_database_that_another_program_reads_is_not_replaced(tmp_path: Path) -> None:
    made = await an_older_backup(tmp_path / "old")
    path = await a_database(tmp_path / "sugarbot.db", "Bob")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN")
        other.execute("SELECT * FROM person").fetchall()
        with contextlib.closing(sqlite3.connect(path)) as writer, writer:
            writer.execute("UPDATE identity SET name = 'Bill'")
        with pytest.raises(DatabaseInUse):
            restore(made, path, MIGRATIONS, NOW_S)
    assert people_in(path) == ["Bill"]


def restore_until(step: int, made: Path, path: Path) -> None:
    """Restore, and die before the given line of the restore's own code; a process of its own."""
    files = {str(Path(module.__file__)), str(Path(durable.__file__))}
    lines = 0

    def count(_: FrameType, event: str, __: Any) -> Any:
        nonlocal lines
        if event == "line":
            lines += 1
            if lines == step:
                os.kill(os.getpid(), signal.SIGKILL)
        return count

    sys.settrace(lambda frame, *_: count if frame.f_code.co_filename in files else None)
    restore(made, path, MIGRATIONS, NOW_S)
    sys.settrace(None)


@pytest.mark.parametrize("has_log", [False, True])
async def test_a_kill_before_any_line_leaves_the_old_or_the_new_database_whole(
    tmp_path: Path, has_log: bool
) -> None:
    made = await an_older_backup(tmp_path / "old")
    (tmp_path / "before").mkdir()
    await a_database(tmp_path / "before" / "sugarbot.db", "Bob")
    if has_log:
        leave_a_log(tmp_path / "before" / "sugarbot.db")
    old = ["Bob", "Carl"] if has_log else ["Bob"]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    seen = set()
    for step in range(1, 1_000, 1 if has_log else 5):
        folder = shutil.copytree(tmp_path / "before", tmp_path / f"at {step}")
        path = folder / "sugarbot.db"
        process = context.Process(target=restore_until, args=(step, made, path))
        process.start()
        process.join()
        people = people_in(path)
        assert people in (old, ["Ann"]), f"line {step}"
        seen.add(tuple(people))
        if people == ["Ann"]:
            [point] = folder.glob("*.aside")
            assert people_in(point) == old
        with contextlib.closing(open_unchanged(path)) as connection:
            assert survey_file(connection).is_sound
        again = restore(made, path, MIGRATIONS, NOW_S + 60)
        assert again.survey.is_sound
        shutil.rmtree(folder)
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert process.exitcode == 0
    assert step > 50
    assert seen == {tuple(old), ("Ann",)}


def leave_a_log(path: Path) -> None:
    """Add Carl as a process that dies before the log is folded in."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("INSERT INTO person VALUES (2, 1)")
        connection.execute("INSERT INTO identity VALUES ('web', 'carl', 2, 'Carl', 'en')")
        connection.commit()
        left = {file: file.read_bytes() for file in (path, path.with_name(f"{path.name}-wal"))}
    for file, content in left.items():
        file.write_bytes(content)
