"""A job that is deleted before its delivery edits its progress message and sends no new one."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from bot.chats.discord_ import DiscordChat, DiscordConfig
from bot.chats.discord_.outgoing.address import (
    MOVE_AFTER_MS,
    NO_RESPONSE,
    TOKEN_LIFE_MS,
    AnswerAddress,
    UnsentMessage,
)
from bot.outcomes import Address, JobResult, Platform
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_components import TEXT
from tests.fakes.discord_gateway import until
from tests.fakes.discord_http import Fault
from tests.fakes.discord_payloads import AT_ME, CHANNEL_ID, MEMBER_ID
from tests.fakes.discord_server import FakeDiscord
from tests.integration.discord.conftest import JOB_ID, RECIPE, Clock, Pictures, opened, reply_to, result_of
from tests.integration.discord.test_delivery import drawn_for, names_in

SENTENCE = f"Job {JOB_ID} is deleted; nothing more comes of it."


@pytest.fixture
async def chat(config: DiscordConfig, desk: ScriptedDesk, clock: Clock) -> AsyncIterator[DiscordChat]:
    async with opened(config, desk, clock) as chat:
        yield chat


def deleted(address: Address, **changed: object) -> JobResult:
    """The result of a deleted job: its text and its pictures are gone."""
    return result_of(address, (), recipe=replace(RECIPE, typed="", prompt=""), is_deleted=True, **changed)


def new_messages(discord: FakeDiscord) -> list[str]:
    """The texts of the bot's ordinary messages, in the channel and to the member."""
    both = (CHANNEL_ID, discord.direct_channel(MEMBER_ID))
    return [message["text"] for channel_id in both for message in discord.in_channel(channel_id)]


def no_confirmation() -> Fault:
    """Messages arrive, but the bot reads that they do not."""
    return Fault("POST", f"/channels/{CHANNEL_ID}", 400, code=50035, after=True, times=1_000)


@pytest.mark.parametrize("has_arrived", [False, True])
async def test_a_deleted_job_ends_its_answer_and_takes_back_what_may_have_arrived(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures, has_arrived: bool
) -> None:
    asked, address = await drawn_for(discord, desk)
    if has_arrived:
        await chat.deliver(result_of(address, pictures))
    await chat.deliver(deleted(address))
    message = discord.answer_to(asked)
    assert message["text"] == SENTENCE
    assert names_in(message) == []
    assert [one["type"] for one in message["components"]] == [TEXT]
    assert new_messages(discord) == []


@pytest.mark.parametrize("private", [False, True])
async def test_a_message_that_is_gone_gets_no_successor(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures, private: bool
) -> None:
    """The person, or *Delete*, removed the message while the news of its arrival was lost."""
    asked, address = await drawn_for(discord, desk, private=private)
    await chat.deliver(result_of(address, pictures, private=private))
    discord.messages.pop(asked.message_id)
    await chat.deliver(deleted(address, private=private))
    assert new_messages(discord) == []


async def test_an_ordinary_message_that_is_gone_gets_no_successor(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    asked, address = await drawn_for(discord, desk)
    asked.expired = True
    await chat.deliver(result_of(address, pictures))
    [sent] = discord.in_channel(CHANNEL_ID)
    discord.messages.pop(sent["id"])
    discord.forget_nonces()
    await chat.deliver(deleted(desk.addresses[JOB_ID]))
    assert new_messages(discord) == []


@pytest.mark.parametrize("target", [None, NO_RESPONSE, UnsentMessage(reply_to=5)])
async def test_a_channel_that_never_had_a_message_of_the_job_gets_none(
    discord: FakeDiscord, chat: DiscordChat, target: object
) -> None:
    """Its private pictures were to be published there, or its placeholder was never sent."""
    ref = ""
    if isinstance(target, type(NO_RESPONSE) | UnsentMessage):
        ref = AnswerAddress(target, int(MEMBER_ID), int(CHANNEL_ID)).to_json()
    await chat.deliver(deleted(Address(Platform.DISCORD, CHANNEL_ID, ref)))
    assert new_messages(discord) == []


async def test_an_answer_that_expires_moves_so_that_a_message_that_is_perhaps_there_ends(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, clock: Clock
) -> None:
    asked, address = await drawn_for(discord, desk)
    lost = no_confirmation()
    discord.faults.append(lost)
    clock.ahead_ms = MOVE_AFTER_MS
    await until(lambda: discord.in_channel(CHANNEL_ID))
    assert "Got it" in new_messages(discord)[0]
    assert JOB_ID not in desk.addresses
    lost.times = 0
    await chat.deliver(deleted(address))
    assert new_messages(discord) == [SENTENCE]
    assert "continues in a new message" in discord.answer_to(asked)["text"]


async def test_an_expiring_answer_that_its_person_alone_sees_ends_in_its_place(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, clock: Clock
) -> None:
    asked, address = await drawn_for(discord, desk, private=True)
    clock.ahead_ms = MOVE_AFTER_MS
    await chat.deliver(deleted(address, private=True))
    assert discord.answer_to(asked)["text"] == SENTENCE
    assert new_messages(discord) == []


@pytest.mark.parametrize("private", [False, True])
async def test_an_answer_whose_token_has_expired_ends_as_the_message_that_it_left(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, clock: Clock, private: bool
) -> None:
    """As after a long stop. What one person sees alone cannot be changed any more."""
    async with opened(config, desk, clock):
        asked, address = await drawn_for(discord, desk, private=private)
    clock.ahead_ms, asked.expired = TOKEN_LIFE_MS, True
    async with opened(config, desk, clock) as chat:
        await chat.deliver(deleted(address, private=private))
    assert (discord.answer_to(asked)["text"] == SENTENCE) is not private
    assert new_messages(discord) == []


@pytest.mark.parametrize("ahead_ms", [0, MOVE_AFTER_MS])
async def test_an_answer_in_an_open_chat_ends_in_its_place_also_if_its_job_is_private(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, clock: Clock, ahead_ms: int
) -> None:
    async with opened(config, desk, clock):
        asked, address = await drawn_for(discord, desk)
    clock.ahead_ms = ahead_ms
    async with opened(config, desk, clock) as chat:
        await chat.deliver(deleted(address, private=True))
    assert discord.answer_to(asked)["text"] == SENTENCE
    assert new_messages(discord) == []


async def test_a_reply_whose_sending_was_not_confirmed_ends(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    lost = no_confirmation()
    discord.faults.append(lost)
    message_id = await discord.send_message(f"{AT_ME} a face")
    assert "Got it" in str((await reply_to(discord, message_id))["text"])
    await until(lambda: desk.settled)
    assert JOB_ID not in desk.addresses
    lost.times = 0
    await chat.deliver(deleted(desk.handled[-1][1].address))
    assert [each["text"] for each in discord.replies(message_id)] == [SENTENCE]
