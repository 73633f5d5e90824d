"""Jobs as their people, their chats and the renderer see them, and the results that are delivered next."""

from dataclasses import fields, replace

import pytest

from bot.store import Store
from bot.store.rows import EventRow, NewJob, OutboxState, PictureRow, TakenResult
from engine.request import LoraChoice
from tests.unit.bot.store.stored import a_job, ended_jobs, next_due_ms, take

NOT_KNOWN = EventRow(is_stored=False, answer=None, job=None)


async def test_a_persons_jobs_are_listed_newest_first_and_counted_while_they_wait_or_run(
    store: Store,
) -> None:
    jobs = [await a_job(store, name) for name in ("z", "m", "a")]
    await a_job(store, "another's", user_id="bob")
    person = jobs[0].person
    await store.jobs.take("z", "run", 1)
    await store.jobs.end(jobs[1], "cancelled", 2)
    assert [job.id for job in await store.jobs.unfinished_of(person)] == ["a", "z"]
    assert [job.id for job in await store.jobs.newest_of(person, 9)] == ["a", "m", "z"]
    assert [job.id for job in await store.jobs.newest_of(person, 2)] == ["a", "m"]
    assert [job.id for job in await store.jobs.in_state("queued")] == ["a", "another's"]
    assert [job.accepted_order for job in jobs] == [1, 2, 3]


async def test_a_person_with_enough_unfinished_jobs_adds_no_other(store: Store) -> None:
    waits, runs = [await a_job(store, name) for name in ("waits", "runs")]
    await a_job(store, "another's", user_id="bob")
    await store.jobs.take("runs", "run", 1)
    new = NewJob(**{field.name: getattr(waits, field.name) for field in fields(NewJob)})
    assert await store.jobs.add(replace(new, id="refused"), "third", most_unfinished=2) is None
    assert await store.jobs.find("refused") is None
    assert (await store.inbox.find("web", "third")).job is None
    await store.jobs.end(waits, "cancelled", 2)
    accepted = await store.jobs.add(replace(new, id="accepted"), "third", most_unfinished=2)
    assert accepted is not None
    assert await store.jobs.find("accepted") == accepted
    assert (await store.inbox.find("web", "third")).job == "accepted"
    assert runs.person == accepted.person


async def test_a_chat_sees_only_what_was_drawn_openly_in_it(store: Store) -> None:
    await a_job(store, "secret")
    shown = await a_job(store, "shown", private=False)
    assert shown.private is False
    await a_job(store, "later", private=False)
    await a_job(store, "elsewhere", private=False, chat_id="hall")
    await a_job(store, "bob's", private=False, user_id="bob")
    listed = await store.jobs.newest_public_in(shown.person, "web", "room", 9)
    assert [job.id for job in listed] == ["later", "shown"]
    assert [job.id for job in await store.jobs.newest_public_in(shown.person, "web", "room", 1)] == ["later"]
    assert await store.jobs.newest_public_in(shown.person, "discord", "room", 9) == ()


async def test_a_missing_job_is_none(store: Store) -> None:
    await a_job(store)
    assert await store.jobs.find("nothing") is None
    assert await store.inbox.find("web", "nothing") == NOT_KNOWN
    assert await store.inbox.find("discord", "job") == NOT_KNOWN
    assert await store.jobs.take("nothing", "run", 1) is None
    assert await store.jobs.pictures_of(["job"]) == ()
    assert await store.outbox.load("nothing") is None


async def test_a_job_that_ends_says_how_and_since_when_it_was_drawn(store: Store) -> None:
    await a_job(store)
    running = await store.jobs.take("job", "run", 10)
    assert running is not None
    assert (running.state, running.attempt, running.lease, running.started_ms) == ("running", 1, "run", 10)
    assert await store.jobs.end(running, "failed", 30, fail="out_of_memory") is True
    ended = await store.jobs.find("job")
    assert ended is not None
    assert (ended.state, ended.fail, ended.started_ms, ended.ended_ms, ended.lease) == (
        "failed",
        "out_of_memory",
        10,
        30,
        None,
    )
    assert await store.jobs.end(running, "done", 31) is False


async def test_a_running_job_can_be_asked_to_stop_and_a_waiting_one_is_not(store: Store) -> None:
    await a_job(store, "waits")
    await a_job(store, "runs")
    await store.jobs.take("runs", "run", 1)
    for name in ("waits", "runs"):
        await store.jobs.request_cancel(name)
    waits, runs = await store.jobs.find("waits"), await store.jobs.find("runs")
    assert waits is not None
    assert runs is not None
    assert (waits.cancel_requested, runs.cancel_requested) == (False, True)


@pytest.mark.parametrize(("uses_attempt", "attempt"), [(True, 1), (False, 0)])
async def test_a_requeued_attempt_counts_only_if_it_was_used(
    store: Store, uses_attempt: bool, attempt: int
) -> None:
    await a_job(store)
    running = await store.jobs.take("job", "run", 1)
    assert running is not None
    waiting = await store.jobs.requeue(running, uses_attempt=uses_attempt)
    assert waiting is not None
    assert (waiting.state, waiting.attempt, waiting.lease) == ("queued", attempt, None)


async def test_jobs_move_with_their_chat_and_lose_the_address_of_their_answer(store: Store) -> None:
    await a_job(store, "moves", chat_id="-5")
    await a_job(store, "stays", chat_id="-6")
    await store.jobs.move_chat("web", "-5", "-1005")
    moves, stays = await store.jobs.find("moves"), await store.jobs.find("stays")
    assert moves is not None
    assert stays is not None
    assert (moves.chat_id, moves.ref) == ("-1005", "")
    assert (stays.chat_id, stays.ref) == ("-6", "{}")


async def test_the_new_address_of_a_moved_answer_is_stored(store: Store) -> None:
    await a_job(store)
    await store.jobs.set_address("job", "discord", "hall", "there")
    moved = await store.jobs.find("job")
    assert moved is not None
    assert (moved.platform, moved.chat_id, moved.ref) == ("discord", "hall", "there")


async def test_file_ids_are_stored_by_form_and_the_newest_counts(store: Store) -> None:
    job = await a_job(store)
    pictures = [PictureRow("job", index, 7, f"{index:064x}") for index in (1, 0)]
    await store.jobs.end(job, "cancelled", 1, pictures=pictures)
    assert await store.jobs.pictures_of(["job"]) == tuple(reversed(pictures))
    await store.jobs.save_file_id("telegram", "job", 0, "photo", "old")
    await store.jobs.save_file_id("telegram", "job", 0, "photo", "new")
    await store.jobs.save_file_id("telegram", "job", 1, "document", "file")
    assert await store.jobs.file_ids("telegram", ["job"], "photo") == {("job", 0): "new"}
    assert await store.jobs.file_ids("telegram", ["job"], "document") == {("job", 1): "file"}
    assert await store.jobs.file_ids("discord", ["job"], "photo") == {}
    assert await store.jobs.file_ids("telegram", ["other"], "photo") == {}


async def test_the_database_stores_a_lora_name_as_people_read_it(store: Store) -> None:
    job = await a_job(store)
    new = NewJob(**{field.name: getattr(job, field.name) for field in fields(NewJob)})
    new = replace(new, id="other", recipe=replace(job.recipe, loras=(LoraChoice("糖面部", "a" * 64, 0.8),)))
    await store.jobs.add(new, event_id="other", most_unfinished=9)
    [(loras,)] = await store._run("SELECT loras FROM job WHERE id = 'other'")
    assert "糖面部" in loras


async def test_a_result_counts_its_deliveries_and_may_be_retried_at_once(store: Store) -> None:
    await ended_jobs(store, "job")
    for attempts in (1, 2):
        result, _ = await store.outbox.take("web", 0, waited_for_ms=0, most_in_chat=1)
        assert result == TakenResult("job", attempts)
        await store.outbox.mark("job", OutboxState.MAYBE)
    assert await next_due_ms(store, "web", 0) is None


async def test_a_chat_that_accepts_messages_again_gets_all_its_waiting_results_at_once(store: Store) -> None:
    await ended_jobs(store, "here")
    await ended_jobs(store, "there", chat_id="hall")
    for name in ("here", "there"):
        assert await take(store, 0) == name
        await store.outbox.mark(name, OutboxState.MAYBE, 9_000)
    await store.outbox.make_due("web", "room")
    assert [await take(store, 0), await take(store, 0)] == ["here", None]
    assert await next_due_ms(store, "web", 0) == 9_000
    assert await next_due_ms(store, "discord", 0) is None


async def test_a_chat_retries_only_its_own_kept_results_that_are_not_private(store: Store) -> None:
    await ended_jobs(store, "secret")
    await ended_jobs(store, "open", private=False)
    await ended_jobs(store, "elsewhere", private=False, chat_id="hall")
    for name in ("secret", "open", "elsewhere"):
        assert await take(store, 0) == name
        await store.outbox.mark(name, OutboxState.KEPT, 9_000)
    job = await store.jobs.find("open")
    assert job is not None
    assert await store.outbox.retry_kept_of_chat(job.person, "web", "room") == ("open",)
    assert await store.outbox.retry_kept_of_chat(job.person, "web", "room") == ()
    result, _ = await store.outbox.take("web", 0, waited_for_ms=0, most_in_chat=9)
    assert result == TakenResult("open", 1), "a kept result is retried as if it were new"


async def test_a_result_is_its_job_with_the_pictures_in_order(store: Store) -> None:
    job = await a_job(store)
    pictures = [PictureRow("job", index, 7 + index, f"{index:064x}") for index in (2, 0, 1)]
    await store.jobs.end(job, "done", 1, pictures=pictures)
    result = await store.outbox.load("job")
    assert result is not None
    assert result.job == await store.jobs.find("job")
    assert (
        result.pictures
        == await store.jobs.pictures_of(["job"])
        == tuple(sorted(pictures, key=lambda p: p.idx))
    )


async def test_an_answer_is_kept_until_its_event_is_settled(store: Store) -> None:
    await store.inbox.add("web", [("1", "one")], 10)
    assert await store.inbox.find("web", "1") == EventRow(is_stored=True, answer=None, job=None)
    await store.inbox.save_answer("web", "1", '{"said": 1}')
    assert await store.inbox.find("web", "1") == EventRow(is_stored=True, answer='{"said": 1}', job=None)
    assert await store.inbox.find("web", "2") == NOT_KNOWN
    assert await store.inbox.unsettled("discord") == ()
    await store.inbox.settle("web", "1")
    assert await store.inbox.find("web", "1") == NOT_KNOWN


async def test_repeated_events_are_recognised_until_their_records_expire(store: Store) -> None:
    await store.inbox.add("web", [("job", "draw"), ("open", "draw")], 10)
    await ended_jobs(store, "job", "open", ended_ms=20)
    await a_job(store, "waits")
    for name in ("job", "open"):
        await take(store, 0)
        await store.outbox.mark(name, OutboxState.SENT)
    await store.inbox.settle("web", "job")

    await store.inbox.delete_expired(before_ms=10)
    assert (await store.inbox.find("web", "job")).job == "job"
    await store.inbox.add("web", [("job", "draw again")], 11)
    assert [name for name, _ in await store.inbox.unsettled("web")] == ["open"]

    await store.inbox.delete_expired(before_ms=21)
    assert await store.inbox.find("web", "job") == NOT_KNOWN
    assert (await store.inbox.find("web", "open")).job == "open", "its event is still to be handled"
    assert (await store.inbox.find("web", "waits")).job == "waits"
    left = await store._run("SELECT job FROM outbox")
    assert [row[0] for row in left] == ["open"]
    assert (await store.survey()).is_sound
