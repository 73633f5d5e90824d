"""Chats: events until they are settled, how long a repetition is recognised, default LoRAs, and new ids."""

from bot.store import Store
from bot.store.rows import DefaultLora, InboxRow, OutboxState
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


async def test_a_chats_default_and_its_history_move_to_its_new_id(store: Store) -> None:
    await store.defaults.set_for_chat("web", "-5", DefaultLora("sugar", 0.5))
    await store.defaults.move_chat("web", "-5", "-1005")
    assert await store.defaults.of("web", "-1005") == DefaultLora("sugar", 0.5)
    assert await store.defaults.of("web", "-5") is None
    await store.defaults.move_chat("web", "-1005", "-2005")
    assert set(await store.defaults.earlier_ids("web", "-2005")) == {"-5", "-1005"}
    assert await store.defaults.earlier_ids("discord", "-2005") == ()


async def test_a_default_that_a_chat_has_already_is_not_replaced_when_another_moves_there(
    store: Store,
) -> None:
    await store.defaults.set_for_chat("web", "old", DefaultLora("sugar", 0.5))
    await store.defaults.set_for_chat("web", "new", DefaultLora("anime", 1.0))
    await store.defaults.move_chat("web", "old", "new")
    assert await store.defaults.of("web", "new") == DefaultLora("anime", 1.0)


async def test_the_bots_default_is_the_last_one_set(store: Store) -> None:
    assert await store.defaults.of_bot() is None
    await store.defaults.set_for_bot(DefaultLora("sugar", 0.5))
    await store.defaults.set_for_bot(DefaultLora("anime", 1.0))
    assert await store.defaults.of_bot() == DefaultLora("anime", 1.0)
    await store.defaults.set_for_chat("web", "room", DefaultLora("sugar", 0.5))
    assert await store.defaults.of_bot() == DefaultLora("anime", 1.0)
