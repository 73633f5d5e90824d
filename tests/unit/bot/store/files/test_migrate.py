"""Every older database is migrated completely, with a copy beside it; a newer one stays unchanged."""

import asyncio
import contextlib
import hashlib
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from random import Random

import aiosqlite
import pytest

from bot.errors import DatabaseDamaged, DatabaseForeign, DatabaseNewer
from bot.store import open_store
from bot.store.files.migrate import APPLICATION_ID, migrate, read_migrations, require_ours
from tests.fakes.desk_harness import MIGRATIONS
from tests.unit.bot.store.stored import names_in

KNOWN = len(read_migrations(MIGRATIONS))
NEXT = f"{KNOWN + 1:04d}_more.sql"


def schema_of(path: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
    connection.close()
    return rows


def version_of(path: Path) -> int:
    with sqlite3.connect(path) as connection:
        [(version,)] = connection.execute("PRAGMA user_version")
    connection.close()
    return int(version)


def with_next(tmp_path: Path, sql: str) -> Path:
    """The migrations, and one more."""
    folder = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, folder)
    (folder / NEXT).write_text(f"-- Why: a test.\n{sql}\n")
    return folder


async def make(path: Path, migrations_dir: Path = MIGRATIONS) -> None:
    store = await open_store(path, migrations_dir)
    await store.close()


async def test_a_new_file_gets_the_whole_schema_and_no_backup(tmp_path: Path) -> None:
    await make(tmp_path / "new" / "a.db")
    assert version_of(tmp_path / "new" / "a.db") == KNOWN
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.db", "a.db.lock"]


async def test_an_older_database_is_copied_and_then_equals_a_fresh_one(tmp_path: Path) -> None:
    old, fresh = tmp_path / "old.db", tmp_path / "fresh.db"
    await make(old)
    with sqlite3.connect(old) as connection:
        connection.execute("INSERT INTO person VALUES (7, 7)")
    connection.close()
    more = with_next(tmp_path, "CREATE TABLE extra (n INTEGER) STRICT;")
    await make(old, more)
    await make(fresh, more)
    assert schema_of(old) == schema_of(fresh)
    with sqlite3.connect(old) as connection:
        assert connection.execute("SELECT id FROM person").fetchall() == [(7,)]
    connection.close()
    backup = tmp_path / f"old.db.v{KNOWN:04d}.backup"
    assert version_of(backup) == KNOWN
    assert ("extra",) not in [row[:1] for row in schema_of(backup)]


async def test_a_step_that_fails_leaves_the_version_before_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await make(path)
    broken = with_next(tmp_path, "CREATE TABLE extra (n INTEGER) STRICT;\nCREATE TABLE person (id INTEGER);")
    with pytest.raises(DatabaseDamaged, match="person"):
        await make(path, broken)
    assert version_of(path) == KNOWN
    assert "extra" not in dict(schema_of(path))
    await make(path)


async def test_a_newer_database_is_refused_and_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await make(path, with_next(tmp_path, "CREATE TABLE extra (n INTEGER) STRICT;"))
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(DatabaseNewer) as caught:
        await make(path)
    assert (caught.value.facts["found"], caught.value.facts["known"]) == (KNOWN + 1, KNOWN)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


async def test_a_database_of_today_is_opened_again_without_a_copy_and_without_a_check_of_each_row(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.db"
    await make(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO account (person) VALUES (99)")
        connection.commit()
    await make(path)
    assert names_in(tmp_path) == ["a.db", "a.db.lock"]


async def test_a_file_that_became_newer_meanwhile_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        await migrate(connection, path, read_migrations(MIGRATIONS))
        await connection.execute_fetchall(f"PRAGMA user_version = {KNOWN + 1}")
        with pytest.raises(DatabaseNewer) as caught:
            await migrate(connection, path, read_migrations(MIGRATIONS))
    assert caught.value.facts == {"path": str(path), "found": KNOWN + 1, "known": KNOWN}


async def test_a_step_that_fails_leaves_the_connection_outside_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    broken = read_migrations(with_next(tmp_path, "CREATE TABLE person (id INTEGER);"))
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        with pytest.raises(sqlite3.OperationalError, match="person"):
            await migrate(connection, path, broken)
        assert not connection.in_transaction
    assert version_of(path) == KNOWN


async def test_a_database_says_in_its_header_whose_it_is(tmp_path: Path) -> None:
    await make(tmp_path / "a.db")
    assert (tmp_path / "a.db").read_bytes()[68:72] == b"SUGA"


@pytest.mark.parametrize(
    ("program", "version", "tables", "is_ours"),
    [
        (0, 0, False, True),  # a new file
        (0, 1, True, True),  # from before our mark
        (APPLICATION_ID, 0, False, True),
        (0, 0, True, False),
        (0, 1, False, False),
        (77, 0, False, False),
        (77, 1, True, False),
    ],
)
def test_a_database_is_ours_by_its_mark_or_by_its_tables_and_number(
    tmp_path: Path, program: int, version: int, tables: bool, is_ours: bool
) -> None:
    path = tmp_path / "a.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        if tables:
            connection.executescript(read_migrations(MIGRATIONS)[0].path.read_text(encoding="utf-8"))
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute(f"PRAGMA application_id = {program}")
    if is_ours:
        require_ours(path)
    else:
        with pytest.raises(DatabaseForeign) as caught:
            require_ours(path)
        assert caught.value.facts == {"path": str(path)}


async def test_a_database_is_newer_from_the_first_step_on_that_is_not_known(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    require_ours(path, 0)
    await make(path)
    require_ours(path, KNOWN)
    require_ours(path)
    with pytest.raises(DatabaseNewer) as caught:
        require_ours(path, KNOWN - 1)
    assert caught.value.facts == {"path": str(path), "found": KNOWN, "known": KNOWN - 1}


def test_only_files_with_a_number_and_a_name_are_steps(tmp_path: Path) -> None:
    for name in (
        "0002_b.sql",
        "0001_a.sql",
        "notes.sql",
        "0003.sql",
        "3_c.sql",
        "0003_c.sql.txt",
        "README.md",
    ):
        (tmp_path / name).touch()
    assert [(step.number, step.path.name) for step in read_migrations(tmp_path)] == [
        (1, "0001_a.sql"),
        (2, "0002_b.sql"),
    ]


async def test_rows_without_parents_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await make(path)
    migrations = with_next(tmp_path, "INSERT INTO account (person) VALUES (99);")
    for _ in range(2):  # the second start finds what the first one found
        with pytest.raises(DatabaseDamaged, match="1 rows without their parents"):
            await make(path, migrations)
    assert version_of(path) == KNOWN
    await make(path)


def test_migrations_with_a_gap_or_a_clash_are_refused(tmp_path: Path) -> None:
    for names in (["0002_a.sql"], ["0001_a.sql", "0001_b.sql"], []):
        folder = tmp_path / str(len(names)) / "".join(names)
        folder.mkdir(parents=True)
        for name in names:
            (folder / name).touch()
        with pytest.raises(ValueError, match="numbered"):
            read_migrations(folder)


def test_a_process_killed_while_it_migrates_is_repeated_without_loss(tmp_path: Path) -> None:
    """End it at random moments of its own CPU time; the next start finds a step done or not begun."""
    more = with_next(tmp_path, "".join(f"CREATE TABLE extra_{n} (n INTEGER) STRICT;\n" for n in range(200)))
    path, random = tmp_path / "a.db", Random(7)
    script = (
        "import asyncio, signal, sys; from pathlib import Path; from bot.store import open_store\n"
        "async def main():\n"
        "    signal.setitimer(signal.ITIMER_PROF, float(sys.argv[3]))  # SIGPROF ends a process at once\n"
        "    store = await open_store(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "    await store.close()\n"
        "asyncio.run(main())"
    )
    kills = 0
    for _ in range(4):
        path.unlink(missing_ok=True)
        words = [str(path), str(more), str(random.uniform(0.001, 0.03))]
        ended = subprocess.run([sys.executable, "-c", script, *words], capture_output=True)
        kills += ended.returncode == -signal.SIGPROF
        extras = sum(name.startswith("extra_") for name, _ in schema_of(path))
        assert extras == (200 if version_of(path) == KNOWN + 1 else 0)
        asyncio.run(make(path, more))
        assert version_of(path) == KNOWN + 1
        for leftover in tmp_path.glob("a.db*"):
            leftover.unlink()
    assert kills > 0, "every process was through before its kill"


async def test_a_newer_database_keeps_even_the_log_that_a_crash_left(tmp_path: Path) -> None:
    path, log = tmp_path / "a.db", tmp_path / "a.db-wal"
    await make(path, with_next(tmp_path, "CREATE TABLE extra (n INTEGER) STRICT;"))
    with contextlib.closing(sqlite3.connect(path)) as newer:
        newer.execute("INSERT INTO person VALUES (7, 7)")
        newer.commit()
        left = {file: file.read_bytes() for file in (path, log)}
    assert left[log]
    log.write_bytes(left[log])
    path.write_bytes(left[path])
    with pytest.raises(DatabaseNewer):
        await make(path)
    assert {file: file.read_bytes() for file in (path, log)} == left
