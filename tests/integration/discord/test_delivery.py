"""Results: the answer is edited, else a channel message, else a direct one; repeated, it shows once."""

import io
import time
from dataclasses import replace
from pathlib import Path

import pytest
from discord import HTTPException
from PIL import Image, PngImagePlugin

from bot.chats.discord_ import DiscordChat, DiscordConfig
from bot.chats.discord_.outgoing.address import AnswerAddress, Response
from bot.outcomes import Address, JobState, PictureFile, Platform, Undeliverable
from engine.request import FailReason
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_components import GALLERY, ROW, TEXT, V2
from tests.fakes.discord_gateway import until
from tests.fakes.discord_http import Fault
from tests.fakes.discord_payloads import CHANNEL_ID, MEMBER_ID
from tests.fakes.discord_rest import Interaction
from tests.fakes.discord_server import FakeDiscord
from tests.fakes.figures import figure
from tests.integration.discord.conftest import JOB_ID, RECIPE, Pictures, opened, result_of

NAMES = [f"sugar-{JOB_ID}-1.png", f"sugar-{JOB_ID}-2.png"]


async def drawn_for(discord: FakeDiscord, desk: ScriptedDesk, **where: object) -> tuple[Interaction, Address]:
    """Ask for a drawing; return the interaction and the address of its answer."""
    options = {"prompt": "a face", "private": bool(where.pop("private", False))}
    asked = await discord.slash("sugar", options, **where)
    await until(lambda: asked.message_id in discord.edits)
    return asked, desk.handled[-1][1].address


def names_in(message: dict[str, object]) -> list[str]:
    return [one["filename"] for one in message["attachments"]]  # type: ignore[attr-defined]


async def test_pictures_stand_in_a_gallery_below_their_text_and_above_the_buttons(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    """A deferred answer cannot have the flag of components; the first edit sets it, and no edit drops it."""
    asked, address = await drawn_for(discord, desk)
    assert asked.callbacks == [{"type": 5}]
    await chat.deliver(result_of(address, pictures))
    message = discord.answer_to(asked)
    kinds = [one["type"] for one in message["components"]]
    assert kinds[:3] == [TEXT, GALLERY, TEXT]
    assert set(kinds[3:]) == {ROW}
    assert message["text"].startswith("> a face\n")  # the prompt, as a quote
    assert message["components"][1]["items"] == [
        {"media": {"url": f"attachment://{name}"}, "description": "a face", "spoiler": False}
        for name in NAMES
    ]
    edits = [one for one in discord.requests if one.method == "PATCH"]
    assert len(edits) == 2
    assert all(one.body["flags"] == V2 and one.body["content"] is None for one in edits)


async def test_each_picture_has_the_alt_text_it_was_drawn_with_and_a_spoiler_on_request(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    asked, address = await drawn_for(discord, desk)
    recipe = replace(RECIPE, typed="{red|blue} lips", prompts=("red lips", "blue lips"))
    await chat.deliver(result_of(address, pictures, recipe=recipe, spoiler=True))
    items = discord.answer_to(asked)["components"][1]["items"]
    assert [one["description"] for one in items] == [recipe.typed_of(0), recipe.typed_of(1)]
    assert recipe.typed_of(0) in ("red lips", "blue lips")
    assert all(one["spoiler"] for one in items)


async def test_two_pictures_arrive_in_one_edit_with_alt_text_caption_and_reroll(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    asked, address = await drawn_for(discord, desk)
    before = len(discord.edits[asked.message_id])
    await chat.deliver(result_of(address, pictures))
    assert len(discord.edits[asked.message_id]) == before + 1
    message = discord.answer_to(asked)
    assert names_in(message) == NAMES
    assert discord.files[asked.message_id][NAMES[0]] == pictures[0].path.read_bytes()
    assert {one["description"] for one in message["attachments"]} == {"a face"}
    assert "seed 7, 8" in message["text"]
    assert "AI-generated" in message["text"]
    button = discord.buttons(asked.message_id)[0]
    assert (button["label"], button["custom_id"]) == ("Reroll", f"v2:reroll:{JOB_ID}")


async def test_a_result_delivered_twice_shows_once(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    asked, address = await drawn_for(discord, desk)
    for _ in range(2):
        await chat.deliver(result_of(address, pictures))
    assert names_in(discord.answer_to(asked)) == NAMES
    assert not discord.in_channel(CHANNEL_ID)


async def test_a_result_is_delivered_after_a_restart(
    discord: FakeDiscord, config: DiscordConfig, desk: ScriptedDesk, pictures: Pictures
) -> None:
    async with opened(config, desk):
        asked, address = await drawn_for(discord, desk)
    async with opened(config, desk) as chat:
        await chat.deliver(result_of(address, pictures))
    assert names_in(discord.answer_to(asked)) == NAMES


@pytest.mark.parametrize(
    ("state", "fail", "said"),
    [
        (JobState.FAILED, FailReason.BLANK_PICTURE, "came out blank"),
        (JobState.CANCELLED, None, "Cancelled."),
    ],
)
async def test_an_unfinished_job_shows_the_reason_and_its_drawn_pictures(
    discord: FakeDiscord,
    chat: DiscordChat,
    desk: ScriptedDesk,
    pictures: Pictures,
    state: JobState,
    fail: FailReason | None,
    said: str,
) -> None:
    asked, address = await drawn_for(discord, desk)
    await chat.deliver(result_of(address, pictures[:1], state=state, fail=fail, refund=1))
    assert said in discord.answer_to(asked)["text"]
    assert "Credits refunded: 1" in discord.answer_to(asked)["text"]
    assert names_in(discord.answer_to(asked)) == NAMES[:1]


@pytest.mark.parametrize("how", ["old", "expired", "dismissed"])
async def test_a_closed_answer_becomes_a_channel_message_that_mentions_only_its_person(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures, how: str
) -> None:
    asked, address = await drawn_for(discord, desk)
    if how == "old":
        answer = AnswerAddress.from_json(address.ref)
        assert isinstance(answer.target, Response)
        expired = replace(answer.target, created_ms=int(time.time() * 1000) - 15 * 60_000)
        address = replace(address, ref=replace(answer, target=expired).to_json())
    asked.expired = how == "expired"
    if how == "dismissed":
        del discord.messages[asked.message_id]
    before = figure("sugarbot_delivery_fallbacks_total", platform="discord", way="channel")
    await chat.deliver(result_of(address, pictures))
    assert figure("sugarbot_delivery_fallbacks_total", platform="discord", way="channel") == before + 1
    (message,) = discord.in_channel(CHANNEL_ID)
    assert message["text"].startswith(f"<@{MEMBER_ID}>\n> a face\n")
    assert names_in(message) == NAMES
    sent = next(one for one in discord.requests if one.path == f"/channels/{CHANNEL_ID}/messages")
    assert (sent.body["nonce"], sent.body["enforce_nonce"]) == (JOB_ID, True)
    assert sent.body["allowed_mentions"] == {"parse": [], "users": [int(MEMBER_ID)]}


async def test_a_channel_message_sent_twice_shows_once_by_its_nonce_and_later_by_its_address(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    asked, address = await drawn_for(discord, desk)
    asked.expired = True
    discord.faults.append(Fault("POST", f"/channels/{CHANNEL_ID}", 502, after=True))
    await chat.deliver(result_of(address, pictures))
    await chat.deliver(result_of(address, pictures))
    discord.forget_nonces()
    await chat.deliver(result_of(desk.addresses[JOB_ID], pictures))
    (message,) = discord.in_channel(CHANNEL_ID)
    assert names_in(message) == NAMES


async def test_a_result_for_a_closed_channel_arrives_as_a_direct_message(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    asked, address = await drawn_for(discord, desk)
    asked.expired = True
    discord.closed_channels[CHANNEL_ID] = (403, 50013)
    before = figure("sugarbot_delivery_fallbacks_total", platform="discord", way="direct")
    await chat.deliver(result_of(address, pictures))
    assert figure("sugarbot_delivery_fallbacks_total", platform="discord", way="direct") == before + 1
    (message,) = discord.in_channel(discord.direct_channel(MEMBER_ID))
    assert names_in(message) == NAMES


async def test_a_private_picture_never_goes_to_the_channel(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    asked, address = await drawn_for(discord, desk, private=True)
    asked.expired = True
    await chat.deliver(result_of(address, pictures, private=True))
    assert not discord.in_channel(CHANNEL_ID)
    assert len(discord.in_channel(discord.direct_channel(MEMBER_ID))) == 1


async def test_a_private_picture_never_goes_into_an_answer_that_others_read(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    asked, address = await drawn_for(discord, desk)
    await chat.deliver(result_of(address, pictures, private=True))
    assert not discord.answer_to(asked)["attachments"]
    assert "in our private chat" in discord.answer_to(asked)["text"]
    (message,) = discord.in_channel(discord.direct_channel(MEMBER_ID))
    assert names_in(message) == NAMES


async def test_a_result_that_no_way_accepts_is_undeliverable(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    asked, address = await drawn_for(discord, desk)
    asked.expired = True
    discord.closed_channels[CHANNEL_ID] = (404, 10003)
    discord.closed_channels[discord.direct_channel(MEMBER_ID)] = (403, 50007)
    with pytest.raises(Undeliverable):
        await chat.deliver(result_of(address, pictures))


@pytest.mark.parametrize("private", [False, True])
async def test_a_kept_result_arrives_where_its_person_asks_for_it(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures, private: bool
) -> None:
    """The address that ``/mine`` gives has only the channel, because its response shows the list."""
    result = result_of(Address(Platform.DISCORD, CHANNEL_ID), pictures, private=private)
    await chat.deliver(result)
    where = discord.direct_channel(MEMBER_ID) if private else CHANNEL_ID
    (message,) = discord.in_channel(where)
    assert names_in(message) == NAMES
    assert AnswerAddress.from_json(desk.addresses[JOB_ID].ref).is_message


async def test_a_server_error_means_try_again_and_not_another_way(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    _, address = await drawn_for(discord, desk)
    discord.faults.append(Fault("PATCH", "/webhooks", 400, code=50035))
    with pytest.raises(HTTPException):
        await chat.deliver(result_of(address, pictures))
    assert not discord.in_channel(CHANNEL_ID)


async def test_a_rate_limit_is_waited_out(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    asked, address = await drawn_for(discord, desk)
    discord.faults.append(Fault("PATCH", "/webhooks", 429, retry_after_s=0.2))
    began = time.monotonic()
    await chat.deliver(result_of(address, pictures))
    assert time.monotonic() - began >= 0.2
    assert names_in(discord.answer_to(asked)) == NAMES


async def test_a_picture_too_large_becomes_a_webp_with_its_settings(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, tmp_path: Path
) -> None:
    settings = PngImagePlugin.PngInfo()
    settings.add_text("parameters", "a face\nSteps: 8, Seed: 7")
    path = tmp_path / "large.png"
    Image.effect_noise((512, 512), 60).convert("RGB").save(path, pnginfo=settings)
    limit_bytes = path.stat().st_size - 1
    asked, address = await drawn_for(discord, desk, file_bytes=limit_bytes)
    await chat.deliver(result_of(address, (PictureFile(0, 7, path),)))
    ((name, data),) = discord.files[asked.message_id].items()
    assert name == f"sugar-{JOB_ID}-1.webp"
    assert len(data) <= limit_bytes
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "WEBP"
        comment = picture.getexif().get_ifd(0x8769)[0x9286]
    assert comment.removeprefix(b"UNICODE\0").decode("utf-16-be") == "a face\nSteps: 8, Seed: 7"


async def test_a_picture_that_fits_in_no_form_is_kept_and_the_person_learns_how_to_get_it(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, tmp_path: Path
) -> None:
    """The limit as Discord named it, and a smaller one that it only enforces."""
    path = tmp_path / "large.png"
    Image.effect_noise((512, 512), 60).convert("RGB").save(path)
    for stated, enforced in ((900, 10_000_000), (10_000_000, 900)):
        discord.max_file_bytes = enforced
        asked, address = await drawn_for(discord, desk, file_bytes=stated)
        await chat.deliver(result_of(address, (PictureFile(0, 7, path),), job_id=f"job{stated}"))
        message = discord.answer_to(asked)
        assert not message["attachments"]
        assert "Too large for this chat" in message["text"]
        assert "AI-generated" in message["text"]
    assert not discord.in_channel(CHANNEL_ID)


async def test_a_picture_missing_on_disk_does_not_stop_the_other(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    asked, address = await drawn_for(discord, desk)
    pictures[0].path.unlink()
    await chat.deliver(result_of(address, pictures))
    assert names_in(discord.answer_to(asked)) == NAMES[1:]


async def test_an_address_of_another_platform_is_refused(chat: DiscordChat, pictures: Pictures) -> None:
    with pytest.raises(ValueError, match="Discord"):
        await chat.deliver(result_of(Address(Platform.DISCORD, "1", '{"other": 1}'), pictures))


async def test_alt_text_is_one_line_of_printable_text(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures
) -> None:
    asked, address = await drawn_for(discord, desk)
    recipe = replace(RECIPE, typed="a\x00 face\n" + "🍬" * 2_000)
    await chat.deliver(result_of(address, pictures, recipe=recipe))
    description = discord.answer_to(asked)["attachments"][0]["description"]
    assert description.startswith("a face 🍬")
    assert len(description) <= 1024
