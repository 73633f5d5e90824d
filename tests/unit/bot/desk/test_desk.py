"""The door: help, the inbox, and starting and stopping."""

import asyncio
from pathlib import Path

import pytest

from bot.chats.contract import Desk as Contract
from bot.commands.values import Draw, Help, LoraList, LoraSwitch, LoraWish, Scope
from bot.errors import ChatNotAllowed
from bot.outcomes import Address, Platform, QueueStatus, Receipt
from bot.outcomes import LoraListing as LoraShelf
from bot.policy.rules import Rules
from tests.fakes.chat import FakeChat
from tests.fakes.desk_harness import HOST, DeskHarness, a_context, open_harness, until
from tests.fakes.renderer import Act, FakeRenderer


async def test_the_desk_keeps_the_contract_with_chats(harness: DeskHarness) -> None:
    desk: Contract = harness.desk
    assert await desk.handle(Help(), a_context("1")) == Help()
    assert [card.name for card in desk.suggest_loras("sug", a_context("1"))] == ["sugar"]


async def test_events_wait_across_a_restart_until_they_are_settled(tmp_path: Path) -> None:
    async with open_harness(tmp_path) as harness:
        await harness.desk.store_events(Platform.TELEGRAM, [("2", "{}"), ("9", "[]")])
        await harness.desk.finish_event(Platform.TELEGRAM, "2")
    async with open_harness(tmp_path) as harness:
        await harness.desk.store_events(Platform.TELEGRAM, [("2", "{}")])
        assert await harness.desk.pending_events(Platform.TELEGRAM) == (("9", "[]"),)
        assert await harness.desk.pending_events(Platform.DISCORD) == ()


async def test_starting_and_stopping_many_times_leaks_no_task(tmp_path: Path) -> None:
    async with open_harness(tmp_path):
        before = asyncio.all_tasks()
    for turn in range(20):
        async with open_harness(tmp_path) as harness:
            run = asyncio.create_task(harness.desk.run({harness.chat.platform: harness.chat}))
            for _ in range(turn):
                await asyncio.sleep(0)
            if turn % 2:
                await harness.desk.drain(5)
            else:
                run.cancel()
            async with asyncio.timeout(30):
                await asyncio.gather(run, return_exceptions=True)
        assert asyncio.all_tasks() == before


async def test_a_drain_before_the_run_ends_the_run_at_once(harness: DeskHarness) -> None:
    await harness.desk.drain(1)
    async with asyncio.timeout(30):
        await harness.desk.run({harness.chat.platform: harness.chat})


async def test_the_queue_status_has_the_waiting_jobs_the_step_and_the_default(tmp_path: Path) -> None:
    async with open_harness(
        tmp_path, renderer=FakeRenderer(acts=[Act.HANG]), default_lora="anime"
    ) as harness:
        assert harness.desk.queue_status() == QueueStatus(
            waiting=0, drawing="", step=0, steps=0, default_lora="anime"
        )
        async with harness.running():
            first = await harness.desk.handle(Draw(prompt="a"), a_context("1"))
            await harness.desk.handle(Draw(prompt="b"), a_context("2"))
            await until(lambda: harness.desk.queue_status().step > 0)
            await harness.desk.handle(LoraSwitch(LoraWish("sugar"), Scope.BOT), a_context("3", HOST))
            queue_status = harness.desk.queue_status()
    assert isinstance(first, Receipt)
    assert (queue_status.waiting, queue_status.drawing, queue_status.steps) == (1, first.job_id, 8)
    assert queue_status.default_lora == "sugar"
    async with open_harness(tmp_path, default_lora="anime") as harness, harness.running():
        await until(lambda: harness.desk.queue_status().default_lora == "sugar")


GROUP = {"platform": Platform.TELEGRAM, "chat_id": "-1"}
SUPERGROUP = {"platform": Platform.TELEGRAM, "chat_id": "-1001"}


def group_rules(*allow: str) -> Rules:
    return Rules(allow=frozenset(allow), hosts=frozenset({f"telegram:{HOST}"}))


async def test_a_migrated_chat_keeps_its_permission_default_jobs_and_results(tmp_path: Path) -> None:
    rules = group_rules("telegram:-1")
    telegram = FakeChat(Platform.TELEGRAM)
    telegram.errors.append(ConnectionError("the group is gone"))
    async with open_harness(tmp_path, rules=rules, chat=telegram) as harness:
        await harness.desk.handle(LoraSwitch(LoraWish("sugar")), a_context("1", HOST, **GROUP))
        async with harness.running():
            fails = await harness.desk.handle(Draw(prompt="a"), a_context("2", **GROUP))
            await until(lambda: not telegram.errors)
    async with open_harness(tmp_path, rules=rules, chat=telegram) as harness:
        waits = await harness.desk.handle(Draw(prompt="b"), a_context("3", "ben", **GROUP))
        with pytest.raises(ChatNotAllowed):
            await harness.desk.handle(Draw(prompt="c"), a_context("4", **SUPERGROUP))
        for _ in range(2):  # both chats say so
            await harness.desk.migrate_chat(Platform.TELEGRAM, "-1", "-1001")
    async with open_harness(tmp_path, rules=rules, chat=telegram, clock=harness.clock) as harness:
        shelf = await harness.desk.handle(LoraList(), a_context("5", **SUPERGROUP))
        assert isinstance(shelf, LoraShelf)
        assert shelf.default == "sugar"
        async with harness.running():
            results = await telegram.wait_for_results(2)
    assert isinstance(fails, Receipt)
    assert isinstance(waits, Receipt)
    assert {result.job_id for result in results} == {fails.job_id, waits.job_id}
    assert {result.address for result in results} == {Address(Platform.TELEGRAM, "-1001", "")}


async def test_a_default_that_the_new_chat_has_already_counts_more(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=group_rules("telegram:*")) as harness:
        for lora, place in (("sugar", GROUP), ("anime", SUPERGROUP)):
            await harness.desk.handle(LoraSwitch(LoraWish(lora)), a_context(lora, HOST, **place))
        await harness.desk.migrate_chat(Platform.TELEGRAM, "-1", "-1001")
        for place, default in ((SUPERGROUP, "anime"), (GROUP, "")):
            shelf = await harness.desk.handle(LoraList(), a_context("l", **place))
            assert isinstance(shelf, LoraShelf)
            assert shelf.default == default


async def test_a_chat_is_known_by_all_ids_that_it_ever_had_and_by_no_other(tmp_path: Path) -> None:
    async with open_harness(tmp_path, rules=group_rules("telegram:-1")) as harness:
        for old, new in (("-1", "-2"), ("-2", "-3"), ("-3", "-1"), ("-8", "-9")):
            await harness.desk.migrate_chat(Platform.TELEGRAM, old, new)
        for chat_id in ("-1", "-2", "-3"):
            await harness.desk.handle(Help(), a_context("h", platform=Platform.TELEGRAM, chat_id=chat_id))
        for platform, chat_id, named in (
            (Platform.TELEGRAM, "-9", "telegram:-9"),
            (Platform.DISCORD, "-3", "discord:ann"),  # a private chat there is named by its person
        ):
            with pytest.raises(ChatNotAllowed) as caught:
                await harness.desk.handle(Help(), a_context("h", platform=platform, chat_id=chat_id))
            assert caught.value.facts == {"chat": named}
