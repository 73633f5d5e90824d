"""The inbox: events until they are settled, and how long a repetition is recognised."""

from bot.store import Store
from bot.store.rows import InboxRow, OutboxState
from tests.unit.bot.store.stored import a_job, claim, ended_jobs


async def test_an_answer_is_kept_until_its_event_is_settled(store: Store) -> None:
    await store.inbox.add("web", [("1", "one")], 10)
    assert await store.inbox.find("web", "1") == InboxRow(None)
    await store.inbox.save_answer("web", "1", '{"said": 1}')
    assert await store.inbox.find("web", "1") == InboxRow('{"said": 1}')
    assert await store.inbox.find("web", "2") is None
    assert await store.inbox.unsettled("discord") == ()
    await store.inbox.settle("web", "1")
    assert await store.inbox.find("web", "1") is None


async def test_repeated_events_are_recognised_until_their_records_expire(store: Store) -> None:
    await store.inbox.add("web", [("job", "draw"), ("open", "draw")], 10)
    await ended_jobs(store, "job", "open", ended_ms=20)
    await a_job(store, "waits")
    for name in ("job", "open"):
        await claim(store, 0)
        await store.outbox.mark(name, OutboxState.SENT)
    await store.inbox.settle("web", "job")

    await store.inbox.delete_expired(before_ms=10)
    assert await store.jobs.find_by_origin("web", "job") is not None
    await store.inbox.add("web", [("job", "draw again")], 11)
    assert [name for name, _ in await store.inbox.unsettled("web")] == ["open"]

    await store.inbox.delete_expired(before_ms=21)
    assert await store.jobs.find_by_origin("web", "job") is None
    assert await store.jobs.find_by_origin("web", "open") is not None, "its event is still to be handled"
    assert await store.jobs.find_by_origin("web", "waits") is not None
    left = await store._run("SELECT job FROM outbox")
    assert [row[0] for row in left] == ["open"]
    assert (await store.survey()).is_sound
