import asyncio
from pathlib import Path

from bot.chats.web_.conversation import MAX_ENTRIES, Conversation, Drawing
from bot.desk.outcomes import History, HistoryEntry, JobState, PictureFile
from tests.unit.bot.chats.making import JOB, make_parcel, make_receipt, make_recipe, make_status


def make_talk() -> Conversation:
    return Conversation("page", "en")


def the_drawing(talk: Conversation) -> Drawing:
    (entry,) = talk.entries
    assert isinstance(entry, Drawing)
    return entry


def test_a_job_is_one_entry_from_receipt_to_parcel() -> None:
    talk = make_talk()

    talk.answer(make_receipt())
    talk.show(make_status(step=3))
    talk.show(make_status(step=4))
    talk.deliver(make_parcel())

    drawing = the_drawing(talk)
    assert drawing.receipt == make_receipt()
    assert drawing.status == make_status(step=4)
    assert drawing.parcel == make_parcel()


def test_a_status_that_comes_before_the_receipt_makes_no_second_entry() -> None:
    talk = make_talk()

    talk.show(make_status())
    talk.answer(make_receipt())

    assert the_drawing(talk).receipt == make_receipt()


def test_a_late_status_does_not_reopen_an_ended_job() -> None:
    talk = make_talk()

    talk.deliver(make_parcel())
    talk.show(make_status())

    assert not talk.is_waiting
    assert the_drawing(talk).status is None


def test_the_same_parcel_twice_shows_once() -> None:
    talk = make_talk()

    talk.deliver(make_parcel())
    talk.deliver(make_parcel())

    assert len(talk.entries) == 1


def test_the_oldest_entries_make_room() -> None:
    talk = make_talk()

    for number in range(MAX_ENTRIES + 5):
        talk.say(str(number))

    assert len(talk.entries) == MAX_ENTRIES


def test_a_page_finds_its_own_pictures_and_no_others(tmp_path: Path) -> None:
    talk = make_talk()
    old = PictureFile(0, 1, tmp_path / "old.png")
    talk.deliver(make_parcel(paths=(tmp_path / "new.png",)))
    talk.answer(History((HistoryEntry("old1", JobState.DONE, 0, make_recipe(), (old,)),)))

    assert talk.picture(JOB, 0) == PictureFile(0, 7, tmp_path / "new.png")
    assert talk.picture("old1", 0) == old
    assert talk.picture(JOB, 1) is None
    assert talk.picture("other", 0) is None


async def test_a_follower_sees_every_change_and_stops_with_the_last_job() -> None:
    talk = make_talk()
    talk.answer(make_receipt())

    async def follow() -> list[bool]:
        return [talk.is_waiting async for _ in talk.follow()]

    async with asyncio.timeout(5):
        following = asyncio.create_task(follow(), name="follower")
        await asyncio.sleep(0)
        talk.show(make_status())
        await asyncio.sleep(0)
        talk.deliver(make_parcel())
        assert await following == [True, True, False]


async def test_a_change_during_a_slow_yield_is_not_lost() -> None:
    talk = make_talk()
    talk.answer(make_receipt())

    async with asyncio.timeout(5):
        async for _ in talk.follow():
            if talk.is_waiting:
                talk.deliver(make_parcel())  # while the follower's reader is still busy


async def test_a_newer_follower_takes_over() -> None:
    talk = make_talk()
    talk.answer(make_receipt())
    older = talk.follow()
    await anext(older)
    waiting = asyncio.create_task(anext(older, None), name="older follower")
    await asyncio.sleep(0)

    await anext(talk.follow())

    async with asyncio.timeout(5):
        assert await waiting is None


async def test_a_released_page_lets_its_follower_go() -> None:
    talk = make_talk()
    talk.answer(make_receipt())
    follower = talk.follow()
    await anext(follower)
    waiting = asyncio.create_task(anext(follower, None), name="follower")
    await asyncio.sleep(0)

    talk.release()

    async with asyncio.timeout(5):
        assert await waiting is None
