import asyncio
from pathlib import Path

from bot.chats.web.conversation import MAX_ENTRIES, MAX_SHOWN_CHARS, Conversation, Drawing, Said
from bot.outcomes import History, HistoryEntry, JobState, PictureFile
from engine.request import Picture
from tests.unit.bot.chats.making import JOB, PNG, make_receipt, make_recipe, make_result, make_status


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
    talk.deliver(make_result())

    drawing = the_drawing(talk)
    assert drawing.receipt == make_receipt()
    assert drawing.status is None  # and the pictures in it are free
    assert drawing.result == make_result()


def test_a_status_that_comes_before_the_receipt_makes_no_second_entry() -> None:
    talk = make_talk()

    talk.show(make_status())
    talk.answer(make_receipt())

    assert the_drawing(talk).receipt == make_receipt()


def test_a_late_status_does_not_reopen_an_ended_job() -> None:
    talk = make_talk()

    talk.deliver(make_result())
    talk.show(make_status())

    assert the_drawing(talk).result
    assert the_drawing(talk).status is None


def test_the_same_parcel_twice_shows_once() -> None:
    talk = make_talk()

    talk.deliver(make_result())
    talk.deliver(make_result())

    assert len(talk.entries) == 1


def test_the_oldest_entries_make_room() -> None:
    talk = make_talk()

    for number in range(MAX_ENTRIES + 5):
        talk.say(str(number))

    assert len(talk.entries) == MAX_ENTRIES


def test_a_page_finds_its_own_pictures_and_no_others(tmp_path: Path) -> None:
    talk = make_talk()
    old = PictureFile(0, 1, tmp_path / "old.png")
    talk.deliver(make_result(paths=(tmp_path / "new.png",)))
    talk.answer(History((HistoryEntry("old1", JobState.DONE, 0, make_recipe(), (old,)),)))

    assert talk.picture(JOB, 0) == PictureFile(0, 7, tmp_path / "new.png")
    assert talk.picture("old1", 0) == old
    assert talk.picture(JOB, 1) is None
    assert talk.picture("other", 0) is None


def test_pictures_of_a_running_job_are_found_before_its_end() -> None:
    talk = make_talk()
    first = Picture(0, 7, 512, 768, PNG)
    talk.show(make_status(count=2, index=1, pictures=(first,)))

    assert talk.picture(JOB, 0) == first
    assert talk.picture(JOB, 1) is None


def test_a_message_far_too_long_to_be_a_prompt_is_kept_in_part() -> None:
    talk = make_talk()

    talk.say("x" * 4_000)

    (entry,) = talk.entries
    assert isinstance(entry, Said)
    assert len(entry.text) == MAX_SHOWN_CHARS


def test_an_entry_keeps_its_number_while_others_come_and_go() -> None:
    talk = make_talk()
    talk.say("first")
    talk.answer(make_receipt())

    for number in range(MAX_ENTRIES - 1):
        talk.say(str(number))
    talk.show(make_status(step=3))

    assert talk.items[0].number == 1
    assert talk.items[0].version == talk.version
    assert talk.items[-1].number == MAX_ENTRIES


async def test_a_waiter_sees_the_next_change() -> None:
    talk = make_talk()
    waiting = asyncio.create_task(talk.wait_beyond(talk.version), name="waiter")
    await asyncio.sleep(0)
    assert not waiting.done()

    talk.say("hello")

    async with asyncio.timeout(5):
        await waiting


async def test_a_change_before_the_wait_is_not_lost() -> None:
    talk = make_talk()
    seen = talk.version
    talk.say("while the reader was busy")

    async with asyncio.timeout(5):
        await talk.wait_beyond(seen)


async def test_a_released_conversation_lets_its_waiters_go() -> None:
    talk = make_talk()
    waiting = [asyncio.create_task(talk.wait_beyond(9), name=f"waiter {number}") for number in range(3)]
    await asyncio.sleep(0)

    talk.release()

    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)
