"""``atomic`` on a real file: all or nothing, however a block is cancelled, nested or broken."""

# ruff: noqa: PT012 - the statements in a failing block are under test

import asyncio
import gc
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from bot.errors import CannotSave
from bot.store.database import Database, Value, run_to_completion


class Counter(Database):
    """A database of one table of numbers."""

    async def put(self, number: int) -> None:
        await self._run("INSERT INTO number VALUES (:number)", {"number": number})

    async def numbers(self) -> list[int]:
        async with self.atomic():
            return [row[0] for row in await self._run("SELECT n FROM number ORDER BY n")]

    @property
    def is_inside(self) -> bool:
        return self._connection.in_transaction


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Counter]:
    async with aiosqlite.connect(tmp_path / "a.db", isolation_level=None) as connection:
        await connection.execute_fetchall("PRAGMA journal_mode = WAL")
        await connection.execute_fetchall("PRAGMA synchronous = OFF")
        await connection.execute_fetchall("CREATE TABLE number (n INTEGER UNIQUE)")
        yield Counter(connection)


async def test_a_block_that_ends_is_kept(database: Counter) -> None:
    async with database.atomic():
        await database.put(1)
        await database.put(2)
    assert await database.numbers() == [1, 2]


async def test_a_block_that_fails_leaves_nothing(database: Counter) -> None:
    with pytest.raises(sqlite3.IntegrityError):
        async with database.atomic():
            await database.put(1)
            await database.put(1)
    assert await database.numbers() == []
    assert not database.is_inside


async def test_a_nested_block_may_fail_alone(database: Counter) -> None:
    async with database.atomic():
        await database.put(1)
        with pytest.raises(sqlite3.IntegrityError):
            async with database.atomic():
                await database.put(2)
                await database.put(1)
        async with database.atomic():
            await database.put(3)
    assert await database.numbers() == [1, 3]


async def test_a_nested_block_is_lost_with_its_outer_one(database: Counter) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.atomic():
            async with database.atomic():
                await database.put(1)
            raise ZeroDivisionError
    assert await database.numbers() == []


async def test_a_failed_block_undoes_its_nested_blocks(
    database: Counter,
) -> None:
    async with database.atomic():
        await database.put(0)
        with pytest.raises(ZeroDivisionError):
            async with database.atomic():
                await database.put(1)
                async with database.atomic():
                    await database.put(2)
                raise ZeroDivisionError
        with pytest.raises(ZeroDivisionError):
            async with database.atomic():
                await database.put(3)
                with pytest.raises(sqlite3.IntegrityError):
                    async with database.atomic():
                        await database.put(3)
                raise ZeroDivisionError
    assert await database.numbers() == [0]


async def test_a_transaction_that_the_database_ended_itself_raises_the_first_error(database: Counter) -> None:
    await database._run(
        "CREATE TRIGGER no_nine BEFORE INSERT ON number WHEN new.n = 9 "
        "BEGIN SELECT RAISE(ROLLBACK, 'no nine'); END"
    )
    with pytest.raises(sqlite3.IntegrityError, match="no nine"):
        async with database.atomic():
            await database.put(1)
            async with database.atomic():
                await database.put(9)
    assert await database.numbers() == []


async def test_a_nested_block_that_is_cancelled_is_undone_if_the_outer_one_goes_on(database: Counter) -> None:
    async with database.atomic():
        await database.put(1)
        with pytest.raises(asyncio.CancelledError):
            async with database.atomic():
                await database.put(2)
                raise asyncio.CancelledError
    assert await database.numbers() == [1]


async def test_other_tasks_neither_join_a_block_nor_read_its_middle(database: Counter) -> None:
    inside, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        async with database.atomic():
            await database.put(1)
            inside.set()
            await go_on.wait()
            raise ZeroDivisionError

    writing = asyncio.create_task(slow())
    await inside.wait()
    reading = asyncio.create_task(database.numbers())
    await asyncio.sleep(0.01)
    assert not reading.done()
    go_on.set()
    with pytest.raises(ZeroDivisionError):
        await writing
    assert await reading == []


async def test_after_commit_is_called_once_and_only_for_committed_blocks(database: Counter) -> None:
    called: list[str] = []
    async with database.atomic():
        await database.put(1)
        database.after_commit(lambda: called.append("outer"))
        with pytest.raises(ZeroDivisionError):
            async with database.atomic():
                database.after_commit(lambda: called.append("undone"))
                raise ZeroDivisionError
        assert called == []
    assert called == ["outer"]
    with pytest.raises(ZeroDivisionError):
        async with database.atomic():
            database.after_commit(lambda: called.append("lost"))
            raise ZeroDivisionError
    await database.numbers()
    assert called == ["outer"]


async def test_after_commit_is_not_called_if_the_commit_fails(database: Counter) -> None:
    called: list[str] = []
    await database._run("PRAGMA foreign_keys = ON")
    await database._run("CREATE TABLE part (n INTEGER REFERENCES number (n) DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        async with database.atomic():
            await database._run("INSERT INTO part VALUES (9)")
            database.after_commit(lambda: called.append("part"))
    assert not database.is_inside
    await database.numbers()
    assert called == []


async def test_after_commit_needs_a_block_of_this_task(database: Counter) -> None:
    with pytest.raises(RuntimeError):
        database.after_commit(lambda: None)


async def test_a_cancel_at_any_moment_leaves_all_or_nothing_and_an_idle_connection(database: Counter) -> None:
    """Cancel one writer after n turns of the loop, for every n until it gets through, beside another."""
    effects: list[int] = []

    async def pair(first: int) -> None:
        async with database.atomic():
            await database.put(first)
            async with database.atomic():
                await database.put(first + 1)
            database.after_commit(lambda: effects.append(first))

    through, turns, first = 0, 0, 0
    while through < 3:
        first += 10
        victim = asyncio.create_task(pair(first))
        neighbour = asyncio.create_task(pair(first + 5))
        for _ in range(turns):
            await asyncio.sleep(0.0002 if turns % 2 else 0)
        if victim.done():
            through += 1
        else:
            victim.cancel()
        await asyncio.gather(victim, return_exceptions=True)
        await neighbour
        assert not database.is_inside
        numbers = set(await database.numbers())
        assert {first + 5, first + 6} <= numbers, "a neighbour's work was lost"
        assert (first in numbers) == (first + 1 in numbers), "half a block was kept"
        assert (first in numbers) == (first in effects), "memory and database disagree"
        turns += 1
    assert turns > 6, "the cancels never met the middle of a block"


async def test_a_thousand_cancels_in_a_crowd_leave_an_idle_connection(database: Counter) -> None:
    numbers = iter(range(10**6))

    async def write() -> None:
        async with database.atomic():
            for _ in range(3):
                await database.put(next(numbers))

    for round_ in range(50):
        crowd = [asyncio.create_task(write()) for _ in range(20)]
        for turn, task in enumerate(crowd):
            await asyncio.sleep(0.00005 * (round_ % 5))
            if turn % 4:
                task.cancel()
        await asyncio.gather(*crowd, return_exceptions=True)
    assert not database.is_inside
    assert len(await database.numbers()) % 3 == 0


async def test_work_completes_despite_two_cancels() -> None:
    done: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0.02)
        done.append("work")

    task = asyncio.create_task(run_to_completion(work()))
    for _ in range(2):
        await asyncio.sleep(0.002)
        task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done == ["work"]


async def test_work_that_fails_after_a_cancel_leaves_no_unretrieved_error() -> None:
    unread: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unread.append(context))

    async def work() -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError

    task = asyncio.create_task(run_to_completion(work()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del task
    gc.collect()
    await asyncio.sleep(0)
    assert unread == []


async def test_work_returns_its_result_or_raises_its_error() -> None:
    async def divide(by: int) -> float:
        await asyncio.sleep(0)
        return 6 / by

    assert await run_to_completion(divide(2)) == 3
    with pytest.raises(ZeroDivisionError):
        await run_to_completion(divide(0))


async def test_effects_follow_work_that_succeeds_even_under_a_cancel_and_no_other() -> None:
    called: list[str] = []

    async def work(by: int) -> float:
        await asyncio.sleep(0.002)
        called.append("work")
        return 6 / by

    assert await run_to_completion(work(2), [lambda: called.append("effect")]) == 3
    assert called == ["work", "effect"]
    task = asyncio.create_task(run_to_completion(work(2), [lambda: called.append("under a cancel")]))
    await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert called == ["work", "effect", "work", "under a cancel"]
    with pytest.raises(ZeroDivisionError):
        await run_to_completion(work(0), [lambda: called.append("after a failure")])
    assert called[-1] == "work"


async def test_fifty_tasks_write_without_one_busy_error(database: Counter) -> None:
    async def write(start: int) -> None:
        for number in range(start, start + 20):
            async with database.atomic():
                await database.put(number)

    await asyncio.gather(*(write(20 * task) for task in range(50)))
    assert len(await database.numbers()) == 1_000


async def test_a_disk_that_refuses_writes_is_reported_and_leaves_nothing(database: Counter) -> None:
    await database._run("PRAGMA query_only = 1")
    with pytest.raises(CannotSave, match="readonly"):
        async with database.atomic():
            await database.put(1)
    assert not database.is_inside
    await database._run("PRAGMA query_only = 0")
    async with database.atomic():
        await database.put(2)
    assert await database.numbers() == [2]


async def test_a_full_disk_in_the_middle_of_a_block_undoes_it(database: Counter) -> None:
    [(pages,)] = await database._run("PRAGMA page_count")
    await database._run(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(CannotSave, match="full"):
        async with database.atomic():
            for number in range(10_000):
                await database.put(number)
    await database._run("PRAGMA max_page_count = 1000000")
    assert await database.numbers() == []


async def test_a_rollback_that_the_disk_refused_is_repeated(
    database: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An I/O error may leave the connection inside; the next block must not become a part of the lost one."""
    run, refused = database._run, []

    async def refuse(sql: str, values: dict[str, Value] | None = None, **more: Any) -> list[sqlite3.Row]:
        if sql in ("COMMIT", "ROLLBACK") and len(refused) < 2:
            refused.append(sql)
            raise CannotSave(detail="disk I/O error")
        return await run(sql, values, **more)

    monkeypatch.setattr(database, "_run", refuse)
    with pytest.raises(CannotSave):
        async with database.atomic():
            await database.put(1)
    assert refused == ["COMMIT", "ROLLBACK"]
    assert database.is_inside
    async with database.atomic():
        await database.put(2)
    assert await database.numbers() == [2]


async def test_a_rollback_that_the_disk_refuses_does_not_hide_why_the_block_failed(
    database: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, refused = database._run, []

    async def refuse(sql: str, values: dict[str, Value] | None = None, **more: Any) -> list[sqlite3.Row]:
        if sql == "ROLLBACK" and not refused:
            refused.append(sql)
            raise CannotSave(detail="disk I/O error")
        return await run(sql, values, **more)

    monkeypatch.setattr(database, "_run", refuse)
    with pytest.raises(ZeroDivisionError):
        async with database.atomic():
            await database.put(1)
            raise ZeroDivisionError
    assert refused == ["ROLLBACK"]
    assert await database.numbers() == []


async def test_a_lock_of_another_connection_is_reported_as_such_and_leaves_nothing(
    tmp_path: Path, database: Counter
) -> None:
    await database._run("PRAGMA busy_timeout = 5")
    other = sqlite3.connect(tmp_path / "a.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(CannotSave, match="locked"):
        async with database.atomic():
            await database.put(1)
    with pytest.raises(CannotSave, match="locked"):
        await database._run("INSERT INTO number VALUES (2)")
    other.execute("ROLLBACK")
    other.close()
    async with database.atomic():
        await database.put(3)
    assert await database.numbers() == [3]


async def test_a_python_error_without_an_sqlite_code_stays_unchanged(database: Counter) -> None:
    with pytest.raises(sqlite3.OperationalError, match="Could not decode"):
        await database._run("SELECT CAST(x'ff' AS TEXT)")
