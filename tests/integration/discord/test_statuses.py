"""Statuses: edits of the answer while a job waits and is drawn, few of them, and none after the result."""

import asyncio
import time
from dataclasses import replace

import pytest

from bot.chats.discord_ import DiscordChat, DiscordConfig
from bot.chats.discord_.outgoing.address import AnswerAddress, Response
from bot.outcomes import Address, Platform, Status
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_gateway import until
from tests.fakes.discord_http import Fault
from tests.fakes.discord_payloads import CHANNEL_ID, MEMBER_ID
from tests.fakes.discord_server import FakeDiscord
from tests.integration.discord.conftest import JOB_ID, Pictures, opened, result_of
from tests.integration.discord.test_delivery import NAMES, drawn_for, names_in


def status_at(address: Address, step: int) -> Status:
    return Status(JOB_ID, address, "en", count=1, position=None, step=step, steps=8)


async def test_a_status_before_the_chat_is_open_is_skipped(config: DiscordConfig, desk: ScriptedDesk) -> None:
    chat = DiscordChat(config, desk)
    now_ms = time.time_ns() // 1_000_000
    answer = AnswerAddress(Response(1, "token", now_ms, message_id=1), int(MEMBER_ID), int(CHANNEL_ID))
    await chat.show(status_at(Address(Platform.DISCORD, CHANNEL_ID, answer.to_json()), 1))
    assert not [task for task in asyncio.all_tasks() if "status" in task.get_name()]
    await chat.close()


async def test_statuses_are_throttled_and_the_newest_wins(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    async with opened(replace(config, edit_interval_s=0.3), desk) as chat:
        asked, address = await drawn_for(discord, desk)
        for step in range(1, 9):
            await chat.show(status_at(address, step))
        await until(lambda: "step 8 of 8" in discord.answer_to(asked)["text"])
    assert len(discord.edits[asked.message_id]) == 2  # the receipt and the last step


@pytest.mark.parametrize(("where", "is_bounded"), [({}, True), ({"in_guild": False}, False)])
async def test_where_others_read_along_a_job_edits_its_message_six_times_at_most(
    discord: FakeDiscord,
    config: DiscordConfig,
    desk: ScriptedDesk,
    pictures: Pictures,
    where: dict[str, bool],
    is_bounded: bool,
) -> None:
    async with opened(replace(config, edit_interval_s=0.001), desk) as chat:
        asked, address = await drawn_for(discord, desk, **where)
        statuses = [Status(JOB_ID, address, "en", 2, position) for position in (5, 3, 2, 1, 0)]
        statuses += [
            Status(JOB_ID, address, "en", 2, None, index=index, step=step, steps=8)
            for index in range(2)
            for step in range(1, 9)
        ]
        for status in statuses:
            edits = len(discord.edits[asked.message_id])
            await chat.show(status)
            if is_bounded:
                await asyncio.sleep(0.02)  # for the edit, where one comes
            else:
                await until(lambda edits=edits: len(discord.edits[asked.message_id]) > edits)
        await until(lambda: "step" in discord.answer_to(asked)["text"])
        await chat.deliver(result_of(address, pictures))
        assert (len(discord.edits[asked.message_id]) <= 6) is is_bounded


async def test_no_status_follows_the_result(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    asked, address = await drawn_for(discord, desk)
    discord.faults.append(Fault("PATCH", "/webhooks", 429, retry_after_s=0.2))  # a status edit in progress
    await chat.show(status_at(address, 1))
    await asyncio.sleep(0.1)
    await chat.show(status_at(address, 2))
    await chat.deliver(result_of(address, pictures))
    await chat.show(status_at(address, 3))
    await asyncio.sleep(0.2)
    assert names_in(discord.answer_to(asked)) == NAMES
    assert "step" not in discord.answer_to(asked)["text"]


async def test_statuses_stop_when_the_answer_is_gone(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    asked, address = await drawn_for(discord, desk)
    asked.expired = True
    before = len(discord.requests)
    await chat.show(status_at(address, 1))
    await until(lambda: len(discord.requests) > before)
    for step in (2, 3):
        await chat.show(status_at(address, step))
        await asyncio.sleep(0.1)
    assert len(discord.requests) == before + 1
