"""The outbox: which result is delivered next, and which is tried again."""

from bot.store import Store
from bot.store.rows import ClaimedRow, OutboxState, PictureRow
from tests.unit.bot.store.stored import a_job, claim, ended_jobs


async def test_a_result_counts_its_deliveries_and_may_be_retried_at_once(store: Store) -> None:
    await ended_jobs(store, "job")
    for attempts in (1, 2):
        result = await store.outbox.claim("web", 0, waited_for_ms=0, most_in_chat=1)
        assert result == ClaimedRow("job", attempts)
        await store.outbox.mark("job", OutboxState.MAYBE)
    assert await store.outbox.next_due_ms("web", 0) is None


async def test_a_chat_that_accepts_messages_again_gets_all_its_waiting_results_at_once(store: Store) -> None:
    await ended_jobs(store, "here")
    await ended_jobs(store, "there", chat_id="hall")
    for name in ("here", "there"):
        assert await claim(store, 0) == name
        await store.outbox.mark(name, OutboxState.MAYBE, 9_000)
    await store.outbox.make_due("web", "room")
    assert [await claim(store, 0), await claim(store, 0)] == ["here", None]
    assert await store.outbox.next_due_ms("web", 0) == 9_000
    assert await store.outbox.next_due_ms("discord", 0) is None


async def test_a_chat_retries_only_its_own_kept_results_that_are_not_private(store: Store) -> None:
    await ended_jobs(store, "secret")
    await ended_jobs(store, "open", private=False)
    await ended_jobs(store, "elsewhere", private=False, chat_id="hall")
    for name in ("secret", "open", "elsewhere"):
        assert await claim(store, 0) == name
        await store.outbox.mark(name, OutboxState.KEPT, 9_000)
    job = await store.jobs.find("open")
    assert job is not None
    assert await store.outbox.retry_kept_of_chat(job.person, "web", "room") == ("open",)
    assert await store.outbox.retry_kept_of_chat(job.person, "web", "room") == ()
    result = await store.outbox.claim("web", 0, waited_for_ms=0, most_in_chat=9)
    assert result == ClaimedRow("open", 1), "a kept result is retried as if it were new"


async def test_pictures_are_undelivered_until_their_result_is_sent(store: Store) -> None:
    for name in ("sent", "ready"):
        job = await a_job(store, name, chat_id=name)
        await store.jobs.end(job, "cancelled", 1, pictures=[PictureRow(name, 0, 7, f"{name}.png")])
        await store.outbox.add(name)
    assert await claim(store, 0) == "sent"
    assert sorted(await store.outbox.undelivered_pictures()) == ["ready.png", "sent.png"]
    await store.outbox.mark("sent", OutboxState.SENT)
    assert await store.outbox.undelivered_pictures() == ("ready.png",)
