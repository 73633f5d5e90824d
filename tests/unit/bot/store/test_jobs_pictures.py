"""Which files pictures name, which are loose, and which pictures are due."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bot.desk.files import file_name
from bot.outcomes import Recipe, Start
from bot.store import Store, open_store
from bot.store.files.migrate import read_migrations
from bot.store.rows import NewJob, OutboxState, PictureForm, PictureRow
from tests.crash.rows.migrations import first_steps
from tests.fakes.desk_harness import MIGRATIONS
from tests.fakes.pictures import file_name_of
from tests.unit.bot.store.stored import a_hash, a_job, a_person, take

ORIGINALS = [PictureForm.ORIGINAL]
RECIPE = Recipe("a face", (), 64, 96, seed=7, count=2, steps=8, typed="a face")


async def drawn(store: Store, name: str, *words: str, ended_ms: int = 1) -> tuple[PictureRow, ...]:
    """A delivered job with one picture for each word."""
    job = await a_job(store, name)
    pictures = [PictureRow(name, index, 7, a_hash(word)) for index, word in enumerate(words)]
    await store.jobs.end(job, "cancelled", ended_ms, pictures=pictures)
    await store._run("UPDATE outbox SET state = 'sent'")
    return await store.jobs.pictures_of([name])


def file_of(word: str) -> str:
    return file_name_of(a_hash(word))


async def test_a_file_is_named_while_a_picture_has_its_content_or_its_earlier_name(store: Store) -> None:
    await drawn(store, "job", "face")
    await store._run("UPDATE picture SET earlier_name = 'job-0.png'")
    asked = [file_of("face"), file_of("other"), "job-0.png", "job-1.png"]
    assert await store.pictures.named(asked) == {file_of("face"), "job-0.png"}
    assert await store.pictures.named([]) == frozenset()


async def test_what_a_picture_stops_naming_becomes_loose(store: Store) -> None:
    first, second = await drawn(store, "job", "face", "other")
    await store.pictures.loosen([file_of("small")])
    assert await store.pictures.replace(first, PictureForm.PREVIEW, a_hash("small"))
    assert await store.pictures.loose() == (file_of("face"),)
    assert not await store.pictures.replace(first, PictureForm.PREVIEW, a_hash("again")), "it has changed"
    row, _ = await store.jobs.pictures_of(["job"])
    assert (row.form, file_name(row)) == (PictureForm.PREVIEW, file_of("small"))
    await store.pictures.forget([second.job])
    assert await store.jobs.pictures_of(["job"]) == ()
    assert set(await store.pictures.loose()) == {file_of("face"), file_of("other"), file_of("small")}
    await store.pictures.settle(await store.pictures.loose())
    assert await store.pictures.loose() == ()


async def test_a_file_is_loose_until_a_picture_names_it(store: Store) -> None:
    await store.pictures.loosen([file_of("face"), file_of("face"), file_of("other")])
    await drawn(store, "job", "face")
    assert await store.pictures.loose() == (file_of("other"),)


async def test_what_another_picture_names_is_settled_by_nobody_else(store: Store) -> None:
    await drawn(store, "job", "face")
    await drawn(store, "same", "face")
    await store.pictures.forget(["job"])
    assert await store.pictures.loose() == (file_of("face"),)
    assert await store.pictures.named([file_of("face")]) == {file_of("face")}


async def test_a_file_that_is_not_renamed_leaves_both_of_its_names(store: Store) -> None:
    await drawn(store, "job", "face")
    await store._run("UPDATE picture SET earlier_name = 'job-0.png'")
    await store.pictures.forget(["job"])
    assert set(await store.pictures.loose()) == {"job-0.png", file_of("face")}


async def test_old_pictures_expire_and_their_rows_stay(store: Store) -> None:
    await drawn(store, "old", "face", "other", ended_ms=10)
    await drawn(store, "new", "face", ended_ms=20)
    original, _ = await store.jobs.pictures_of(["old"])
    assert await store.pictures.expire(11, ORIGINALS, 1) == 1
    assert await store.pictures.expire(11, ORIGINALS, 9) == 1
    assert await store.pictures.expire(11, ORIGINALS, 9) == 0
    rows = await store.jobs.pictures_of(["old", "new"])
    assert [(row.job, row.form, file_name(row)) for row in rows] == [
        ("new", PictureForm.ORIGINAL, file_of("face")),
        ("old", PictureForm.EXPIRED, ""),
        ("old", PictureForm.EXPIRED, ""),
    ]
    await store.pictures.set_form(original, PictureForm.SMALL)
    assert (await store.jobs.pictures_of(["old"]))[0].form is PictureForm.EXPIRED
    assert set(await store.pictures.loose()) == {file_of("face"), file_of("other")}
    assert await store.pictures.named(await store.pictures.loose()) == {file_of("face")}


async def test_undelivered_pictures_are_not_due(store: Store) -> None:
    for name in ("sent", "ready"):
        job = await a_job(store, name, chat_id=name)
        await store.jobs.end(job, "cancelled", 1, pictures=[PictureRow(name, 0, 7, a_hash(name))])
    assert await take(store, 0) == "sent"
    assert await store.pictures.before(2, ORIGINALS, 9) == ()
    await store.outbox.mark("sent", OutboxState.SENT)
    assert [row.job for row in await store.pictures.before(2, ORIGINALS, 9)] == ["sent"]
    assert await store.pictures.before(1, ORIGINALS, 9) == ()
    assert await store.pictures.before(2, [PictureForm.PREVIEW], 9) == ()


async def test_a_picture_is_not_due_while_a_job_that_begins_with_it_waits(store: Store) -> None:
    rows = await drawn(store, "source", "face", "other")
    source = await store.jobs.find("source")
    assert source is not None
    new = NewJob(
        id="derived", person=source.person, platform="web", chat_id="room", ref="", locale="en",
        private=False, recipe=replace(RECIPE, start=Start("source", 1, 0.4)), price=1, created_ms=1,
        asked_in=("web:room",), spoiler=False, request="",
    )  # fmt: skip
    assert await store.pictures.before(2, ORIGINALS, 9) == rows
    await store.jobs.add(new, event_id="derived", most_unfinished=9)
    assert await store.pictures.before(2, ORIGINALS, 9) == rows[:1]
    assert await store.jobs.take("derived", "lease", 2)
    assert await store.pictures.before(2, ORIGINALS, 9) == rows[:1]
    await store._run("UPDATE job SET state = 'failed', fail = 'worker_error', lease = NULL, ended_ms = 3 "
                     "WHERE id = 'derived'")  # fmt: skip
    assert await store.pictures.before(2, ORIGINALS, 9) == rows


async def test_pictures_of_deleted_jobs_are_found(store: Store) -> None:
    rows = await drawn(store, "job", "face", "other")
    await drawn(store, "kept", "face")
    assert await store.pictures.of_deleted_jobs() == ()
    await store.ended.delete("job", 5)
    assert await store.pictures.of_deleted_jobs() == rows
    assert [row.job for row in await store.pictures.before(9, ORIGINALS, 9)] == ["kept"]


async def test_a_picture_with_a_file_has_a_name_and_an_expired_one_has_none(store: Store) -> None:
    await drawn(store, "job", "face")
    for wrong in ("form = 'expired'", "sha256 = ''", "form = 'lost'", "sha256 = 'x'"):
        with pytest.raises(sqlite3.IntegrityError):
            await store._run(f"UPDATE picture SET {wrong}")  # noqa: S608 - ours


async def test_pictures_of_an_earlier_version_keep_their_names_until_they_are_renamed(tmp_path: Path) -> None:
    earlier = first_steps(MIGRATIONS, 25, tmp_path / "earlier")
    path = tmp_path / "sugarbot.db"
    store = await open_store(path, earlier)
    person = await a_person(store, "web", "ann", "Ann")
    await store.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            f"INSERT INTO job (id, person, state, accepted_order, platform, chat_id, ref, locale, private,"  # noqa: S608 - ours
            f" prompt, loras, width_px, height_px, seed, count, steps, price, created_ms,"
            f" typed, triggers, asked_in) VALUES ('job', {person}, 'queued', 1, 'web', 'room', '', 'en', 1,"
            f" 'a face', '[]', 64, 96, 7, 2, 8, 2, 5, 'a face', '[]', '[]');"
            f"INSERT INTO picture (job, idx, seed, file_name, sha256, form) VALUES "
            f"('job', 0, 7, 'job-0.png', '{a_hash('face')}', 'small'),"
            f"('job', 1, 8, 'job-1.png', '', 'original'),"
            f"('job', 2, 9, 'job-2.png', '', 'preview');"
            f"INSERT INTO picture_file VALUES ('job', 0, 'telegram', 'photo', 'id');"
        )
    assert len(read_migrations(earlier)) == 25
    store = await open_store(path, MIGRATIONS)
    rows = await store.jobs.pictures_of(["job"])
    assert rows == (
        PictureRow("job", 0, 7, a_hash("face"), PictureForm.SMALL, "job-0.png"),
        PictureRow("job", 1, 8, "", PictureForm.ORIGINAL, "job-1.png"),
        PictureRow("job", 2, 9, "", PictureForm.PREVIEW, "job-2.png"),
    )
    assert [file_name(row) for row in rows] == ["job-0.png", "job-1.png", "job-2.png"]
    assert await store.jobs.file_ids("telegram", ["job"], "photo") == {("job", 0): "id"}
    assert await store.pictures.with_earlier_names("job-0.png", 1) == rows[1:2]
    await store.pictures.forget(["job"])
    assert await store.jobs.file_ids("telegram", ["job"], "photo") == {}, "they go with their picture"
    await store.close()
