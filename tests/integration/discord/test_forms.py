"""Forms and context menus: shown at once, sent as events like any other, also after a restart."""

from typing import Any

import pytest

from bot.chats.discord_ import DiscordChat, DiscordConfig
from bot.commands.values import (
    Command,
    Draw,
    Edit,
    LoraAdd,
    LoraWish,
    PixelSize,
    SentFile,
    ShowRecipe,
    Vary,
)
from bot.errors import NoCreditsLeft, NotYours
from bot.outcomes import CommandContext, EditableText, LoraAdded, Outcome, PictureFile, RecipeShown
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_gateway import until
from tests.fakes.discord_payloads import EPHEMERAL, MANAGE_GUILD
from tests.fakes.discord_server import FakeDiscord, filled
from tests.integration.discord.conftest import (
    JOB_ID,
    RECEIPT,
    answered,
    opened,
    refusing,
    result_of,
)
from tests.integration.discord.conftest import answer as usual_answer

TEXT = "/sugar a face, dewy skin --lora sugar:0.8 --size 512x768 --seed 7 -n 2"
NO_CREDITS = NoCreditsLeft(price=2, credits=1, renews_at_s=1_795_000_000)


def editing(is_private: bool = False) -> Any:
    def answer(command: Command, context: CommandContext) -> Outcome:
        if isinstance(command, Edit):
            return EditableText(JOB_ID, TEXT, is_private)
        return usual_answer(command, context)

    return answer


async def drawn(discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Any) -> str:
    """Draw two pictures; return the id of their message."""
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await answered(discord, asked)
    await chat.deliver(result_of(desk.handled[-1][1].address, pictures))
    return asked.message_id


async def test_a_form_shows_the_text_of_a_job_and_draws_what_it_becomes_also_after_a_restart(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, pictures: tuple[PictureFile, ...]
) -> None:
    desk.answer = editing()
    async with opened(config, desk) as chat:
        message_id = await drawn(discord, chat, desk, pictures)
    async with opened(config, desk):  # the button works after a restart …
        pressed = await discord.press(message_id, f"v2:edit:{JOB_ID}")
        form = await discord.form(pressed)
        assert desk.handled[-1][0] == Edit(JOB_ID)
        assert pressed.interaction_id not in desk.settled  # nothing is stored before a form is shown
    shown = {one["custom_id"]: one for one in (label["component"] for label in form["components"])}
    assert shown["prompt"]["value"] == "a face, dewy skin"
    assert (shown["lora"]["value"], shown["size"]["value"], shown["seed"]["value"]) == (
        "sugar:0.8",
        "512x768",
        "7",
    )
    assert [one["value"] for one in shown["count"]["options"] if one["default"]] == ["2"]
    async with opened(config, desk):  # … and so does the form
        sent = await discord.submit(form["custom_id"], filled(form, prompt="a cat", seed="", count="1"))
        assert "Got it!" in await answered(discord, sent)
        await until(lambda: sent.interaction_id in desk.settled)
    (drawing,) = [one for one, _ in desk.handled if isinstance(one, Draw) and one.prompt == "a cat"]
    assert (drawing.loras, drawing.size) == ((LoraWish("sugar", 0.8),), PixelSize(512, 768))
    assert (drawing.seed, drawing.count, drawing.private) == (None, 1, False)
    assert drawing.edited_from == JOB_ID
    assert not discord.answer_to(sent)["flags"] & EPHEMERAL


async def test_the_form_of_a_private_job_draws_in_private(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    desk.answer = editing(is_private=True)
    asked = await discord.slash("sugar", {"prompt": "a face", "private": True})
    await answered(discord, asked)
    form = await discord.form(await discord.press(asked.message_id, f"v2:edit:{JOB_ID}"))
    sent = await discord.submit(form["custom_id"], filled(form))
    await answered(discord, sent)
    assert discord.answer_to(sent)["flags"] & EPHEMERAL
    drawing = desk.handled[-1][0]
    assert isinstance(drawing, Draw)
    assert drawing.private


async def test_the_form_of_a_hidden_picture_draws_a_hidden_one(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    desk.answer = lambda command, context: (
        EditableText(JOB_ID, f"{TEXT} --spoiler")
        if isinstance(command, Edit)
        else usual_answer(command, context)
    )
    asked = await discord.slash("sugar", {"prompt": "a face", "spoiler": True})
    await answered(discord, asked)
    form = await discord.form(await discord.press(asked.message_id, f"v2:edit:{JOB_ID}"))
    await answered(discord, await discord.submit(form["custom_id"], filled(form)))
    drawing = desk.handled[-1][0]
    assert isinstance(drawing, Draw)
    assert drawing.spoiler


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"prompt": " "}, "What should I draw?"),
        ({"prompt": "two **cats**", "size": "0"}, "“0” is not a size"),
        ({"prompt": "two **cats**", "seed": "tomorrow"}, "is not a seed"),
        ({"prompt": "two **cats**"}, "Not enough credits"),
    ],
)
async def test_a_refused_form_is_explained_to_its_sender_and_gives_the_text_back(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, typed: dict[str, str], said: str
) -> None:
    desk.answer = editing()
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await answered(discord, asked)
    form = await discord.form(await discord.press(asked.message_id, f"v2:edit:{JOB_ID}"))
    desk.answer = refusing(NO_CREDITS)
    sent = await discord.submit(form["custom_id"], filled(form, **typed))
    await until(lambda: sent.followups or (sent.callbacks and sent.callbacks[0]["type"] == 4))
    refusal = discord.messages[sent.followups[0]] if sent.followups else discord.answer_to(sent)
    assert said in refusal["text"]
    assert refusal["flags"] & EPHEMERAL
    assert (r"You wrote: two \*\*cats\*\*" in refusal["text"]) is (typed["prompt"] != " ")


async def test_somebody_else_gets_a_refusal_in_place_of_the_form(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await answered(discord, asked)
    desk.answer = refusing(NotYours(job_id=JOB_ID))
    pressed = await discord.press(asked.message_id, f"v2:edit:{JOB_ID}", user_id="900000000000000031")
    assert "belongs to someone else" in await answered(discord, pressed)
    assert discord.answer_to(pressed)["flags"] & EPHEMERAL


async def test_a_form_of_another_version_is_answered(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    for custom_id in ("v9:form:x", "v2:form:edit", "v2:edit:k3f9", "x" * 100):
        sent = await discord.submit(
            custom_id, [{"type": 4, "id": 1, "custom_id": "prompt", "value": "a cat"}]
        )
        assert "a cat" in await answered(discord, sent)
    assert not desk.handled


async def test_the_context_menu_remix_opens_the_form_of_the_picture_below_it(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: tuple[PictureFile, ...]
) -> None:
    """Found by its files and, below a placeholder, by its buttons; a message of somebody else has none."""
    desk.answer = editing()
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await answered(discord, asked)
    by_button = await discord.context_menu("Remix", asked.message_id)
    assert (await discord.form(by_button))["custom_id"] == f"v2:form:edit:{JOB_ID}:all"
    await chat.deliver(result_of(desk.handled[0][1].address, pictures))
    discord.answer_to(asked)["components"] = []
    by_file = await discord.context_menu("Remix", asked.message_id)
    assert (await discord.form(by_file))["custom_id"] == f"v2:form:edit:{JOB_ID}:all"
    other = await discord.context_menu("Remix")
    assert "shows no picture of mine" in await answered(discord, other)
    assert discord.answer_to(other)["flags"] & EPHEMERAL


async def test_the_context_menu_use_as_variation_asks_which_picture_and_how_much(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: tuple[PictureFile, ...]
) -> None:
    message_id = await drawn(discord, chat, desk, pictures)
    form = await discord.form(await discord.context_menu("Use as variation", message_id))
    names = [label["component"]["custom_id"] for label in form["components"]]
    assert names == ["picture", "strength"]
    await discord.submit(form["custom_id"], filled(form, picture="1", strength="strong"))
    await until(lambda: desk.handled[-1][0] == Vary(JOB_ID, 1, strong=True))
    alone = dict(discord.messages[message_id])
    alone["attachments"] = alone["attachments"][1:]
    discord.messages[message_id] = alone
    form = await discord.form(await discord.context_menu("Use as variation", message_id))
    assert [label["component"]["custom_id"] for label in form["components"]] == ["strength"]
    await discord.submit(form["custom_id"], filled(form))
    await until(lambda: desk.handled[-1][0] == Vary(JOB_ID, 1, strong=False))
    forged = await discord.submit(f"v2:form:vary:{JOB_ID}:all", filled(form))
    assert "another version" in await answered(discord, forged)
    alone["attachments"] = []  # a placeholder or the end of a job without pictures: only its buttons remain
    asked = await discord.context_menu("Use as variation", message_id)
    assert "shows no picture of mine" in await answered(discord, asked)


async def test_the_context_menu_picture_info_shows_the_recipe_to_its_person_with_a_code_to_copy(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: tuple[PictureFile, ...]
) -> None:
    message_id = await drawn(discord, chat, desk, pictures)
    desk.answer = lambda *_: RecipeShown("ABCDEFGH", "/sugar a face `--seed 7`")
    asked = await discord.context_menu("Picture info", message_id)
    text = await answered(discord, asked)
    assert desk.handled[-1][0] == ShowRecipe(job_id=JOB_ID)
    assert discord.answer_to(asked)["flags"] & EPHEMERAL
    assert "```\n/sugar a face '--seed 7'\n```" in text
    assert discord.buttons(asked.message_id)[0]["custom_id"] == "v2:draw:ABCDEFGH"


async def test_adding_a_lora_without_options_opens_a_form_for_its_file(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    desk.answer = lambda command, context: (
        LoraAdded("my_face", 9, "a" * 64, "", 1.0)
        if isinstance(command, LoraAdd)
        else usual_answer(command, context)
    )
    form = await discord.form(await discord.slash("lora add", {}, permissions=MANAGE_GUILD))
    file = {"id": "5", "filename": "My Face.safetensors", "size": 9, "url": "https://cdn.discordapp.com/f"}
    sent = await discord.submit(form["custom_id"], filled(form, file="5"), {"5": file})
    await answered(discord, sent)
    await discord.submit(form["custom_id"], filled(form, link="civitai:1"))
    await until(lambda: len(desk.handled) == 2)
    assert [one for one, _ in desk.handled] == [
        LoraAdd(file=SentFile("My Face.safetensors", 9, url="https://cdn.discordapp.com/f")),
        LoraAdd("civitai:1"),
    ]


async def test_the_pictures_of_a_batch_are_a_list_and_a_choice_is_like_a_press(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: tuple[PictureFile, ...]
) -> None:
    message_id = await drawn(discord, chat, desk, pictures)
    desk.answer = lambda *_: RECEIPT
    chosen = await discord.choose(message_id, f"v2:pick:{JOB_ID}:1")
    await until(lambda: chosen.message_id)
    assert str(desk.handled[-1][0]) == f"Pick(job_id='{JOB_ID}', index=1)"
    forged = await discord.choose(message_id, "v2:pick:x")
    assert "another version" in await answered(discord, forged)
