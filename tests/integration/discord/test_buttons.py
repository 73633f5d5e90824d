"""Buttons: from the press to the desk, and the answer back to the person."""

import asyncio
import json
from dataclasses import replace

import pytest

from bot.chats.discord_ import DiscordChat, DiscordConfig
from bot.commands.buttons import ButtonCommand, data_of
from bot.commands.values import Cancel, Delete, Publish, Reroll
from bot.errors import NotYours
from bot.outcomes import PictureFile, PictureMessage, Platform, Published
from tests.fakes.desk import ScriptedDesk, delete_if_sure
from tests.fakes.discord_gateway import until
from tests.fakes.discord_http import Fault, Request
from tests.fakes.discord_payloads import CHANNEL_ID, EPHEMERAL, MEMBER_ID
from tests.fakes.discord_rest import Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.integration.discord.conftest import JOB_ID, RECEIPT, answered, opened, refusing, result_of

LEFT_ID, OPEN_ID = "900000000000000777", "900000000000000778"  # channels
DELETE = f"v2:delete:{JOB_ID}"


async def settled(desk: ScriptedDesk, pressed: Interaction) -> Interaction:
    """Return the press once it is answered."""
    await until(lambda: pressed.interaction_id in desk.settled)
    return pressed


def question_of(discord: FakeDiscord, pressed: Interaction) -> bool:
    """Whether the presser, and nobody else, was asked to press again."""
    shown = [discord.messages[each] for each in pressed.followups]
    return any("Press the button again" in each["text"] and each["flags"] & EPHEMERAL for each in shown)


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
        desk.answer = delete_if_sure
        return asked.message_id

    async def pressed(message_id: str, job_id: str) -> str:
        await settled(desk, await discord.press(message_id, f"v2:delete:{job_id}"))  # it asks first
        asked = await discord.press(message_id, f"v2:delete:{job_id}")
        await until(lambda: asked.followups and discord.messages[asked.followups[0]]["text"])
        assert message_id not in discord.messages
        return str(discord.messages[asked.followups[0]]["text"])

    assert "of this job" not in await pressed(await drawn("first"), "first")
    discord.closed_channels = closed
    assert "1 messages of this job on Discord can't be changed" in await pressed(
        await drawn("second"), "second"
    )
    assert not desk.messages

    await drawn("third")
    typed = await discord.send_message("/delete third", in_guild=False)
    await until(lambda: discord.replies(typed))
    assert "2 messages of this job" in discord.replies(typed)[0]["text"]

    await drawn("private", private=True)
    typed = await discord.send_message("/delete private", in_guild=False)
    await until(lambda: discord.replies(typed))
    assert "2 messages of this job on Discord" in discord.replies(typed)[0]["text"]

    message_id = await drawn("fourth", private=True)
    await settled(desk, await discord.press(message_id, "v2:delete:fourth"))
    await discord.press(message_id, "v2:delete:fourth", age_s=20 * 60)
    direct = discord.direct_channel(MEMBER_ID)
    await until(lambda: len(discord.in_channel(direct)) == 2)
    assert "2 messages of this job" in discord.in_channel(direct)[1]["text"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST", "/callback", 404, code=10062),
        Fault("POST", "/webhooks", 404, code=10015),
    ],
    ids=["not acknowledged", "question not sent"],
)
async def test_a_press_whose_question_discord_did_not_take_was_no_first_press(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, fault: Fault
) -> None:
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await answered(discord, asked)
    desk.answer = delete_if_sure
    discord.faults.append(replace(fault))
    lost = await discord.press(asked.message_id, DELETE)
    await until(lambda: not discord.faults[0].times)
    await chat._interactions.answers.drain(10)
    assert not question_of(discord, lost)
    assert question_of(discord, await settled(desk, await discord.press(asked.message_id, DELETE)))
    assert asked.message_id in discord.messages
    await settled(desk, await discord.press(asked.message_id, DELETE))
    assert asked.message_id not in discord.messages


async def test_a_press_that_comes_before_the_question_is_shown_deletes_nothing(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    asked = await discord.slash("sugar", {"prompt": "a face"})
    shown = await answered(discord, asked)
    desk.answer = delete_if_sure
    both_came = asyncio.Event()

    async def hold(request: Request) -> None:
        if "/webhooks" in request.path:
            await both_came.wait()

    discord.before = hold
    presses = [await discord.press(asked.message_id, DELETE) for _ in range(2)]
    await until(lambda: all(each.callbacks for each in presses))
    both_came.set()
    for each in presses:
        assert question_of(discord, await settled(desk, each))
    assert discord.answer_to(asked)["text"] == shown, "the message with the pictures does not change"
    await settled(desk, await discord.press(asked.message_id, DELETE))
    assert asked.message_id not in discord.messages


async def test_only_the_presser_of_a_late_question_reads_it(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await answered(discord, asked)
    desk.answer = delete_if_sure
    await settled(desk, await discord.press(asked.message_id, DELETE, age_s=20 * 60))
    [question] = discord.in_channel(discord.direct_channel(MEMBER_ID))
    assert "Press the button again" in question["text"]
    assert asked.message_id in discord.messages


@pytest.mark.parametrize("command", [Cancel(JOB_ID), Delete(JOB_ID)])
async def test_a_press_that_a_crash_interrupted_runs_after_it(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, command: ButtonCommand
) -> None:
    """After a restart no question counts as shown, so the desk asks again."""
    async with opened(config, desk):
        drawn = await discord.slash("sugar", {"prompt": "a face"})
        await until(lambda: desk.settled)
    if isinstance(command, Delete):
        desk.answer = delete_if_sure
    pressed = await discord.press(drawn.message_id, data_of(command))
    await desk.store_events(
        Platform.DISCORD, [(pressed.interaction_id, json.dumps(discord.event_of(pressed)))]
    )
    await discord.acknowledge(pressed, is_press=True)
    async with opened(config, desk):
        await until(lambda: pressed.interaction_id in desk.settled)
    is_delete = isinstance(command, Delete)
    assert desk.handled[-1][0] == (replace(command, is_sure=False) if is_delete else command)
    assert question_of(discord, pressed) is is_delete


async def test_a_button_of_another_version_is_answered(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await answered(discord, asked)
    pressed = await discord.press(asked.message_id, "v9:x:what")
    assert await answered(discord, pressed)
    assert len(desk.handled) == 1
