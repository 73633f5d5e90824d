"""The outbox and the inbox: what is tried again, what is forgotten, and what may not be."""

from bot.store import Store
from bot.store.rows import ClaimedRow, DefaultLora, InboxRow, OutboxState, PictureRow
from tests.unit.bot.store.stored import a_job, claim, ended_jobs


async def test_a_parcel_counts_its_deliveries_and_may_be_tried_at_once(store: Store) -> None:
    await ended_jobs(store, "job")
    for attempts in (1, 2):
        result = await store.post.claim("web", 0, waited_for_ms=0, most_in_chat=1)
        assert result == ClaimedRow("job", attempts)
        await store.post.mark("job", OutboxState.MAYBE)
    assert await store.post.next_due_ms("web", 0) is None


async def test_a_chat_that_can_take_again_gets_all_that_waits_for_it_at_once(store: Store) -> None:
    await ended_jobs(store, "here")
    await ended_jobs(store, "there", chat_id="hall")
    for name in ("here", "there"):
        assert await claim(store, 0) == name
        await store.post.mark(name, OutboxState.MAYBE, 9_000)
    await store.post.make_due("web", "room")
    assert [await claim(store, 0), await claim(store, 0)] == ["here", None]
    assert await store.post.next_due_ms("web", 0) == 9_000
    assert await store.post.next_due_ms("discord", 0) is None


async def test_what_was_kept_is_taken_in_a_chat_only_if_it_was_drawn_openly_there(store: Store) -> None:
    await ended_jobs(store, "secret")
    await ended_jobs(store, "open", private=False)
    await ended_jobs(store, "elsewhere", private=False, chat_id="hall")
    for name in ("secret", "open", "elsewhere"):
        assert await claim(store, 0) == name
        await store.post.mark(name, OutboxState.KEPT, 9_000)
    job = await store.jobs.find("open")
    assert job is not None
    assert await store.post.take_kept_of_chat(job.person, "web", "room") == ("open",)
    assert await store.post.take_kept_of_chat(job.person, "web", "room") == ()
    result = await store.post.claim("web", 0, waited_for_ms=0, most_in_chat=9)
    assert result == ClaimedRow("open", 1), "a kept parcel is tried as if it were new"


async def test_an_answer_is_kept_until_its_event_is_settled(store: Store) -> None:
    await store.post.take_in("web", [("1", "one")], 10)
    assert await store.post.find_event("web", "1") == InboxRow(None)
    await store.post.keep_answer("web", "1", '{"said": 1}')
    assert await store.post.find_event("web", "1") == InboxRow('{"said": 1}')
    assert await store.post.find_event("web", "2") is None
    assert await store.post.taken_in("discord") == ()
    await store.post.settle("web", "1")
    assert await store.post.find_event("web", "1") is None


async def test_repetitions_are_recognised_until_they_are_forgotten(store: Store) -> None:
    await store.post.take_in("web", [("job", "draw"), ("open", "draw")], 10)
    await ended_jobs(store, "job", "open", ended_ms=20)
    await a_job(store, "waits")
    for name in ("job", "open"):
        await claim(store, 0)
        await store.post.mark(name, OutboxState.SENT)
    await store.post.settle("web", "job")

    await store.post.forget_repeats(before_ms=10)
    assert await store.jobs.of_origin("web", "job") is not None
    await store.post.take_in("web", [("job", "draw again")], 11)
    assert [name for name, _ in await store.post.taken_in("web")] == ["open"]

    await store.post.forget_repeats(before_ms=21)
    assert await store.jobs.of_origin("web", "job") is None
    assert await store.jobs.of_origin("web", "open") is not None, "its event is still to be handled"
    assert await store.jobs.of_origin("web", "waits") is not None
    left = await store._database._run("SELECT job FROM outbox")
    assert [row[0] for row in left] == ["open"]
    assert (await store.survey()).is_sound


async def test_pictures_wait_until_they_were_sent(store: Store) -> None:
    for name in ("sent", "ready"):
        job = await a_job(store, name, chat_id=name)
        await store.jobs.end(job, "cancelled", 1, pictures=[PictureRow(name, 0, 7, f"{name}.png")])
        await store.post.post(name)
    assert await claim(store, 0) == "sent"
    assert sorted(await store.post.pictures_waiting()) == ["ready.png", "sent.png"]
    await store.post.mark("sent", OutboxState.SENT)
    assert await store.post.pictures_waiting() == ("ready.png",)


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


async def test_the_bots_default_is_what_was_settled_last(store: Store) -> None:
    assert await store.defaults.of_bot() is None
    await store.defaults.set_for_bot(DefaultLora("sugar", 0.5))
    await store.defaults.set_for_bot(DefaultLora("anime", 1.0))
    assert await store.defaults.of_bot() == DefaultLora("anime", 1.0)
    await store.defaults.set_for_chat("web", "room", DefaultLora("sugar", 0.5))
    assert await store.defaults.of_bot() == DefaultLora("anime", 1.0)
