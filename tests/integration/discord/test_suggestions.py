"""Suggestions while a person types an option of a command."""

import asyncio
import gc

import structlog

from bot.chats.discord_ import DiscordChat
from bot.outcomes import LoraSummary
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_gateway import until
from tests.fakes.discord_server import FakeDiscord


async def test_an_autocomplete_whose_token_is_not_text_is_logged_and_affects_no_other(
    discord: FakeDiscord, chat: DiscordChat
) -> None:
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    asked = await discord.slash("quota", {})
    data = {"id": "1", "type": 1, "name": "paint", "options": []}
    with structlog.testing.capture_logs() as logs:
        chat._client.parse_event(
            {**discord.event_of(asked), "id": "78", "type": 4, "token": {}, "data": data}
        )
        await until(lambda: any(log["event"] == "event dropped" for log in logs))
    gc.collect()
    assert not unhandled


async def test_at_most_25_lora_suggestions_come_from_memory(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    choices = await discord.suggest("sugar", "lora", "sug", locale="zh-CN")
    assert len(choices) == 25
    assert choices[0] == {"name": "糖 0 · sugar0", "value": "sugar0"}
    assert not desk.handled
    assert [one["value"] for one in await discord.suggest("lora switch", "name", "sugar39")] == ["sugar39"]


async def test_labels_and_values_fit_into_discord_s_limit(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    desk.loras = (LoraSummary("sub folder/" + "x" * 120, {"en": "T" * 120}, "", 1.0, sha256="ab" * 32),)
    [choice] = await discord.suggest("sugar", "lora", "xx")
    assert choice["value"] == "#" + "ab" * 16
    assert len(choice["name"]) == 100


async def test_sizes_and_face_slots_are_suggested_in_the_persons_language(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    desk.presets = ("cosy", "cold")
    assert await discord.suggest("sugar", "preset", "cos") == [{"name": "cosy", "value": "cosy"}]
    assert {"name": "english", "value": "english"} in await discord.suggest("settings", "language", "en")
    assert [one["value"] for one in await discord.suggest("settings", "reset", "si")] == ["size"]
    assert {"name": "wide 16:9", "value": "wide"} in await discord.suggest("sugar", "size", "16")
    [portrait] = await discord.suggest("sugar", "size", "竖图", locale="zh-CN")
    assert portrait == {"name": "竖图 2:3", "value": "portrait"}
    assert (await discord.suggest("sugar", "lips", ""))[-1]["value"] == "surprise me"
    choices = await discord.suggest("sugar", "lips", "正红", locale="zh-CN")
    assert [one["value"] for one in choices] == ["正红唇"]
