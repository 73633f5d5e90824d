"""Every control under every answer, pressed after a cold start by its owner and by somebody else."""

from dataclasses import replace
from pathlib import Path

from bot.chats.discord_ import DiscordConfig
from bot.commands.buttons import press_of
from bot.commands.values import Cancel
from bot.policy.rules import Rules
from tests.fakes.desk_harness import is_delivered
from tests.fakes.discord_components import BUTTON, SELECT, walk
from tests.fakes.discord_gateway import until
from tests.fakes.discord_payloads import GUILD_ID, LOADING, MEMBER_ID
from tests.fakes.discord_rest import SHOW_FORM, Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.renderer import Act, FakeRenderer
from tests.integration.discord.test_end_to_end import running_bot

STRANGER_ID = "900000000000000031"
RULES = Rules(allow=frozenset({f"discord:{GUILD_ID}"}), daily_credits=100_000, max_waiting=1_000)
DRAWING = {"prompt": "a face", "size": "512x512", "seed": 7}


def controls(discord: FakeDiscord, message_id: str) -> list[str]:
    """What a person can press or choose below a message."""
    found = []
    for component in walk(discord.messages[message_id]["components"]):
        if component["type"] == BUTTON:
            found.append(component["custom_id"])
        elif component["type"] == SELECT:
            found += [option["value"] for option in component["options"]]
    return found


def pressed_in_order(discord: FakeDiscord, message_id: str) -> list[str]:
    """All controls; Delete last, and twice, because it needs a second press."""
    ordered = sorted(controls(discord, message_id), key=lambda one: "v2:delete" in one)
    return ordered + [one for one in ordered if "v2:delete" in one]


async def act(discord: FakeDiscord, message_id: str, control: str, **where: object) -> Interaction:
    is_button = any(one["custom_id"] == control for one in discord.buttons(message_id))
    press = discord.press if is_button else discord.choose
    return await press(message_id, control, **where)


def answer_of(discord: FakeDiscord, asked: Interaction) -> str:
    """What the presser got: a form, a text of the bot, or nothing yet."""
    if asked.callbacks and asked.callbacks[0]["type"] == SHOW_FORM:
        return "a form"
    shown = [*asked.followups, asked.message_id]
    messages = [discord.messages[one] for one in shown if one in discord.messages]
    return next((one["text"] for one in messages if one["text"] and not one["flags"] & LOADING), "")


async def test_every_control_answers_after_a_cold_start_its_owner_and_somebody_else(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    """Public and private pictures, one and two of them; no press is left without an answer."""
    made = []
    async with running_bot(discord, config, tmp_path, FakeRenderer(), RULES) as bot:
        for options in ({"count": 2}, {"seed": 8}, {"seed": 9, "private": True}):
            asked = await discord.slash("sugar", {**DRAWING, **options})
            await bot.ended(asked, int(options.get("count", 1)))
            made.append((asked.message_id, bool(options.get("private"))))
        await until(lambda: is_delivered(tmp_path))  # until then, nothing is deleted
    pressed = []
    async with running_bot(discord, config, tmp_path, FakeRenderer(), RULES) as bot:
        for message_id, is_private in made:
            seen = [] if is_private else pressed_in_order(discord, message_id)  # nobody else sees it
            pressed += [await act(discord, message_id, each, user_id=STRANGER_ID) for each in seen]
        await until(lambda: all(answer_of(discord, one) for one in pressed), 30)
        for message_id, _ in made:
            for control in pressed_in_order(discord, message_id):
                pressed.append(await act(discord, message_id, control))
                await until(lambda: answer_of(discord, pressed[-1]), 30)
                await bot.is_idle()
    answers = [answer_of(discord, one) for one in pressed]
    assert len(answers) > 20
    assert not [text for text in answers if "Something went wrong" in text or "another version" in text]
    assert not [message_id for message_id, _ in made if message_id in discord.messages]  # each was deleted


async def test_the_control_of_a_waiting_job_answers_after_a_cold_start(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    async with running_bot(discord, config, tmp_path, FakeRenderer([Act.HANG], step_s=0.01), RULES):
        asked = await discord.slash("sugar", DRAWING)
        await until(lambda: asked.message_id in discord.edits)
    (control,) = controls(discord, asked.message_id)
    assert isinstance(press_of(control), Cancel)
    async with running_bot(discord, config, tmp_path, FakeRenderer([Act.HANG], step_s=0.01), RULES):
        other = await act(discord, asked.message_id, control, user_id=STRANGER_ID)
        await until(
            lambda: other.followups and "someone else" in discord.messages[other.followups[0]]["text"]
        )
        await act(discord, asked.message_id, control)
        await until(lambda: "Cancelled." in discord.answer_to(asked)["text"])


async def test_a_host_cancels_a_job_of_the_queue_after_a_cold_start_and_reads_the_page_again(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    rules = replace(RULES, hosts=frozenset({f"discord:{MEMBER_ID}"}))
    async with running_bot(discord, config, tmp_path, FakeRenderer([Act.HANG], step_s=0.01), rules):
        for seed in (7, 8, 9):  # the worker takes two jobs; the third waits
            asked = await discord.slash("sugar", {**DRAWING, "seed": seed}, user_id=STRANGER_ID)
            # Commands are handled side by side; the next one must come later.
            await until(lambda asked=asked: asked.message_id in discord.edits, 30)
        queue = await discord.slash("queue", {})
        await until(lambda: queue.message_id and len(controls(discord, queue.message_id)) == 3, 30)
    found = controls(discord, queue.message_id)
    async with running_bot(discord, config, tmp_path, FakeRenderer([Act.HANG], step_s=0.01), rules):
        await act(discord, queue.message_id, found[2])
        await until(lambda: controls(discord, queue.message_id) == found[:2], 30)
        assert "is cancelled and refunded." in discord.messages[queue.message_id]["text"]
        await until(lambda: "Cancelled." in discord.answer_to(asked)["text"], 30)


async def test_deletion_reaches_every_message_that_shows_a_picture_of_the_job(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    async with running_bot(discord, config, tmp_path, FakeRenderer(), RULES) as bot:
        asked = await discord.slash("sugar", {**DRAWING, "count": 2})
        await bot.ended(asked, 2)
        found = controls(discord, asked.message_id)
        pick = next(each for each in found if each.startswith("v2:pick:"))
        delete = next(each for each in found if each.startswith("v2:delete:"))
        picked = await act(discord, asked.message_id, pick)
        await until(lambda: picked.message_id and discord.messages[picked.message_id]["attachments"])
        await until(lambda: is_delivered(tmp_path))  # until then, it is "being sent right now"
        first = await act(discord, asked.message_id, delete)
        await until(lambda: "Press the button again" in answer_of(discord, first))
        await bot.is_idle()
        assert {asked.message_id, picked.message_id} <= set(discord.messages)
        await act(discord, asked.message_id, delete)
        await until(lambda: asked.message_id not in discord.messages)
        await until(lambda: picked.message_id not in discord.messages)
