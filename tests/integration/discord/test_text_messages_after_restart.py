"""Plain messages after a crash or a restart: each has one answer, in the place where it was asked."""

import asyncio
import json
from dataclasses import replace

import pytest

from bot.chats.discord_ import DiscordConfig
from bot.chats.discord_.outgoing.address import AnswerAddress
from bot.outcomes import CreditBalance, Platform
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_gateway import until
from tests.fakes.discord_http import Fault
from tests.fakes.discord_payloads import AT_ME, CHANNEL_ID, MAY_POST, THREAD_ID, guild, thread
from tests.fakes.discord_server import FakeDiscord
from tests.integration.discord.conftest import (
    JOB_ID,
    RECEIPT,
    Pictures,
    answered,
    opened,
    reply_to,
    result_of,
)


async def test_what_is_asked_in_a_thread_names_its_channel_also_after_a_crash(
    discord: FakeDiscord, config: DiscordConfig
) -> None:
    stored: dict[tuple[Platform, str], str] = {}

    def answer(*_: object) -> CreditBalance:
        stored.update(desk.inbox)
        return CreditBalance(3, 20, 1_795_000_000)

    def places() -> list[tuple[str, str]]:
        return [(context.address.chat_id, context.parent_chat_id) for _, context in desk.handled]

    desk = ScriptedDesk(answer)
    async with opened(config, desk):
        await discord.gateway.dispatch("GUILD_CREATE", {**guild(MAY_POST), "threads": [thread()]})
        for channel_id in (THREAD_ID, CHANNEL_ID):
            await reply_to(discord, await discord.send_message(f"{AT_ME} /quota", channel_id=channel_id))
            await answered(discord, await discord.slash("quota", channel_id=channel_id))
    assert places() == 2 * [(THREAD_ID, CHANNEL_ID)] + 2 * [(CHANNEL_ID, "")]
    desk = ScriptedDesk(answer, inbox=dict(stored))
    async with opened(config, desk):  # before Discord has described the server
        await until(lambda: len(desk.handled) == 2)  # the answers to the others are there
        assert sorted(places()) == [(CHANNEL_ID, ""), (THREAD_ID, CHANNEL_ID)]
        await answered(discord, await discord.slash("quota", channel_id=THREAD_ID))
    assert places()[2] == (THREAD_ID, CHANNEL_ID)


async def left_behind(discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, text: str) -> str:
    """Store a message as a bot does before it stops; the gateway does not send it again."""
    async with opened(config, desk):
        pass
    message_id = await discord.send_message(text, in_guild=False)
    await desk.store_events(Platform.DISCORD, [(message_id, json.dumps(discord.person_messages[message_id]))])
    return message_id


async def test_a_message_that_was_stored_before_a_crash_is_answered_after_it(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    message_id = await left_behind(discord, config, desk, "/quota")
    desk.answer = lambda *_: CreditBalance(3, 20, 1_795_000_000)
    async with opened(config, desk):
        assert "Credits left: 3" in str((await reply_to(discord, message_id))["text"])
        await until(lambda: desk.settled == [message_id])


@pytest.mark.parametrize("fate", ["shown", "not shown", "deleted"])
async def test_a_job_that_was_accepted_before_a_crash_has_one_placeholder_after_it(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, fate: str
) -> None:
    message_id = await left_behind(discord, config, desk, "a face")

    def repeat(_: object, context: object) -> object:
        address = context.address  # type: ignore[attr-defined]
        if fate == "shown":
            address = replace(address, ref=AnswerAddress.from_json(address.ref).sent_as(5).to_json())
        return replace(RECEIPT, repeated=True, address=None if fate == "deleted" else address)

    desk.answer = repeat  # type: ignore[assignment]
    async with opened(config, desk):
        await until(lambda: desk.settled == [message_id])
    assert len(discord.replies(message_id)) == (fate == "not shown")


async def test_a_placeholder_without_a_reply_from_discord_is_found_by_its_nonce(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, pictures: Pictures
) -> None:
    lost = Fault("POST", "/channels", 400, code=50035, after=True, times=1_000)
    discord.faults.append(lost)
    async with opened(config, desk):
        message_id = await discord.send_message("a face", in_guild=False)
        await reply_to(discord, message_id)
        address = desk.handled[0][1].address
    assert JOB_ID not in desk.addresses
    lost.times = 0
    async with opened(config, desk) as chat:
        await chat.deliver(result_of(address, pictures))
    assert len((await reply_to(discord, message_id))["attachments"]) == 2  # type: ignore[arg-type]


async def test_an_answer_that_discord_rejects_for_now_is_sent_after_the_next_start(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    desk.answer = lambda *_: CreditBalance(3, 20, 1_795_000_000)
    trouble = Fault("POST", "/channels", 400, code=50035, times=1)
    discord.faults.append(trouble)
    async with opened(config, desk):
        message_id = await discord.send_message("/quota", in_guild=False)
        await until(lambda: not trouble.times)
        await asyncio.sleep(0.05)
        assert not desk.settled
    async with opened(config, desk):
        await reply_to(discord, message_id)
        await until(lambda: desk.settled == [message_id])
