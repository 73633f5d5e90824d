"""Rows of the schema: migration from every version to the newest, kills during it, and newer databases."""

import asyncio
import contextlib
import hashlib
import os
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

from bot.errors import DatabaseNewer
from bot.store import open_store
from bot.store.files.migrate import read_migrations
from tests.crash.harness import begin
from tests.crash.rows import Measured, Row, Scale
from tests.fakes.desk_harness import MIGRATIONS
from tests.unit.bot.store.stored import a_person

MORE_STEPS = 2  # synthetic ones after the newest
PEOPLE = 2_000


def migrations(scale: Scale) -> Measured:
    """Migrate every version, filled with rows, two steps beyond the newest; check schema, rows and copy."""
    return asyncio.run(_migrations(scale.folder))


async def _migrations(folder: Path) -> Measured:
    steps = with_more_steps(folder / "all")
    head = len(read_migrations(steps))
    await _make(folder / "fresh.db", steps)
    wrong = []
    for version in range(1, head + 1):
        path = folder / f"from-{version}.db"
        await _make(path, first_steps(steps, version, folder / f"only {version}"))
        _fill(path)
        rows = _rows_of(path)
        await _make(path, steps)
        if _schema_of(path) != _schema_of(folder / "fresh.db"):
            wrong.append(f"schema from {version}")
        if any(not set(rows[table]) <= set(kept) for table, kept in _rows_of(path, like=rows).items()):
            wrong.append(f"rows from {version}")
        if version < head and _version_of(path.with_name(f"{path.name}.v{version:04d}.backup")) != version:
            wrong.append(f"copy of {version}")
    figures = (
        f"{head} versions, {MORE_STEPS} synthetic: {len(wrong)} with another schema, lost rows or no copy"
    )
    return Measured(figures + (f": {wrong}" if wrong else ""), not wrong)


def with_more_steps(folder: Path) -> Path:
    """Return a folder with the migrations and two synthetic ones that create, fill and drop tables."""
    shutil.copytree(MIGRATIONS, folder)
    known = len(read_migrations(MIGRATIONS))
    more = [
        "-- Why: a test.",
        "ALTER TABLE person ADD COLUMN note TEXT NOT NULL DEFAULT '';",
        *(f"CREATE TABLE more_{n} (n INTEGER) STRICT;" for n in range(100)),
        "INSERT INTO more_0 SELECT id FROM person;",
    ]
    rebuilt = [
        "-- Why: a test.",
        "CREATE TABLE rebuilt (n INTEGER PRIMARY KEY, twice INTEGER NOT NULL) STRICT;",
        "INSERT INTO rebuilt SELECT n, 2 * n FROM more_0;",
        *(f"DROP TABLE more_{n};" for n in range(100)),
        "ALTER TABLE rebuilt RENAME TO more;",
        "CREATE INDEX more_twice ON more (twice);",
    ]
    (folder / f"{known + 1:04d}_more.sql").write_text("\n".join(more))
    (folder / f"{known + 2:04d}_rebuilt.sql").write_text("\n".join(rebuilt))
    return folder


def first_steps(steps: Path, count: int, folder: Path) -> Path:
    """Return a folder with the first ``count`` migrations, like in an older version of the bot."""
    folder.mkdir()
    for step in read_migrations(steps)[:count]:
        shutil.copy(step.path, folder)
    return folder


async def _make(path: Path, steps: Path) -> None:
    await (await open_store(path, steps)).close()


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        yield connection


def _fill(path: Path) -> None:
    """Insert a row of every kind that any version knows, and many people."""
    with _reading(path) as connection, connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(job)")}
        added = {"typed": "'p'", "triggers": "'[]'", "asked_in": "'[]'"}  # by later versions
        own = {name: value for name, value in added.items() if name in columns}
        more, values = "".join(f", {name}" for name in own), "".join(f", {value}" for value in own.values())
        has_names = "file_name" in {row[1] for row in connection.execute("PRAGMA table_info(picture)")}
        file_column, file = ("file_name", "'j-0.png'") if has_names else ("sha256", f"'{'0' * 64}'")
        connection.executemany(
            "INSERT INTO person (id, created_ms) VALUES (?, 1)", [(n,) for n in range(1, 2_001)]
        )
        connection.executescript(
            "INSERT INTO account (person, credits) VALUES (1, 5);"  # noqa: S608 - our own names of columns
            "INSERT INTO identity (platform, user_id, person, name, locale)"
            " VALUES ('web', 'u', 1, 'name', 'en');"
            "INSERT INTO job (id, person, state, accepted_order, platform, chat_id, ref, locale, private,"
            f" prompt, loras, width_px, height_px, seed, count, steps, price, created_ms, ended_ms{more})"
            " VALUES ('j', 1, 'done', 1, 'web', 'c', 'r', 'en', 0, 'p', '[]', 64, 64, 7, 1, 8, 1, 1,"
            f" 2{values});"
            "INSERT INTO origin (platform, event_id, job) VALUES ('web', 'e', 'j');"
            f"INSERT INTO picture (job, idx, seed, {file_column}) VALUES ('j', 0, 7, {file});"
            "INSERT INTO ledger (person, job, kind, credits, at_ms) VALUES (1, NULL, 'allowance', 6, 1);"
            "INSERT INTO ledger (person, job, kind, credits, at_ms) VALUES (1, 'j', 'charge', -1, 1);"
            "INSERT INTO outbox (job) VALUES ('j');"
            "INSERT INTO inbox (platform, event_id, payload, at_ms) VALUES ('web', 'e', '{}', 1);"
            "INSERT INTO chat_default (platform, chat_id, lora, weight) VALUES ('web', 'c', 'sugar', 0.5);"
            "INSERT INTO bot_default (id, lora, weight) VALUES (1, 'sugar', 0.5);"
        )


Rows = dict[tuple[str, tuple[str, ...]], list[tuple[Any, ...]]]


def _rows_of(path: Path, like: Rows | None = None) -> Rows:
    """Return all rows by table and columns; with ``like``, only its tables and columns that still exist."""
    found: Rows = {}
    with _reading(path) as connection:
        execute = connection.execute
        tables = [name for (name,) in execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        here = {table: tuple(row[1] for row in execute(f"PRAGMA table_info({table})")) for table in tables}
        for table, columns in like or list(here.items()):
            if set(columns) <= set(here.get(table, ())):
                found[table, columns] = execute(f"SELECT {', '.join(columns)} FROM {table}").fetchall()  # noqa: S608
    return found


def _schema_of(path: Path) -> list[tuple[Any, ...]]:
    with _reading(path) as connection:
        return connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()


def _version_of(path: Path) -> int:
    with _reading(path) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def killed_migrations(scale: Scale) -> Measured:
    """Kill a migrating process at random moments, each time on a new copy of an old database."""
    wanted, random = scale.of(12, 200), Random(16)
    steps = with_more_steps(scale.folder / "all")
    known, head = len(read_migrations(MIGRATIONS)), len(read_migrations(steps))
    old = scale.folder / "old.db"
    asyncio.run(_make(old, MIGRATIONS))
    _fill(old)
    kills, wrong = 0, list[str]()
    found = Counter[int]()
    while kills < wanted:
        folder = scale.folder / "try"
        folder.mkdir()
        path = shutil.copy(old, folder / "a.db")
        process = begin(open_once, path, steps)
        process.join(random.uniform(0, 0.15))
        process.kill()
        process.join()
        kills += process.exitcode == -signal.SIGKILL
        found[version := _version_of(path)] += 1
        if _tables_after(version - known) != _extra_tables(path) or _people(path) != PEOPLE:
            wrong.append(f"an incomplete step at {version}")
        copy = path.with_name(f"a.db.v{known:04d}.backup")
        if version > known and _version_of(copy) != known:
            wrong.append("no copy before the first step")
        asyncio.run(_make(path, steps))
        if (_version_of(path), _extra_tables(path)) != (head, {"more"}):
            wrong.append("not migrated by the next start")
        shutil.rmtree(folder)
    versions = ", ".join(f"{count} × {version}" for version, count in sorted(found.items()))
    return Measured(
        f"{kills} kills ({versions}): {len(wrong)} wrong" + (f": {wrong[0]}" if wrong else ""), not wrong
    )


def open_once(path: Path, steps: Path, ready: Connection) -> None:
    """Open and close the store, which migrates it."""
    ready.send("ready")
    asyncio.run(_make(path, steps))


def _people(path: Path) -> int:
    with _reading(path) as connection:
        return int(connection.execute("SELECT count(*) FROM person").fetchone()[0])


def _tables_after(more_steps: int) -> set[str]:
    return {0: set(), 1: {f"more_{n}" for n in range(100)}, 2: {"more"}}[more_steps]


def _extra_tables(path: Path) -> set[str]:
    return {name for kind, name, _ in _schema_of(path) if kind == "table" and name.startswith("more")}


def newer(scale: Scale) -> Measured:
    """Open databases of newer versions, after a clean end and after a crash, with the present code."""
    wanted, untouched = scale.of(4, 20), 0
    steps = with_more_steps(scale.folder / "all")
    for number in range(wanted):
        path = scale.folder / f"{number}.db"
        if number % 2:
            process = begin(crash_with_a_log, path, steps)
            process.join()
        else:
            asyncio.run(_make(path, steps))
        files = [path, path.with_name(f"{path.name}-wal")]
        before = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.exists()]
        refused = 0
        for _ in range(2):
            try:
                asyncio.run(_make(path, MIGRATIONS))
            except DatabaseNewer:
                refused += 1
        after = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.exists()]
        untouched += refused == 2 and after[: len(before)] == before
        asyncio.run(_make(path, steps))  # the newer code can still open it
    return Measured(
        f"{untouched} of {wanted} refused with the same sha256, including the log", untouched == wanted
    )


def crash_with_a_log(path: Path, steps: Path, ready: Connection) -> None:
    """Die with committed rows that are only in the write-ahead log."""

    async def work() -> None:
        store = await open_store(path, steps)
        await a_person(store, "web", "u", "name", "en", 1)
        ready.send("ready")
        os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(work())


ROWS = (
    Row(
        "15",
        "migration of every older version to the newest",
        "schema text equal to a new database's; rows kept",
        migrations,
    ),
    Row(
        "16",
        "kill -9 during a migration",
        "200 kills: only complete steps; the next start continues",
        killed_migrations,
    ),
    Row("17", "a newer database under older code", "refused, file untouched (sha256)", newer),
)
