"""Opening: one process, an intact file, durable settings; and the edge cases of the queries."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from bot.errors import CannotSave, DatabaseDamaged, DatabaseInUse, FolderUnusable
from bot.store import Store, open_store
from bot.store.database import Value
from bot.store.files.lock import locked
from bot.store.rows import DefaultLora, LedgerKind, OutboxState, PictureRow
from engine.request import LoraChoice
from tests.fakes.desk_harness import MIGRATIONS
from tests.unit.bot.store.stored import a_job, a_person, ended_jobs, names_in, next_due_ms, take


async def test_a_second_process_is_refused_until_the_first_has_closed(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "a.db", MIGRATIONS)
    with pytest.raises(DatabaseInUse):
        await open_store(tmp_path / "a.db", MIGRATIONS)
    await store.close()
    await (await open_store(tmp_path / "a.db", MIGRATIONS)).close()


def test_a_killed_process_leaves_no_lock_behind(tmp_path: Path) -> None:
    script = (
        "import asyncio, os, signal, sys; from pathlib import Path; from bot.store import open_store\n"
        "async def main():\n"
        "    await open_store(Path(sys.argv[1]), Path(sys.argv[2])); os.kill(os.getpid(), signal.SIGKILL)\n"
        "asyncio.run(main())"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.db"), str(MIGRATIONS)], check=False
    )
    assert killed.returncode == -9

    async def reopen() -> None:
        await (await open_store(tmp_path / "a.db", MIGRATIONS)).close()

    asyncio.run(reopen())


async def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"this is a letter, not a database" * 100)
    with pytest.raises(DatabaseDamaged, match="not a database"):
        await open_store(path, MIGRATIONS)
    assert path.read_bytes().startswith(b"this is a letter")


async def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await (await open_store(path, MIGRATIONS)).close()
    broken = bytearray(path.read_bytes())
    broken[4096 : 4096 * 3] = b"\xff" * 4096 * 2
    path.write_bytes(broken)
    with pytest.raises(DatabaseDamaged):
        await open_store(path, MIGRATIONS)


async def test_a_data_folder_that_cannot_be_made_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where the folder should be")
    with pytest.raises(FolderUnusable) as caught:
        await open_store(tmp_path / "var" / "a.db", MIGRATIONS)
    assert caught.value.facts == {"path": str(tmp_path / "var"), "detail": "Not a directory"}


async def test_a_database_that_cannot_be_opened_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "a.db").mkdir()
    with pytest.raises(FolderUnusable, match="Is a directory"):
        await open_store(tmp_path / "a.db", MIGRATIONS)


async def test_a_database_that_a_shell_holds_is_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.store.store.BUSY_TIMEOUT_MS", 10)
    with contextlib.closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as shell:
        shell.execute("BEGIN EXCLUSIVE")
        with pytest.raises(DatabaseInUse):
            await open_store(tmp_path / "a.db", MIGRATIONS)


async def test_a_commit_is_on_the_disk_and_relations_hold(store: Store) -> None:
    settings = {
        name: (await store._run(f"PRAGMA {name}"))[0][0]
        for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
    }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 1_000}
    with pytest.raises(sqlite3.IntegrityError):
        await store.outbox._query("add_result", job="no such job")


def test_a_process_that_closes_its_store_ends(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys; from pathlib import Path; from bot.store import open_store\n"
        "async def main():\n"
        "    await (await open_store(Path(sys.argv[1]), Path(sys.argv[2]))).close()\n"
        "asyncio.run(main())"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.db"), str(MIGRATIONS)], check=True, timeout=20
    )


async def test_a_job_comes_back_as_it_was_stored(store: Store) -> None:
    job = await a_job(store)
    assert await store.jobs.find(job.id) == job
    assert (await store.inbox.find("web", "job")).job == job.id
    assert (job.recipe.loras, job.private, job.state, job.attempt) == (
        (LoraChoice("sugar", "a" * 64, 0.8),),
        True,
        "queued",
        0,
    )
    assert "a face" not in repr(job)


async def test_a_person_is_created_once_and_may_change_their_name(store: Store) -> None:
    first = await a_person(store, "web", "ann", "Ann", "en", 1)
    assert await a_person(store, "web", "ann", "Anna", "zh-CN", 2) == first
    assert await a_person(store, "discord", "ann", "Ann", "en", 3) != first
    assert await store.people.find("web", "nobody") is None


async def test_credits_and_ledger_move_together_or_not_at_all(store: Store) -> None:
    person = await a_person(store, "web", "ann", "Ann", "en", 1)
    assert await store.people.move_credits(person, LedgerKind.GRANT, 3, 1)
    assert not await store.people.move_credits(person, LedgerKind.GRANT, -4, 1)
    assert (await store.people.account(person)).credits == 3
    assert [tuple(row) for row in await store._run("SELECT credits FROM ledger")] == [(3,)]


async def test_only_the_current_attempt_can_end_or_requeue_a_job(store: Store) -> None:
    await a_job(store)
    first = await store.jobs.take("job", "first run", 10)
    assert first is not None
    assert await store.jobs.take("job", "first run", 11) is None
    assert await store.jobs.requeue(first, uses_attempt=True)
    second = await store.jobs.take("job", "second run", 12)
    assert second is not None
    assert (second.attempt, second.started_ms) == (2, 10)
    picture = PictureRow("job", 0, 7, "0" * 64)
    assert not await store.jobs.end(first, "done", 13, pictures=[picture])
    assert await store.jobs.requeue(first, uses_attempt=False) is None
    assert await store.jobs.end(second, "done", 14, pictures=[picture])
    assert not await store.jobs.end(second, "cancelled", 15)
    assert await store.jobs.pictures_of(["job"]) == (picture,)


async def test_a_drain_does_not_count_the_attempt(store: Store) -> None:
    await a_job(store)
    await store.jobs.take("job", "ours", 1)
    await store.jobs.requeue_leased("another's")
    assert (await store.jobs.in_state("running"))[0].attempt == 1
    await store.jobs.requeue_leased("ours")
    assert (await store.jobs.in_state("queued"))[0].attempt == 0


async def test_results_of_one_person_in_one_chat_are_delivered_one_after_the_other(store: Store) -> None:
    await ended_jobs(store, "b", "a", "c")
    assert [await take(store, 0), await take(store, 0)] == ["b", None]
    await store.outbox.mark("b", OutboxState.MAYBE, 100)
    assert await take(store, 49) == "a"  # b waits so long that the others go first
    await store.outbox.mark("a", OutboxState.KEPT)
    assert await take(store, 49, "discord") is None
    assert await take(store, 50) is None  # now b is near
    assert await next_due_ms(store, "web", 50) == 100
    assert await take(store, 100) == "b"
    assert await next_due_ms(store, "web", 100) is None
    await store.outbox.recover()
    assert [await take(store, 100), await take(store, 100)] == ["b", None]
    await store.outbox.mark("b", OutboxState.SENT)
    assert [await take(store, 100), await take(store, 100)] == ["c", None]


async def test_results_of_other_people_and_chats_do_not_wait(store: Store) -> None:
    await ended_jobs(store, "1", "2", chat_id="here")
    await ended_jobs(store, "3", chat_id="there")
    await ended_jobs(store, "4", "5", chat_id="here", person="another")
    assert [await take(store, 0) for _ in range(4)] == ["1", "3", "4", None]


async def test_a_chat_has_a_limited_number_of_deliveries_in_flight(store: Store) -> None:
    for number in range(4):
        await ended_jobs(store, str(number), chat_id="slow", person=f"person {number}")
    await ended_jobs(store, "quick", chat_id="quick", person="ann")
    assert [await take(store, 0, most_in_chat=3) for _ in range(5)] == ["0", "1", "2", "quick", None]


async def test_no_result_waits_longer_than_its_limit(store: Store) -> None:
    await ended_jobs(store, "far", "near")
    for name, due_ms in (("far", 9_000), ("near", 40)):
        await store.outbox.take("web", 0, waited_for_ms=0, most_in_chat=9)
        await store.outbox.mark(name, OutboxState.MAYBE, due_ms)
    await store.outbox.limit_waits(500)
    rows = await store._run("SELECT job, not_before_ms FROM outbox ORDER BY id")
    assert [tuple(row) for row in rows] == [("far", 500), ("near", 40)]


async def test_kept_results_are_taken_once_and_only_by_their_person(store: Store) -> None:
    job = await a_job(store)
    await store.jobs.end(job, "cancelled", 1)
    assert await take(store, 0) == "job"
    await store.outbox.mark("job", OutboxState.KEPT)
    assert await store.outbox.retry_kept(job.person + 1) == ()
    assert await store.outbox.retry_kept(job.person) == ("job",)
    assert await store.outbox.retry_kept(job.person) == ()


async def test_an_event_is_stored_once_and_its_text_goes_when_it_is_settled(store: Store) -> None:
    await store.inbox.add("telegram", [("2", "two"), ("1", "one")], 10)
    await store.inbox.add("telegram", [("2", "two again"), ("3", "three")], 11)
    assert await store.inbox.unsettled("telegram") == (("2", "two"), ("1", "one"), ("3", "three"))
    await store.inbox.settle("telegram", "2")
    await store.inbox.add("telegram", [("2", "two again")], 12)
    assert [event_id for event_id, _ in await store.inbox.unsettled("telegram")] == ["1", "3"]
    assert "two" not in str([tuple(row) for row in await store._run("SELECT payload FROM inbox")])
    await store.inbox.delete_expired(before_ms=100)
    assert [row[0] for row in await store._run("SELECT event_id FROM inbox")] == ["1", "3"]


async def test_the_default_of_a_chat_has_priority_over_the_bots(store: Store) -> None:
    assert await store.defaults.of("web", "room") is None
    await store.defaults.set_for_bot(DefaultLora("anime", 1.0))
    await store.defaults.set_for_chat("web", "room", DefaultLora("sugar", 0.5))
    await store.defaults.set_for_chat("web", "room", DefaultLora("", 0.0))
    assert await store.defaults.of("web", "room") == DefaultLora("", 0.0)
    assert await store.defaults.of("web", "hall") == DefaultLora("anime", 1.0)
    assert await store.defaults.of("web", "hall", "room") == DefaultLora("", 0.0)


async def test_the_address_of_a_placeholder_is_stored_before_waiting_statements(store: Store) -> None:
    job = await a_job(store)
    stored = []

    async def ordinary(number: int) -> None:
        async with store.atomic():
            await store.people.account(job.person)
        stored.append(f"ordinary {number}")

    async with store.atomic():
        waiting = [asyncio.create_task(ordinary(number)) for number in range(3)]
        await asyncio.sleep(0)
        moving = asyncio.create_task(store.jobs.set_address(job.id, "web", "room", '{"message": 1}'))
        moving.add_done_callback(lambda _: stored.append("place"))
        await asyncio.sleep(0)
    await asyncio.gather(moving, *waiting)
    moved = await store.jobs.find(job.id)
    assert moved is not None
    assert moved.ref == '{"message": 1}'
    assert stored == ["place", "ordinary 0", "ordinary 1", "ordinary 2"]


async def test_a_single_statement_is_not_part_of_a_transaction_that_could_not_be_rolled_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await a_job(store)
    run, refused = store._run, []

    async def refuse(sql: str, values: dict[str, Value] | None = None, **more: Any) -> list[sqlite3.Row]:
        if sql in ("COMMIT", "ROLLBACK") and len(refused) < 2:
            refused.append(sql)
            raise CannotSave(detail="disk I/O error")
        return await run(sql, values, **more)

    monkeypatch.setattr(store, "_run", refuse)
    with pytest.raises(CannotSave):
        async with store.atomic():
            await store.jobs.request_cancel(job.id)
    await store.jobs.set_address(job.id, "web", "room", "kept")
    async with store.atomic():
        stored = await store.jobs.find(job.id)
    assert stored is not None
    assert (stored.ref, stored.cancel_requested) == ("kept", False)


async def test_single_statements_wait_behind_the_address_of_a_placeholder(store: Store) -> None:
    job = await a_job(store)
    stored = []

    async with store.atomic():
        reading = asyncio.create_task(store.people.account(job.person))
        reading.add_done_callback(lambda _: stored.append("ordinary"))
        another = asyncio.create_task(store.people.account(job.person))
        another.add_done_callback(lambda _: stored.append("ordinary"))
        await asyncio.sleep(0)
        moving = asyncio.create_task(store.jobs.set_address(job.id, "web", "room", "there"))
        moving.add_done_callback(lambda _: stored.append("place"))
        await asyncio.sleep(0)
    await asyncio.gather(moving, reading, another)
    assert stored == ["place", "ordinary", "ordinary"]


async def test_a_store_is_closed_also_where_its_task_is_cancelled_meanwhile(tmp_path: Path) -> None:
    store = await open_store(tmp_path / "a.db", MIGRATIONS)
    closing = asyncio.create_task(store.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert names_in(tmp_path) == ["a.db", "a.db.lock"]
    await (await open_store(tmp_path / "a.db", MIGRATIONS)).close()


async def test_an_effect_of_a_stored_block_follows_its_commit(store: Store) -> None:
    called: list[str] = []
    async with store.atomic():
        store.after_commit(lambda: called.append("stored"))
        assert called == []
    assert called == ["stored"]


@pytest.fixture
def kept_locks(monkeypatch: pytest.MonkeyPatch) -> list[FileLock]:
    """Every lock that was made; without this list, freeing its memory lets one go as well."""
    kept: list[FileLock] = []

    def keep(*where: Any, **how: Any) -> FileLock:
        kept.append(FileLock(*where, **how))
        return kept[-1]

    monkeypatch.setattr("bot.store.files.lock.FileLock", keep)
    return kept


def test_a_lock_that_one_thread_took_can_be_released_by_another(
    tmp_path: Path, kept_locks: list[FileLock]
) -> None:
    lock = locked(tmp_path / "a.db")
    with ThreadPoolExecutor(1) as another:  # lives until the end: some locks go with their thread
        another.submit(lock.__enter__).result()
        with pytest.raises(DatabaseInUse) as caught, locked(tmp_path / "a.db"):
            pass
        assert caught.value.facts == {"path": str(tmp_path / "a.db")}
        lock.__exit__(None, None, None)
        with locked(tmp_path / "a.db"):
            assert [path.name for path in tmp_path.iterdir()] == ["a.db.lock"]
    assert len(kept_locks) == 3


def test_a_lock_is_released_with_its_block(tmp_path: Path, kept_locks: list[FileLock]) -> None:
    for _ in range(2):
        with locked(tmp_path / "a.db"):
            assert kept_locks[-1].is_locked
        assert not kept_locks[-1].is_locked
