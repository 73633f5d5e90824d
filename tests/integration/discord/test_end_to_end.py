"""End to end with the real desk and database: from a slash command to the pictures in the answer."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.chats.discord_ import DiscordChat, DiscordConfig
from bot.desk.build import DeskInputs, build_desk
from bot.outcomes import Platform
from bot.policy.rules import Rules
from bot.store import open_store
from engine.checkpoint.model import ModelInfo
from engine.planner.costs.book import CostBook
from engine.planner.headroom import HeadroomProbe
from engine.shelf import Shelf
from tests.fakes.desk_harness import SHELF, is_delivered
from tests.fakes.discord_gateway import until
from tests.fakes.discord_payloads import BOT_ID, EPHEMERAL, GUILD_ID, user
from tests.fakes.discord_rest import Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.lora_folder import shelf_inputs
from tests.fakes.renderer import Act, FakeRenderer
from tests.fakes.unhurried import PATIENCE_S

MIGRATIONS = Path(__file__).resolve().parents[3] / "migrations"
MODEL = ModelInfo(
    name="tiny",
    folder=Path("/nowhere"),
    native_width_px=512,
    native_height_px=512,
    min_side_px=64,
    max_side_px=1024,
    max_area_px=1024 * 1024,
)

RULES = Rules(hosts=frozenset({"discord:1"}), allow=frozenset({f"discord:{GUILD_ID}"}))


@dataclass
class RunningBot:
    """A running bot with a fake renderer."""

    discord: FakeDiscord
    renderer: FakeRenderer
    chat: DiscordChat

    async def ended(self, asked: Interaction, files: int) -> dict[str, Any]:
        """Wait until the answer shows this many pictures and return it."""
        await until(lambda: asked.message_id and len(self.discord.answer_to(asked)["attachments"]) == files)
        return self.discord.answer_to(asked)

    async def is_idle(self) -> None:
        """Wait until each press is answered, and the bot knows that Discord has shown the answer."""
        await self.chat._interactions.answers.drain(PATIENCE_S)


@asynccontextmanager
async def running_bot(
    discord: FakeDiscord,
    config: DiscordConfig,
    folder: Path,
    renderer: FakeRenderer,
    rules: Rules = RULES,
    shelf: Shelf = SHELF,
) -> AsyncIterator[RunningBot]:
    async with AsyncExitStack() as opened:
        store = await open_store(folder / "sugarbot.db", MIGRATIONS)
        opened.push_async_callback(store.close)
        desk = build_desk(
            DeskInputs(
                store=store,
                renderer=renderer,
                shelf=shelf,
                model=MODEL,
                probe=HeadroomProbe("cpu", 0),
                costs=CostBook(),
                rules=rules,
                pictures_dir=folder / "pictures",
                clock=lambda: time.time_ns() // 1_000_000,
                **shelf_inputs(folder),
            )
        )
        chat = DiscordChat(config, desk)
        await chat.open()
        running = [
            asyncio.create_task(desk.run({Platform.DISCORD: chat}), name="desk"),
            asyncio.create_task(chat.serve(), name="serve"),
        ]
        try:
            yield RunningBot(discord, renderer, chat)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
            await chat.close()


async def test_a_command_becomes_pictures_in_its_own_answer(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    async with running_bot(discord, config, tmp_path, FakeRenderer()) as bot:
        asked = await discord.slash("sugar", {"prompt": "a face", "size": "512x512", "seed": 7, "count": 2})
        answer = await bot.ended(asked, 2)
        assert "seed 7, 8" in str(answer["text"])
        again = await discord.press(asked.message_id)
        await bot.ended(again, 2)
    assert bot.renderer.requests[0].prompt == bot.renderer.requests[1].prompt == "a face"
    assert bot.renderer.requests[0].seed != bot.renderer.requests[1].seed
    assert not discord.in_channel(asked.channel_id)


async def test_trigger_words_are_shown_apart_from_what_was_typed(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    async with running_bot(discord, config, tmp_path, FakeRenderer()) as bot:
        asked = await discord.slash("sugar", {"prompt": "a face", "lora": "sugar", "size": "512x512"})
        answer = await bot.ended(asked, 1)
        assert "trigger words: sugar face" in str(answer["text"])
        assert answer["attachments"][0]["description"] == "a face"
        listed = await discord.slash("mine")
        text = str((await bot.ended(listed, 1))["text"])
    assert bot.renderer.requests[0].prompt == "sugar face, a face"
    assert "sugar face, a face" not in text
    assert "trigger words: sugar face" in text


async def test_a_reply_to_a_picture_is_about_it(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    asking = {"prompt": "a face", "size": "512x512", "lora": "sugar:0.5", "count": 2}
    async with running_bot(discord, config, tmp_path, FakeRenderer()) as bot:
        asked = await discord.slash("sugar", {**asking, "seed": 7})
        answer = await bot.ended(asked, 2)
        await bot.ended(await discord.slash("sugar", {"prompt": "the newest", "size": "512x512"}), 1)
        replied = {"author": user(BOT_ID), **{name: answer[name] for name in ("attachments", "components")}}
        for number, text in enumerate(["a hare", "--seed 9"], start=3):
            await discord.send_message(f"<@{BOT_ID}> {text}", referenced_message=replied)
            await until(lambda number=number: len(bot.renderer.requests) == number)
        recipe = await discord.send_message(f"<@{BOT_ID}> /recipe", referenced_message=replied)
        await until(lambda: discord.replies(recipe))
        assert "a face" in str(discord.replies(recipe)[0]["text"])
    drawn = [(each.prompt, each.seed, each.count) for each in bot.renderer.requests[2:]]
    assert drawn == [("sugar face, a hare", 7, 2), ("sugar face, a face", 9, 2)]


async def test_a_running_drawing_is_cancelled_by_its_button(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    async with running_bot(discord, config, tmp_path, FakeRenderer([Act.HANG], step_s=0.01)) as bot:
        asked = await discord.slash("sugar", {"prompt": "a face", "size": "512x512"})
        await until(lambda: bot.renderer.running and asked.message_id in discord.edits)
        await discord.press(asked.message_id)
        await until(lambda: "Cancelled." in discord.answer_to(asked)["text"])


async def test_no_other_person_can_cancel_it(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    async with running_bot(discord, config, tmp_path, FakeRenderer([Act.HANG], step_s=0.01)) as bot:
        asked = await discord.slash("sugar", {"prompt": "a face", "size": "512x512"})
        await until(lambda: bot.renderer.running and asked.message_id in discord.edits)
        pressed = await discord.press(asked.message_id, user_id="900000000000000031")
        await until(lambda: pressed.followups and discord.messages[pressed.followups[0]]["text"])
        refusal = discord.messages[pressed.followups[0]]
        assert "someone else" in refusal["text"]
        assert refusal["flags"] & EPHEMERAL
        assert not bot.renderer.cancelled


async def test_a_job_accepted_before_a_stop_is_delivered_into_its_answer_after_it(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    async with running_bot(discord, config, tmp_path, FakeRenderer([Act.HANG], step_s=0.01)) as bot:
        asked = await discord.slash("sugar", {"prompt": "a face", "size": "512x512"})
        await until(lambda: bot.renderer.running and asked.message_id in discord.edits)
    async with running_bot(discord, config, tmp_path, FakeRenderer()) as bot:
        await bot.ended(asked, 1)


async def test_a_server_that_the_host_did_not_allow_gets_an_explanation(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    async with running_bot(discord, config, tmp_path, FakeRenderer()):
        asked = await discord.slash("sugar", {"prompt": "a face"}, in_guild=False)
        await until(lambda: asked.followups and discord.messages[asked.followups[0]]["text"])
        assert "not enabled" in discord.messages[asked.followups[0]]["text"]


@pytest.mark.parametrize(
    "prompt", ["@everyone **bold** [x](https://evil.example) <#1>", "\u202e\x00 ночь 🍬"]
)
async def test_hostile_prompts_never_become_markup(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path, prompt: str
) -> None:
    async with running_bot(discord, config, tmp_path, FakeRenderer()) as bot:
        await bot.ended(await discord.slash("sugar", {"prompt": prompt, "size": "512x512"}), 1)
        listed = await discord.slash("mine")
        text = str((await bot.ended(listed, 1))["text"])
    assert "@everyone" not in text
    assert "](https" not in text
    assert "**bold" not in text


async def test_what_everybody_reads_is_in_the_language_of_the_server_and_what_one_person_reads_in_theirs(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    """Receipt, result and buttons of a public picture; a private picture; the refusal of a public request."""
    small = {"prompt": "a face", "size": "512x512"}
    async with running_bot(discord, config, tmp_path, FakeRenderer()) as bot:
        public = await discord.slash("sugar", {**small, "seed": 1}, guild_locale="zh-CN")
        assert "AI 生成" in str((await bot.ended(public, 1))["text"])
        assert "再来一张" in [button["label"] for button in discord.buttons(public.message_id)]
        private = await discord.slash("sugar", {**small, "seed": 2, "private": True}, guild_locale="zh-CN")
        assert "AI-generated" in str((await bot.ended(private, 1))["text"])
        refused = await discord.slash("sugar", {**small, "lora": "nobody"}, guild_locale="zh-CN")
        await until(lambda: refused.followups and discord.messages[refused.followups[0]]["text"])
        assert "There is no LoRA" in discord.messages[refused.followups[0]]["text"]


async def test_a_private_picture_is_published_by_its_owner_after_a_restart_and_deleted_everywhere(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    async with running_bot(discord, config, tmp_path, FakeRenderer()) as bot:
        asked = await discord.slash("sugar", {"prompt": "a face", "size": "512x512", "private": True})
        private = await bot.ended(asked, 1)
        assert private["flags"] & EPHEMERAL
    controls = {one["label"]: one["custom_id"] for one in discord.buttons(asked.message_id)}
    async with running_bot(discord, config, tmp_path, FakeRenderer()) as bot:
        published = await discord.press(asked.message_id, controls["Publish"])
        public = await bot.ended(published, 1)
        assert not public["flags"] & EPHEMERAL
        assert "AI-generated" in str(public["text"])
        await until(lambda: is_delivered(tmp_path))  # until then, it is "being sent right now"
        first = await discord.press(asked.message_id, controls["Delete"])  # it asks
        await until(lambda: first.followups)
        await bot.is_idle()
        deleted = await discord.press(asked.message_id, controls["Delete"])
        await until(lambda: deleted.followups and discord.messages[deleted.followups[0]]["text"])
    assert asked.message_id not in discord.messages
    assert published.message_id not in discord.messages
    assert discord.messages[deleted.followups[0]]["flags"] & EPHEMERAL
