"""Buttons: from the press to the desk, and the answer back to the person."""

import json
from dataclasses import replace

import pytest

from bot.chats.discord_ import DiscordChat, DiscordConfig
from bot.commands.buttons import ButtonCommand, data_of
from bot.commands.values import Cancel, Delete, Publish, Reroll
from bot.errors import NotYours
from bot.outcomes import Deleted, PictureFile, PictureMessage, Platform, Published
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_gateway import until
from tests.fakes.discord_payloads import CHANNEL_ID, EPHEMERAL, MEMBER_ID
from tests.fakes.discord_server import FakeDiscord
from tests.integration.discord.conftest import JOB_ID, RECEIPT, answered, opened, refusing, result_of

LEFT_ID, OPEN_ID = "900000000000000777", "900000000000000778"  # channels


async def test_buttons_work_after_a_restart(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk
) -> None:
    async with opened(config, desk):
        asked = await discord.slash("sugar", {"prompt": "a face"})
        await answered(discord, asked)
    async with opened(config, desk):
        cancelled = await discord.press(asked.message_id)
        await until(lambda: len(desk.handled) == 2)
        await discord.press(asked.message_id, f"v1:r:{JOB_ID}")
        await until(lambda: len(desk.handled) == 3)
    assert [command for command, _ in desk.handled[1:]] == [Cancel(JOB_ID), Reroll(JOB_ID)]
    assert cancelled.callbacks == [{"type": 6}]


async def test_a_press_of_cancel_is_answered_in_its_own_message_only(
    discord: FakeDiscord, chat: DiscordChat
) -> None:
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await answered(discord, asked)
    pressed = await discord.press(asked.message_id)
    await until(lambda: "Stopping job" in discord.answer_to(asked)["text"])
    assert pressed.message_id == asked.message_id
    assert not pressed.followups
    assert len(discord.messages) == 1


async def test_only_the_presser_sees_the_refusal_of_a_press_of_cancel(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    asked = await discord.slash("sugar", {"prompt": "a face"})
    text = await answered(discord, asked)
    desk.answer = refusing(NotYours(job_id=JOB_ID))
    pressed = await discord.press(asked.message_id, user_id="900000000000000031")
    await until(lambda: pressed.followups and discord.messages[pressed.followups[0]]["text"])
    assert discord.messages[pressed.followups[0]]["flags"] & EPHEMERAL
    assert discord.answer_to(asked)["text"] == text


async def test_a_button_leaves_nothing_in_memory(discord: FakeDiscord, chat: DiscordChat) -> None:
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await answered(discord, asked)
    store = chat._client._connection._view_store
    assert discord.buttons(asked.message_id)
    assert not store._views
    assert not store._synced_message_views


@pytest.mark.parametrize("data", [f"v1:r:{JOB_ID}", f"v2:vary-strong:{JOB_ID}:1", f"v2:adopt:{JOB_ID}:3"])
async def test_what_continues_makes_a_new_message_with_the_visibility_of_the_first(
    discord: FakeDiscord, chat: DiscordChat, data: str
) -> None:
    for private in (False, True):
        asked = await discord.slash("sugar", {"prompt": "a face", "private": private})
        await answered(discord, asked)
        again = await discord.press(asked.message_id, data)
        await until(lambda again=again: again.message_id)
        assert again.message_id != asked.message_id
        assert bool(discord.answer_to(again)["flags"] & EPHEMERAL) is private


async def test_published_pictures_take_the_place_of_the_answer_to_the_press(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    asked = await discord.slash("sugar", {"prompt": "a face", "private": True})
    await answered(discord, asked)
    desk.answer = lambda command, _: Published(JOB_ID, is_here=isinstance(command, Publish))
    pressed = await discord.press(asked.message_id, f"v2:publish:{JOB_ID}")
    await until(lambda: pressed.interaction_id in desk.settled)
    assert pressed.message_id != asked.message_id
    assert not discord.answer_to(pressed)["flags"] & EPHEMERAL
    assert not discord.answer_to(pressed)["text"], "the result edits the answer that thinks"


async def test_what_a_deletion_could_not_delete_is_counted_in_its_answer(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: tuple[PictureFile, ...]
) -> None:
    """Where the bot is no member, only a press deletes its own message; a late one not even that."""
    closed = {CHANNEL_ID: (403, 50001), LEFT_ID: (403, 50001)}

    async def drawn(job_id: str, *, private: bool = False) -> str:
        desk.answer = lambda *_: replace(RECEIPT, job_id=job_id)
        asked = await discord.slash("sugar", {"prompt": "a face", "private": private})
        await answered(discord, asked)
        await chat.deliver(result_of(desk.handled[-1][1].address, pictures, job_id=job_id, private=private))
        for channel_id in (LEFT_ID, OPEN_ID):  # in the second, somebody has deleted it
            await desk.keep_messages([PictureMessage(Platform.DISCORD, channel_id, "5", job_id)])
        desk.answer = lambda *_: Deleted(job_id)
        return asked.message_id

    async def pressed(message_id: str) -> str:
        await discord.press(message_id, f"v2:delete:{JOB_ID}")  # it asks first
        asked = await discord.press(message_id, f"v2:delete:{JOB_ID}")
        await until(lambda: asked.followups and discord.messages[asked.followups[0]]["text"])
        assert message_id not in discord.messages
        return str(discord.messages[asked.followups[0]]["text"])

    assert "of this job" not in await pressed(await drawn("first"))
    discord.closed_channels = closed
    assert "1 messages of this job on Discord can't be changed" in await pressed(await drawn("second"))
    assert not desk.messages

    await drawn("third")
    typed = await discord.send_message(f"/delete {JOB_ID}", in_guild=False)
    await until(lambda: discord.replies(typed))
    assert "2 messages of this job" in discord.replies(typed)[0]["text"]

    await drawn("private", private=True)
    typed = await discord.send_message(f"/delete {JOB_ID}", in_guild=False)
    await until(lambda: discord.replies(typed))
    assert "2 messages of this job on Discord" in discord.replies(typed)[0]["text"]

    message_id = await drawn("fourth", private=True)
    await discord.press(message_id, f"v2:delete:{JOB_ID}", age_s=20 * 60)
    direct = discord.direct_channel(MEMBER_ID)
    await until(lambda: len(discord.in_channel(direct)) == 2)
    assert "2 messages of this job" in discord.in_channel(direct)[1]["text"]


@pytest.mark.parametrize("command", [Cancel(JOB_ID), Delete(JOB_ID)])
async def test_a_press_that_a_crash_interrupted_runs_after_it(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, command: ButtonCommand
) -> None:
    """A stored press of Delete was the second one."""
    async with opened(config, desk):
        drawn = await discord.slash("sugar", {"prompt": "a face"})
        await until(lambda: desk.settled)
    pressed = await discord.press(drawn.message_id, data_of(command))
    await desk.store_events(
        Platform.DISCORD, [(pressed.interaction_id, json.dumps(discord.event_of(pressed)))]
    )
    await discord.acknowledge(pressed, is_press=True)
    async with opened(config, desk):
        await until(lambda: pressed.interaction_id in desk.settled)
    assert desk.handled[-1][0] == command
    assert not pressed.followups


async def test_a_button_of_another_version_is_answered(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await answered(discord, asked)
    pressed = await discord.press(asked.message_id, "v9:x:what")
    assert await answered(discord, pressed)
    assert len(desk.handled) == 1
