"""Who may use a LoRA, in conversations on Discord: allowed, refused, and taken back while a job is drawn."""

from pathlib import Path

from bot.chats.discord_ import DiscordConfig
from tests.fakes.consent import RECEIPT_PARTS, shelf_owned_by
from tests.fakes.discord_gateway import until
from tests.fakes.discord_payloads import MEMBER_ID
from tests.fakes.discord_rest import Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.renderer import Act, FakeRenderer
from tests.integration.discord.test_end_to_end import running_bot

MEMBER = "900000000000000031"


def text_of(discord: FakeDiscord, asked: Interaction) -> str:
    shown = [discord.messages[each]["text"] for each in asked.followups if each in discord.messages]
    if asked.message_id in discord.messages:
        shown.append(discord.answer_to(asked)["text"])
    return "\n".join(shown)


async def test_an_owner_allows_and_takes_back_a_face_while_it_is_drawn(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    shelf, renderer = shelf_owned_by(f"discord:{MEMBER_ID}"), FakeRenderer([Act.HANG], step_s=0.01)
    async with running_bot(discord, config, tmp_path, renderer, shelf=shelf) as bot:
        options = {"prompt": "a face", "lora": "face", "size": "512x512"}
        assert await discord.suggest("sugar", "lora", "face", user_id=MEMBER) == []
        refused = await discord.slash("sugar", options, user_id=MEMBER)
        await until(lambda: "that you can use here" in text_of(discord, refused))
        allowed = await discord.slash("loraallow", {"name": "face", "person": f"<@{MEMBER}>"})
        await until(lambda: f"discord:{MEMBER} may use face" in text_of(discord, allowed))
        offered = await discord.suggest("sugar", "lora", "face", user_id=MEMBER)
        assert [choice["value"] for choice in offered] == ["face"]
        drawn = await discord.slash("sugar", options, user_id=MEMBER)
        await until(lambda: bot.renderer.running and drawn.message_id in discord.edits)
        revoked = await discord.slash("lorarevoke", {"name": "face"})
        await until(lambda: "Nobody may use face" in text_of(discord, revoked))
        await until(lambda: "may not be used any more" in text_of(discord, drawn))
        assert "Credits refunded: 1." in text_of(discord, drawn)
        again = await discord.slash("sugar", options)
        await until(lambda: "that you can use here" in text_of(discord, again))


async def test_a_receipt_shows_helpers_bounds_and_scaling(
    discord: FakeDiscord, config: DiscordConfig, tmp_path: Path
) -> None:
    shelf, renderer = shelf_owned_by(f"discord:{MEMBER_ID}"), FakeRenderer([Act.HANG], step_s=0.01)
    async with running_bot(discord, config, tmp_path, renderer, shelf=shelf) as bot:
        asked = await discord.slash("sugar", {"prompt": "a face --lora face:1.5 --lora style:2"})
        await until(lambda: bot.renderer.received)
        assert [(lora.name, lora.weight) for lora in bot.renderer.received[0].loras] == [
            ("face", 1.0), ("style", 1.0), ("patch", 0.5),
        ]  # fmt: skip
        await until(
            lambda: any(
                all(part in edit["text"] for part in RECEIPT_PARTS)
                for edit in discord.edits.get(asked.message_id, [])
            )
        )
