"""Plain messages where the bot may not write, reply or attach files: the answer arrives directly."""

from bot.chats.discord_ import DiscordChat, DiscordConfig
from bot.errors import NoCreditsLeft
from bot.outcomes import CreditBalance
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_gateway import until
from tests.fakes.discord_http import Fault
from tests.fakes.discord_payloads import AT_ME, ATTACH, CHANNEL_ID, MEMBER_ID, SEND, guild
from tests.fakes.discord_server import FakeDiscord
from tests.integration.discord.conftest import (
    JOB_ID,
    Pictures,
    direct_message,
    opened,
    refusing,
    reply_to,
    result_of,
)


async def test_a_bot_that_may_not_write_answers_directly_and_says_why(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    await discord.gateway.dispatch("GUILD_CREATE", guild(denied=SEND))
    await discord.send_message(f"{AT_ME} a face")
    message = await direct_message(discord)
    assert str(message["text"]).endswith("2 left.") or "Got it!" in str(message["text"])
    assert "I'm not allowed to write in the channel" in str(message["text"])
    await until(lambda: JOB_ID in desk.addresses)
    await chat.deliver(result_of(desk.addresses[JOB_ID], pictures))
    assert len(message["attachments"]) == 2  # type: ignore[arg-type]
    assert not discord.in_channel(CHANNEL_ID)


async def test_a_refusal_arrives_directly_if_the_bot_may_not_write(
    discord: FakeDiscord, config: DiscordConfig
) -> None:
    discord.closed_channels[CHANNEL_ID] = (403, 50013)  # without a notice before
    async with opened(config, ScriptedDesk(refusing(NoCreditsLeft(price=2, credits=1, renews_at_s=5)))):
        await discord.send_message(f"{AT_ME} a face")
        assert "Not enough credits" in str((await direct_message(discord))["text"])


async def test_a_message_that_cannot_be_answered_is_settled(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    desk.answer = lambda *_: CreditBalance(3, 20, 1_795_000_000)
    for channel in (CHANNEL_ID, discord.direct_channel(MEMBER_ID)):
        discord.closed_channels[channel] = (403, 50013)
    message_id = await discord.send_message(f"{AT_ME} /quota")
    await until(lambda: desk.settled == [message_id])


async def test_a_receipt_says_that_pictures_arrive_directly_if_the_bot_may_not_attach_files(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    await discord.gateway.dispatch("GUILD_CREATE", guild(denied=ATTACH))
    reply = await reply_to(discord, await discord.send_message(f"{AT_ME} a face"))
    assert "I'll send them to you as a direct message" in str(reply["text"])
    await until(lambda: JOB_ID in desk.addresses)
    for _ in range(2):
        await chat.deliver(result_of(desk.addresses[JOB_ID], pictures))
    assert len((await direct_message(discord))["attachments"]) == 2  # type: ignore[arg-type]
    assert "I sent them to you as a direct message" in str(reply["text"])
    assert not discord.buttons(str(reply["id"]))
    assert not reply["attachments"]


async def test_a_bot_that_may_not_reply_answers_without_a_reference(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    discord.faults.append(Fault("POST", f"/channels/{CHANNEL_ID}", 403, code=160002))
    message_id = await discord.send_message(f"{AT_ME} a face")
    await until(lambda: desk.settled == [message_id])
    [message] = discord.in_channel(CHANNEL_ID)
    assert message["text"].startswith(f"<@{MEMBER_ID}> Got it!")
    assert not discord.in_channel(discord.direct_channel(MEMBER_ID))
