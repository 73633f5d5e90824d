import asyncio
from pathlib import Path

from bot.chats.web.conversation import (
    MAX_ENTRIES,
    MAX_SHOWN_CHARS,
    BotMessage,
    Conversation,
    JobMessage,
    UserMessage,
)
from bot.outcomes import Deleted, History, HistoryEntry, JobState, PickedPicture, PictureFile
from engine.request import Picture
from tests.unit.bot.chats.making import JOB, PNG, make_receipt, make_recipe, make_result, make_status


def make_conversation() -> Conversation:
    return Conversation("page", "en")


def the_job_message(conversation: Conversation) -> JobMessage:
    (entry,) = conversation.entries
    assert isinstance(entry, JobMessage)
    return entry


def test_a_job_is_one_entry_from_receipt_to_result() -> None:
    conversation = make_conversation()

    conversation.answer(make_receipt())
    conversation.show(make_status(step=3))
    conversation.show(make_status(step=4))
    conversation.deliver(make_result())

    job_message = the_job_message(conversation)
    assert job_message.receipt == make_receipt()
    assert job_message.status is None  # and the pictures in it are free
    assert job_message.result == make_result()


def test_a_status_before_the_receipt_adds_no_second_entry() -> None:
    conversation = make_conversation()

    conversation.show(make_status())
    conversation.answer(make_receipt())

    assert the_job_message(conversation).receipt == make_receipt()


def test_a_late_status_does_not_reopen_an_ended_job() -> None:
    conversation = make_conversation()

    conversation.deliver(make_result())
    conversation.show(make_status())

    assert the_job_message(conversation).result
    assert the_job_message(conversation).status is None


def test_the_same_result_twice_shows_once() -> None:
    conversation = make_conversation()

    conversation.deliver(make_result())
    conversation.deliver(make_result())

    assert len(conversation.entries) == 1


def test_new_entries_replace_the_oldest_ones() -> None:
    conversation = make_conversation()

    for number in range(MAX_ENTRIES + 5):
        conversation.say(str(number))

    assert len(conversation.entries) == MAX_ENTRIES


def test_a_page_finds_its_own_pictures_and_no_others(tmp_path: Path) -> None:
    conversation = make_conversation()
    old = PictureFile(0, 1, tmp_path / "old.png")
    conversation.deliver(make_result(paths=(tmp_path / "new.png",)))
    conversation.answer(History((HistoryEntry("old1", JobState.DONE, make_recipe(), (old,)),)))

    assert conversation.picture(JOB, 0) == PictureFile(0, 7, tmp_path / "new.png")
    assert conversation.picture("old1", 0) == old
    assert conversation.picture(JOB, 1) is None
    assert conversation.picture("other", 0) is None


def test_pictures_of_a_running_job_are_found_before_its_end() -> None:
    conversation = make_conversation()
    first = Picture(0, 7, 512, 768, PNG)
    conversation.show(make_status(count=2, index=1, pictures=(first,)))

    assert conversation.picture(JOB, 0) == first
    assert conversation.picture(JOB, 1) is None


def test_a_message_too_long_for_a_prompt_is_cut() -> None:
    conversation = make_conversation()

    conversation.say("x" * 4_000)

    (entry,) = conversation.entries
    assert isinstance(entry, UserMessage)
    assert len(entry.text) == MAX_SHOWN_CHARS


def test_an_entry_keeps_its_number_while_others_come_and_go() -> None:
    conversation = make_conversation()
    conversation.say("first")
    conversation.answer(make_receipt())

    for number in range(MAX_ENTRIES - 1):
        conversation.say(str(number))
    conversation.show(make_status(step=3))

    assert conversation.items[0].number == 1
    assert conversation.items[0].version == conversation.version
    assert conversation.items[-1].number == MAX_ENTRIES


async def test_a_waiter_sees_the_next_change() -> None:
    conversation = make_conversation()
    waiting = asyncio.create_task(conversation.wait_for_change(conversation.version), name="waiter")
    await asyncio.sleep(0)
    assert not waiting.done()

    conversation.say("hello")

    async with asyncio.timeout(30):
        await waiting


async def test_a_change_before_the_wait_is_not_lost() -> None:
    conversation = make_conversation()
    seen = conversation.version
    conversation.say("while the reader was busy")

    async with asyncio.timeout(30):
        await conversation.wait_for_change(seen)


async def test_the_release_of_a_conversation_wakes_its_waiters() -> None:
    conversation = make_conversation()
    waiting = [
        asyncio.create_task(conversation.wait_for_change(9), name=f"waiter {number}") for number in range(3)
    ]
    await asyncio.sleep(0)

    conversation.release()

    async with asyncio.timeout(30):
        await asyncio.gather(*waiting)


def test_a_deleted_job_leaves_only_one_answer_that_it_is_gone(tmp_path: Path) -> None:
    file = PictureFile(0, 7, tmp_path / "a.png")
    conversation = make_conversation()
    conversation.say("a face that I delete", "event")
    conversation.answer(make_receipt(), "event")
    conversation.deliver(make_result(paths=(file.path,)))
    conversation.say("/pick 1", "another event")
    conversation.answer(PickedPicture(JOB, file, make_recipe()))
    kept = HistoryEntry("kept", JobState.DONE, make_recipe())
    conversation.answer(History((HistoryEntry(JOB, JobState.DONE, make_recipe(), (file,)), kept)))

    conversation.answer(Deleted(JOB))

    assert conversation.picture(JOB, 0) is None
    assert conversation.entries == (
        BotMessage(Deleted(JOB)), UserMessage("/pick 1", "another event"), BotMessage(History((kept,)))
    )  # fmt: skip
    assert conversation.whole_version == conversation.version, "every tab shows the change"
    conversation.answer(Deleted("of another tab"))
    assert conversation.entries[-1] == BotMessage(Deleted("of another tab"))


def test_a_deletion_in_a_list_is_answered() -> None:
    conversation = make_conversation()
    conversation.answer(History((HistoryEntry(JOB, JobState.DONE, make_recipe()),)))

    conversation.answer(Deleted(JOB))

    assert conversation.entries == (BotMessage(History(())), BotMessage(Deleted(JOB)))
