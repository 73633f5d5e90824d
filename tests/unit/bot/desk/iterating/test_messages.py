"""What chats show of a deleted job goes on every platform; what stays is said, and tried again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bot import messages as sentences
from bot.commands.values import Delete, Link
from bot.desk.iterating import messages
from bot.outcomes import Deleted, LinkCode, Linked, MessagesLeft, PictureMessage, Platform
from bot.policy.rules import Rules
from tests.fakes.chat import FakeChat
from tests.fakes.desk_harness import DeskHarness, a_context, open_harness, until

DISCORD, TELEGRAM = Platform.DISCORD, Platform.TELEGRAM
RULES = Rules(allow=frozenset({"discord:*", "telegram:*"}))


@asynccontextmanager
async def on(
    folder: Path, *platforms: Platform
) -> AsyncIterator[tuple[DeskHarness, dict[Platform, FakeChat]]]:
    """A desk that runs with a chat on each of these platforms."""
    chats = {platform: FakeChat(platform) for platform in platforms}
    async with open_harness(folder, rules=RULES) as harness:
        run = asyncio.create_task(harness.desk.run(chats), name="desk")
        try:
            yield harness, chats
        finally:
            await harness.desk.drain(5.0)
            await run


async def shown_on_both(
    harness: DeskHarness, chats: dict[Platform, FakeChat]
) -> tuple[str, list[PictureMessage]]:
    """A job of a linked person, drawn on Discord and sent again on Telegram."""
    receipt = await harness.accept("1", "ann", platform=DISCORD)
    await chats[DISCORD].wait_for_results(1)
    code = await harness.desk.handle(Link(), a_context("2", "ann", platform=DISCORD, chat_id="ann"))
    assert isinstance(code, LinkCode)
    for event in ("3", "4"):
        linked = await harness.desk.handle(
            Link(code.code), a_context(event, "7", platform=TELEGRAM, chat_id="7")
        )
    assert isinstance(linked, Linked)
    shown = [
        PictureMessage(DISCORD, "", "101", receipt.job_id),
        PictureMessage(DISCORD, "20", "100", receipt.job_id),
        PictureMessage(TELEGRAM, "7", "200", receipt.job_id, 0),
    ]
    await harness.desk.keep_messages(shown)
    return receipt.job_id, shown


async def delete(harness: DeskHarness, job_id: str) -> MessagesLeft:
    """Delete the job on Telegram, as a chat does it."""
    context = a_context("5", "7", platform=TELEGRAM, chat_id="7")
    deleted = await harness.desk.handle(Delete(job_id), context)
    assert isinstance(deleted, Deleted)
    return await harness.desk.delete_messages(job_id)


async def test_the_messages_of_both_platforms_are_deleted_and_those_that_stay_are_said(
    tmp_path: Path,
) -> None:
    async with on(tmp_path, DISCORD, TELEGRAM) as (harness, chats):
        job_id, shown = await shown_on_both(harness, chats)
        assert await harness.desk.delete_messages(job_id) == MessagesLeft(), "it is not deleted yet"
        chats[DISCORD].undeletable = {"101"}
        left = await delete(harness, job_id)
        assert left == MessagesLeft((shown[0],))
        assert (chats[DISCORD].deleted, chats[TELEGRAM].deleted) == (shown[:2], shown[2:])
        assert await harness.store.messages.of_job(job_id) == ()
        assert left.without("101") == await harness.desk.delete_messages(job_id) == MessagesLeft()


async def test_a_platform_that_does_not_answer_is_asked_again_also_by_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with on(tmp_path, DISCORD, TELEGRAM) as (harness, chats):
        job_id, shown = await shown_on_both(harness, chats)
        chats[DISCORD].errors += [ConnectionError()]
        assert await delete(harness, job_id) == MessagesLeft((), (DISCORD,))
        assert await harness.store.messages.of_job(job_id) == tuple(
            sorted(shown[:2], key=lambda it: it.chat_id)
        )
    monkeypatch.setattr(messages, "AGAIN_S", 0.01)
    async with on(tmp_path, TELEGRAM) as (harness, _):
        left = await harness.desk.delete_messages(job_id)
        assert {each.message_id for each in left.messages} == {"100", "101"}, "nobody serves Discord"
    async with on(tmp_path, DISCORD) as (harness, chats):
        chats[DISCORD].errors += [ConnectionError(), ConnectionError()]
        await until(lambda: len(chats[DISCORD].deleted) == 2)
        await until(lambda: not harness.desk.parts.messages._waiting)
        assert await harness.store.messages.of_job(job_id) == ()


async def test_a_deletion_before_the_desk_runs_waits_for_it(tmp_path: Path) -> None:
    async with on(tmp_path, DISCORD, TELEGRAM) as (harness, chats):
        job_id, _ = await shown_on_both(harness, chats)
    async with open_harness(tmp_path, rules=RULES) as harness:
        deleting = asyncio.create_task(delete(harness, job_id))
        await asyncio.sleep(0.05)
        chats = {platform: FakeChat(platform) for platform in (DISCORD, TELEGRAM)}
        run = asyncio.create_task(harness.desk.run(chats), name="desk")
        assert await deleting == MessagesLeft()
        assert len(chats[DISCORD].deleted) == 2
        await harness.desk.drain(5.0)
        await run


async def test_an_answer_waits_for_a_slow_platform_only_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "WAIT_S", 1.0)  # enough for the other platform on a busy machine
    async with on(tmp_path, DISCORD, TELEGRAM) as (harness, chats):
        job_id, _ = await shown_on_both(harness, chats)
        may_answer, at_once = asyncio.Event(), chats[DISCORD].delete_messages

        async def answer_later(shown: list[PictureMessage], locale: str) -> tuple[PictureMessage, ...]:
            await may_answer.wait()
            return await at_once(shown, locale)

        monkeypatch.setattr(chats[DISCORD], "delete_messages", answer_later)
        assert (await delete(harness, job_id)).pending == (DISCORD,)
        assert (await harness.desk.delete_messages(job_id)).pending == (DISCORD,)
        may_answer.set()
        await until(lambda: len(chats[DISCORD].deleted) == 2)
    assert len(chats[DISCORD].deleted) == 2, "it was asked once"


async def test_a_message_that_was_sent_while_its_job_was_deleted_goes_too(tmp_path: Path) -> None:
    async with on(tmp_path, DISCORD, TELEGRAM) as (harness, chats):
        job_id, shown = await shown_on_both(harness, chats)
        delete_messages, may_delete, began = chats[DISCORD].delete_messages, asyncio.Event(), asyncio.Event()

        async def delete_slowly(found: Sequence[PictureMessage], locale: str) -> tuple[PictureMessage, ...]:
            began.set()
            await may_delete.wait()
            return await delete_messages(found, locale)

        chats[DISCORD].delete_messages = delete_slowly  # type: ignore[method-assign]
        deleting = asyncio.create_task(delete(harness, job_id))
        await began.wait()
        meanwhile = PictureMessage(DISCORD, "20", "102", job_id, 0)  # of /pick, on its way at that moment
        keeping = asyncio.create_task(harness.desk.keep_messages([meanwhile]))
        async with asyncio.timeout(30):
            while meanwhile not in await harness.store.messages.of_job(job_id):  # noqa: ASYNC110
                await asyncio.sleep(0)
        may_delete.set()
        await asyncio.gather(deleting, keeping)
        assert chats[DISCORD].deleted == [*shown[:2], meanwhile]
        later = PictureMessage(TELEGRAM, "7", "201", job_id, 0)
        await harness.desk.keep_messages([later])
        assert chats[TELEGRAM].deleted == [shown[2], later]
        assert await harness.store.messages.of_job(job_id) == ()


def test_the_answer_says_what_stays_on_which_platform() -> None:
    shown = PictureMessage(DISCORD, "20", "100", "k3f9")
    left = MessagesLeft((shown, replace(shown, message_id="101")), (TELEGRAM,))
    first, on_discord, on_telegram = sentences.format_outcome(Deleted("k3f9", left), "en").splitlines()
    assert "are deleted" in first
    assert on_discord.startswith("2 messages of this job on Discord can't be changed")
    assert on_telegram.startswith("Telegram doesn't answer")
    assert sentences.format_outcome(Deleted("k3f9"), "en") == first
