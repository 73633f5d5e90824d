"""Jobs that wait longer than Discord allows edits: their placeholder moves to another message, once."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from discord import HTTPException

from bot.chats.discord_ import DiscordChat, DiscordConfig
from bot.chats.discord_.outgoing.address import (
    DEFAULT_FILE_BYTES,
    MOVE_AFTER_MS,
    TOKEN_LIFE_MS,
    AnswerAddress,
)
from bot.outcomes import Address, RetryLater, Status
from engine.request import TimeEstimate
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_gateway import until
from tests.fakes.discord_http import Fault
from tests.fakes.discord_payloads import CHANNEL_ID, MEMBER_ID
from tests.fakes.discord_rest import Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.integration.discord.conftest import JOB_ID, RECEIPT, Clock, Pictures, opened, result_of


@pytest.fixture
async def chat(config: DiscordConfig, desk: ScriptedDesk, clock: Clock) -> AsyncIterator[DiscordChat]:
    async with opened(config, desk, clock) as chat:
        yield chat


async def asked_for(
    discord: FakeDiscord, desk: ScriptedDesk, *, private: bool = False, **where: object
) -> tuple[Interaction, Address]:
    asked = await discord.slash("sugar", {"prompt": "a face", "private": private}, **where)
    await until(lambda: asked.message_id in discord.edits)
    return asked, desk.handled[-1][1].address


def with_pictures(discord: FakeDiscord) -> list[str]:
    return [key for key, message in discord.messages.items() if message["attachments"]]


def pointings(discord: FakeDiscord) -> int:
    edits = [one for one in discord.requests if one.path.startswith("/webhooks")]
    return sum("continues in a new message" in str(one.body["components"]) for one in edits)


def waits_at(address: Address, place: int) -> Status:
    return Status(JOB_ID, address, "en", count=1, position=place)


async def test_an_answer_that_waits_twelve_minutes_moves_to_one_message_that_shows_the_picture(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, clock: Clock, pictures: Pictures
) -> None:
    asked, old = await asked_for(discord, desk)
    clock.ahead_ms = MOVE_AFTER_MS
    await until(lambda: discord.in_channel(CHANNEL_ID))
    (message,) = discord.in_channel(CHANNEL_ID)
    assert message["text"].startswith(f"<@{MEMBER_ID}> Got it!")
    await until(lambda: "continues in a new message" in discord.answer_to(asked)["text"])
    assert len(discord.edits[message["id"]]) == 1
    assert not discord.buttons(asked.message_id)
    assert [button["label"] for button in discord.buttons(message["id"])] == ["Cancel"]
    sent = next(one for one in discord.requests if one.path == f"/channels/{CHANNEL_ID}/messages")
    assert (sent.body["nonce"], sent.body["enforce_nonce"]) == (JOB_ID, True)

    clock.ahead_ms = 2 * TOKEN_LIFE_MS
    asked.expired = True
    await chat.show(waits_at(old, 0))  # its address is older than the move
    await until(lambda: "You are next" in message["text"])
    await chat.show(replace(waits_at(desk.addresses[JOB_ID], 0), position=None, step=1, steps=8))
    await until(lambda: "step 1 of 8" in message["text"])
    await chat.deliver(result_of(desk.addresses[JOB_ID], pictures))
    assert discord.in_channel(CHANNEL_ID) == [message]
    assert len(message["attachments"]) == 2
    assert not discord.in_channel(discord.direct_channel(MEMBER_ID))


async def test_a_result_made_before_its_answer_moved_goes_to_the_new_message(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, clock: Clock, pictures: Pictures
) -> None:
    _, old = await asked_for(discord, desk)
    clock.ahead_ms = MOVE_AFTER_MS
    await until(lambda: discord.in_channel(CHANNEL_ID))
    await chat.deliver(result_of(old, pictures))
    (message,) = discord.in_channel(CHANNEL_ID)
    assert len(message["attachments"]) == 2


async def test_a_result_that_is_held_back_still_finds_the_message_that_its_answer_moved_to(
    discord: FakeDiscord,
    chat: DiscordChat,
    desk: ScriptedDesk,
    clock: Clock,
    pictures: Pictures,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: object) -> None:
        raise RetryLater("too many refusals", after_s=1.0)

    _, old = await asked_for(discord, desk)
    clock.ahead_ms = MOVE_AFTER_MS
    await until(lambda: discord.in_channel(CHANNEL_ID))
    with monkeypatch.context() as held_back:
        held_back.setattr("bot.chats.discord_.limits.RefusalCounter.check", refuse)
        with pytest.raises(RetryLater):
            await chat.deliver(result_of(old, pictures))
    discord.forget_nonces()
    await chat.deliver(result_of(old, pictures))
    (message,) = discord.in_channel(CHANNEL_ID)
    assert len(message["attachments"]) == 2


async def test_a_message_whose_address_was_not_stored_before_a_crash_is_found_by_its_nonce(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, clock: Clock, pictures: Pictures
) -> None:
    async with opened(config, desk, clock) as chat:
        _, old = await asked_for(discord, desk)
        clock.ahead_ms = MOVE_AFTER_MS
        await until(lambda: discord.in_channel(CHANNEL_ID))
    clock.ahead_ms = TOKEN_LIFE_MS
    async with opened(config, desk, clock) as chat:
        await chat.deliver(result_of(old, ()))  # a failed job has no files, like the placeholder
    (message,) = discord.in_channel(CHANNEL_ID)
    assert "Got it" not in message["text"]


async def test_a_status_after_the_token_expired_is_shown_by_a_message(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, clock: Clock
) -> None:
    """As after a restart: the bot was stopped in the twelfth minute."""
    async with opened(config, desk, clock):
        asked, address = await asked_for(discord, desk)
    clock.ahead_ms, asked.expired = TOKEN_LIFE_MS, True
    async with opened(config, desk, clock) as chat:
        await chat.show(waits_at(address, 3))
        await until(lambda: discord.in_channel(CHANNEL_ID))
        await until(lambda: JOB_ID in desk.addresses)
    assert AnswerAddress.from_json(desk.addresses[JOB_ID].ref).is_message
    assert not [one for one in discord.requests[-3:] if one.path.startswith("/webhooks")]


@pytest.mark.parametrize("why", ["may not post", "private", "channel closed"])
async def test_an_answer_that_cannot_move_says_where_the_result_will_arrive_and_stays(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, clock: Clock, pictures: Pictures, why: str
) -> None:
    asked, address = await asked_for(discord, desk, private=why == "private", may_post=why != "may not post")
    assert "direct message" not in discord.answer_to(asked)["text"]
    if why == "channel closed":
        discord.closed_channels[CHANNEL_ID] = (403, 50013)
    clock.ahead_ms = MOVE_AFTER_MS
    await until(lambda: "direct message" in discord.answer_to(asked)["text"])
    assert [button["label"] for button in discord.buttons(asked.message_id)] == ["Cancel"]
    requests = len(discord.requests)
    await chat.show(waits_at(address, 2))
    clock.ahead_ms, asked.expired = TOKEN_LIFE_MS, True
    discord.closed_channels[CHANNEL_ID] = (403, 50013)
    await chat.deliver(result_of(address, pictures, private=why == "private"))
    (message,) = discord.in_channel(discord.direct_channel(MEMBER_ID))
    assert len(message["attachments"]) == 2
    assert not [one for one in discord.requests[requests:] if one.path.startswith("/webhooks")]


async def test_a_receipt_announces_a_direct_message_if_the_wait_is_long_and_the_bot_may_not_post(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    too_long = TimeEstimate(MOVE_AFTER_MS / 1_000 - 60, MOVE_AFTER_MS / 1_000 + 60)
    desk.answer = lambda command, context: replace(RECEIPT, wait=too_long)
    asked, _ = await asked_for(discord, desk, may_post=False)
    assert "direct message" in discord.answer_to(asked)["text"]
    asked, _ = await asked_for(discord, desk)
    assert "direct message" not in discord.answer_to(asked)["text"]


async def test_a_move_that_fails_is_tried_again_and_shows_once(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, clock: Clock
) -> None:
    asked, _ = await asked_for(discord, desk)
    discord.faults.append(Fault("POST", f"/channels/{CHANNEL_ID}", 400, code=50035, after=True))
    clock.ahead_ms = MOVE_AFTER_MS
    await until(lambda: "continues in a new message" in discord.answer_to(asked)["text"])
    assert len(discord.in_channel(CHANNEL_ID)) == 1


@pytest.mark.parametrize("restarts", [False, True])
async def test_a_result_finds_the_message_without_a_reply_from_discord(
    discord: FakeDiscord,
    config: DiscordConfig,
    desk: ScriptedDesk,
    clock: Clock,
    pictures: Pictures,
    restarts: bool,
) -> None:
    lost = Fault("POST", f"/channels/{CHANNEL_ID}", 400, code=50035, after=True, times=1_000)
    async with opened(replace(config, edit_interval_s=0.3), desk, clock) as chat:
        asked, old = await asked_for(discord, desk)
        discord.faults.append(lost)
        clock.ahead_ms = MOVE_AFTER_MS
        await until(lambda: discord.in_channel(CHANNEL_ID))
        if not restarts:
            lost.times = 0
            await chat.deliver(result_of(old, pictures))
    if restarts:
        lost.times = 0
        async with opened(config, desk, clock) as chat:
            await chat.deliver(result_of(old, pictures))
    (message,) = discord.in_channel(CHANNEL_ID)
    assert with_pictures(discord) == [message["id"]]
    assert "continues in a new message" in discord.answer_to(asked)["text"]
    assert not [one for one in discord.messages.values() if "Got it" in one["text"]]


@pytest.mark.parametrize("why", ["may not post", "private", "channel closed"])
async def test_a_result_after_the_twelfth_minute_stays_in_an_answer_that_cannot_move(
    discord: FakeDiscord,
    config: DiscordConfig,
    desk: ScriptedDesk,
    clock: Clock,
    pictures: Pictures,
    why: str,
) -> None:
    async with opened(config, desk, clock):
        is_private = why == "private"
        asked, address = await asked_for(discord, desk, private=is_private, may_post=why != "may not post")
    if why == "channel closed":
        discord.closed_channels[CHANNEL_ID] = (403, 50013)
    clock.ahead_ms = MOVE_AFTER_MS
    async with opened(config, desk, clock) as chat:
        await chat.deliver(result_of(address, pictures, private=why == "private"))
    assert with_pictures(discord) == [asked.message_id]
    assert not discord.in_channel(CHANNEL_ID)


async def test_pictures_that_already_reached_the_answer_are_not_shown_again_below_it(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, clock: Clock, pictures: Pictures
) -> None:
    asked, address = await asked_for(discord, desk)
    lost = Fault("PATCH", "/webhooks", 400, code=50035, after=True)
    discord.faults.append(lost)
    with pytest.raises(HTTPException):
        await chat.deliver(result_of(address, pictures))
    assert with_pictures(discord) == [asked.message_id]
    clock.ahead_ms = MOVE_AFTER_MS
    discord.faults.append(Fault("PATCH", "/webhooks", 400, code=50035))
    with pytest.raises(HTTPException):
        await chat.deliver(result_of(address, pictures))
    assert with_pictures(discord) == [asked.message_id]
    discord.forget_nonces()
    await chat.deliver(result_of(desk.addresses[JOB_ID], pictures))
    (message,) = discord.in_channel(CHANNEL_ID)
    assert with_pictures(discord) == [message["id"]]


async def test_pictures_show_once_though_discord_forgot_the_nonce_of_their_message(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, clock: Clock, pictures: Pictures
) -> None:
    _, address = await asked_for(discord, desk)
    await chat.deliver(result_of(address, ()))  # ends the statuses, so that nothing else is posted
    clock.ahead_ms = MOVE_AFTER_MS
    discord.faults.append(Fault("POST", f"/channels/{CHANNEL_ID}", 400, code=50035, after=True))
    with pytest.raises(HTTPException):
        await chat.deliver(result_of(address, pictures))
    discord.forget_nonces()
    await chat.deliver(result_of(address, pictures))
    assert len(with_pictures(discord)) == 1


async def test_an_outdated_response_finally_shows_that_the_answer_moved(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, clock: Clock
) -> None:
    asked, _ = await asked_for(discord, desk)
    fault = Fault("PATCH", "/webhooks", 400, code=50035, times=4)
    discord.faults.append(fault)
    clock.ahead_ms = MOVE_AFTER_MS
    await until(lambda: "continues in a new message" in discord.answer_to(asked)["text"])
    assert not fault.times
    assert not discord.buttons(asked.message_id)
    (message,) = discord.in_channel(CHANNEL_ID)
    before = pointings(discord)
    await chat.show(waits_at(desk.addresses[JOB_ID], 0))
    await until(lambda: "You are next" in message["text"])
    await chat.deliver(result_of(desk.addresses[JOB_ID], ()))
    assert pointings(discord) == before


@pytest.mark.parametrize("by", ["status", "result"])
async def test_an_outdated_response_is_edited_after_a_restart(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, clock: Clock, by: str
) -> None:
    fault = Fault("PATCH", "/webhooks", 400, code=50035, times=1_000)
    async with opened(config, desk, clock):
        asked, _ = await asked_for(discord, desk)
        discord.faults.append(fault)
        clock.ahead_ms = MOVE_AFTER_MS
        await until(lambda: JOB_ID in desk.addresses)
    fault.times = 0
    assert "Got it" in discord.answer_to(asked)["text"]
    async with opened(config, desk, clock) as chat:
        if by == "status":
            await chat.show(waits_at(desk.addresses[JOB_ID], 2))
        else:
            await chat.deliver(result_of(desk.addresses[JOB_ID], ()))
        await until(lambda: "continues in a new message" in discord.answer_to(asked)["text"])


async def test_a_message_shows_the_status_after_the_response_was_dismissed(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, clock: Clock
) -> None:
    asked, old = await asked_for(discord, desk)
    del discord.messages[asked.message_id]
    clock.ahead_ms = MOVE_AFTER_MS
    await until(lambda: pointings(discord))
    (message,) = discord.in_channel(CHANNEL_ID)
    await chat.show(waits_at(old, 0))
    await until(lambda: "You are next" in message["text"])


async def test_a_status_that_arrives_during_a_move_is_shown_by_the_message(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, clock: Clock
) -> None:
    _, old = await asked_for(discord, desk)
    busy = Fault("POST", f"/channels/{CHANNEL_ID}", 429, retry_after_s=0.2)
    discord.faults.append(busy)
    clock.ahead_ms = MOVE_AFTER_MS
    await until(lambda: not busy.times)
    await chat.show(waits_at(old, 2))
    await until(lambda: discord.in_channel(CHANNEL_ID))
    (message,) = discord.in_channel(CHANNEL_ID)
    await until(lambda: "2 ahead" in message["text"])


async def test_a_moved_answer_stores_the_file_limit_of_the_bot(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, clock: Clock
) -> None:
    await asked_for(discord, desk, file_bytes=50 * DEFAULT_FILE_BYTES)
    clock.ahead_ms = MOVE_AFTER_MS
    await until(lambda: JOB_ID in desk.addresses)
    assert AnswerAddress.from_json(desk.addresses[JOB_ID].ref).file_bytes == DEFAULT_FILE_BYTES
