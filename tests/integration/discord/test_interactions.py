"""Slash commands: from the person to the desk, and the answer back to the person."""

import asyncio
import gc
from dataclasses import replace

import pytest
import structlog

from bot.chats.discord_ import DiscordChat, DiscordConfig, adapter
from bot.chats.discord_.incoming import interactions
from bot.commands.values import (
    Cancel,
    Command,
    Draw,
    Face,
    Help,
    LoraInfo,
    LoraList,
    LoraSwitch,
    LoraWish,
    Mine,
    PixelSize,
    Quota,
    Ratio,
    Scope,
)
from bot.errors import HostsOnly, NoCreditsLeft, UnknownLora
from bot.outcomes import (
    AddStage,
    CommandContext,
    CreditBalance,
    History,
    HistoryEntry,
    JobState,
    LoraAdded,
    LoraAdding,
    LoraListing,
    LoraSwitched,
    Outcome,
    PictureFile,
    Platform,
)
from engine.host import CardReport
from engine.planner.headroom import Headroom
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_components import SELECT, walk
from tests.fakes.discord_gateway import until
from tests.fakes.discord_http import Fault
from tests.fakes.discord_payloads import CHANNEL_ID, EPHEMERAL, GUILD_ID, LOADING, MANAGE_GUILD, MEMBER_ID
from tests.fakes.discord_server import FakeDiscord
from tests.integration.discord.conftest import JOB_ID, RECIPE, answered, opened, refusing
from tests.unit.bot.chats.making import LORA

REFUSED = NoCreditsLeft(price=2, credits=1, renews_at_s=1_795_000_000)


async def test_a_drawing_reads_every_option_and_its_receipt_has_a_cancel_button(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    options = {
        "prompt": "a face",
        "lora": "sugar1",
        "weight": 0.7,
        "size": "2:3",
        "seed": 9,
        "count": 2,
        "lips": "glossy",
    }
    asked = await discord.slash("sugar", options, permissions=MANAGE_GUILD)
    text = await answered(discord, asked)
    ((command, context),) = desk.handled
    assert command == Draw(
        "a face", Face(lips="glossy"), (LoraWish("sugar1", 0.7),), Ratio(2, 3), seed=9, count=2
    )
    assert (context.platform, context.event_id) == (Platform.DISCORD, asked.interaction_id)
    assert (context.user_id, context.space_id, context.address.chat_id) == (MEMBER_ID, GUILD_ID, CHANNEL_ID)
    assert "1 ahead of you" in text
    (button,) = discord.buttons(asked.message_id)
    assert button["label"] == "Cancel"
    assert button["custom_id"] == f"v2:cancel:{JOB_ID}"
    assert not discord.answer_to(asked)["flags"] & (EPHEMERAL | LOADING)


async def test_options_inside_the_prompt_are_read(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    await discord.slash("sugar", {"prompt": "a face --size 512x768 <lora:sugar2:0.5>", "private": True})
    await until(lambda: desk.handled)
    command = desk.handled[0][0]
    assert command == Draw("a face", loras=(LoraWish("sugar2", 0.5),), size=PixelSize(512, 768), private=True)


async def test_the_acknowledgement_is_sent_before_the_desk_handles_the_command(
    discord: FakeDiscord, config: DiscordConfig
) -> None:
    seen: list[int] = []

    def answer(*_: object) -> CreditBalance:
        seen.append(sum(request.path.endswith("/callback") for request in discord.requests))
        return CreditBalance(1, 20, 1_795_000_000)

    async with opened(config, ScriptedDesk(answer)):
        await answered(discord, await discord.slash("quota"))
    assert seen == [1]


async def test_an_interaction_that_is_too_late_is_not_accepted(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    discord.faults.append(Fault("POST", "/callback", 404, code=10062))
    await discord.slash("sugar", {"prompt": "a face"})
    asked = await discord.slash("sugar", {"prompt": "another"})
    await answered(discord, asked)
    assert [command.prompt for command, _ in desk.handled if isinstance(command, Draw)] == ["another"]


async def test_an_acknowledgement_whose_reply_was_lost_still_counts(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    discord.faults.append(Fault("POST", "/callback", 502, after=True))
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await answered(discord, asked)
    assert len(desk.handled) == 1


async def test_a_refusal_reaches_the_person_after_the_reply_to_the_acknowledgement_was_lost(
    discord: FakeDiscord, config: DiscordConfig
) -> None:
    discord.faults.append(Fault("POST", "/callback", 502, after=True))
    async with opened(config, ScriptedDesk(refusing(REFUSED))):
        asked = await discord.slash("sugar", {"prompt": "a face", "private": True})
        assert "Not enough credits" in await answered(discord, asked)


async def test_only_the_person_sees_a_private_drawing(discord: FakeDiscord, chat: DiscordChat) -> None:
    asked = await discord.slash("sugar", {"prompt": "a face", "private": True})
    await answered(discord, asked)
    assert asked.callbacks[0]["data"]["flags"] == EPHEMERAL


async def test_a_chinese_person_is_answered_in_chinese(discord: FakeDiscord, chat: DiscordChat) -> None:
    asked = await discord.slash("sugar", {"prompt": "清透水光肌"}, locale="zh-CN")
    assert "前面还有" in await answered(discord, asked)
    assert discord.buttons(asked.message_id)[0]["label"] == "取消"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "What should I draw?"),
        ({"prompt": "a face --steps 20"}, "same number of steps"),
        ({"prompt": "a face", "size": "0"}, "“0” is not a size"),
        ({"prompt": "a face --seed tomorrow"}, "is not a seed"),
        ({"prompt": "a face --colour red"}, "--colour"),
    ],
)
async def test_a_command_that_is_not_understood_is_explained_to_the_person_alone_in_one_call(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, options: dict[str, str], said: str
) -> None:
    asked = await discord.slash("sugar", options)
    assert said in await answered(discord, asked)
    assert asked.callbacks[0]["type"] == 4
    assert asked.callbacks[0]["data"]["flags"] == EPHEMERAL
    assert not desk.handled


async def test_only_the_person_sees_the_refusal_of_a_public_drawing(
    discord: FakeDiscord, config: DiscordConfig
) -> None:
    async with opened(config, ScriptedDesk(refusing(REFUSED))):
        asked = await discord.slash("sugar", {"prompt": "a face"}, locale="zh-CN")
        await until(lambda: asked.followups and discord.messages[asked.followups[0]]["text"])
    assert asked.deleted
    said = discord.messages[asked.followups[0]]
    assert said["flags"] & EPHEMERAL
    assert "额度" in said["text"]


async def test_a_refusal_of_a_private_drawing_replaces_the_thinking(
    discord: FakeDiscord, config: DiscordConfig
) -> None:
    async with opened(config, ScriptedDesk(refusing(UnknownLora(name="@everyone", nearest=("sugar_1",))))):
        asked = await discord.slash("sugar", {"prompt": "a face", "private": True})
        text = await answered(discord, asked)
    assert "@\u200beveryone" in text  # cannot be read as a mention
    assert r"sugar\_1" in text


async def test_an_unexpected_error_leads_to_an_apology_and_the_next_person_is_answered(
    discord: FakeDiscord, config: DiscordConfig
) -> None:
    def answer(command: object, context: object) -> CreditBalance:
        if isinstance(command, Quota):
            return CreditBalance(1, 20, 1_795_000_000)
        raise ZeroDivisionError

    async with opened(config, ScriptedDesk(answer)):
        asked = await discord.slash("sugar", {"prompt": "a face"})
        assert "Something went wrong" in await answered(discord, asked)
        assert "Credits left: 1" in await answered(discord, await discord.slash("quota"))


@pytest.mark.parametrize("name", ["sugar", "quota"])
async def test_an_event_that_a_resumed_connection_repeats_is_not_handled_again(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, name: str
) -> None:
    asked = await discord.slash(name, {"prompt": "a face"} if name == "sugar" else {})
    await answered(discord, asked)
    edits, requests = len(discord.edits[asked.message_id]), len(discord.requests)
    await discord.replay(asked)
    await asyncio.sleep(0.1)
    assert len(desk.handled) == 1
    assert len(discord.edits[asked.message_id]) == edits
    assert len(discord.requests) == requests


@pytest.mark.parametrize(
    ("name", "options", "command", "outcome", "said"),
    [
        ("quota", {}, Quota(), CreditBalance(3, 20, 1_795_000_000), "Credits left: 3"),
        ("lora list", {}, LoraList(), LoraListing((), ""), "There are no LoRAs yet"),
        ("loras", {}, LoraList(), LoraListing((), ""), "There are no LoRAs yet"),
        ("cancel", {"job": "#k3f9"}, Cancel("k3f9"), None, "Stopping job"),
        ("cancel", {}, Cancel(), None, "Stopping job"),
        ("help", {}, Help(), Help(), "/sugar"),
        (
            "lora switch",
            {"name": "sugar1", "weight": 0.5, "where": "bot"},
            LoraSwitch(LoraWish("sugar1", 0.5), Scope.BOT),
            LoraSwitched("sugar1", 0.5, Scope.BOT),
            "now use sugar1",
        ),
    ],
)
async def test_only_the_person_sees_the_answer_to_every_other_command(
    discord: FakeDiscord,
    chat: DiscordChat,
    desk: ScriptedDesk,
    name: str,
    options: dict[str, object],
    command: object,
    outcome: object,
    said: str,
) -> None:
    if outcome is not None:
        desk.answer = lambda *_: outcome  # type: ignore[assignment,return-value]
    asked = await discord.slash(name, options)
    assert said in await answered(discord, asked)
    assert desk.handled[0][0] == command
    assert asked.callbacks[0]["data"]["flags"] == EPHEMERAL


async def test_mine_shows_the_pictures_with_the_list(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: tuple[PictureFile, ...]
) -> None:
    entry = HistoryEntry(JOB_ID, JobState.DONE, RECIPE, pictures)
    desk.answer = lambda *_: History((entry,))
    asked = await discord.slash("mine")
    assert JOB_ID in await answered(discord, asked)
    assert desk.handled[0][0] == Mine()
    assert [one["filename"] for one in discord.answer_to(asked)["attachments"]] == [f"sugar-{JOB_ID}-1.png"]


async def test_the_desk_refuses_a_hosts_command_of_anybody_else(
    discord: FakeDiscord, config: DiscordConfig
) -> None:
    async with opened(config, ScriptedDesk(refusing(HostsOnly(command="lora switch")))):
        asked = await discord.slash("lora switch", {"name": "sugar1"})
        assert "Only a host" in await answered(discord, asked)


async def test_a_command_of_an_older_menu_is_answered(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    asked = await discord.slash("paint", {"prompt": "a face"})
    assert "paint" in await answered(discord, asked)
    assert not desk.handled


@pytest.mark.parametrize("name", ["sugar", "paint"])
@pytest.mark.parametrize("token", ["no person", {}])
async def test_an_interaction_without_a_person_is_logged_and_affects_no_other(
    discord: FakeDiscord, chat: DiscordChat, name: str, token: object
) -> None:
    unhandled: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    asked = await discord.slash("quota", {})
    event = {**discord.event_of(asked), "id": "77", "token": token}
    event = {key: part for key, part in event.items() if key not in {"user", "member"}}
    event["data"] = {"id": "1", "type": 1, "name": name}
    with structlog.testing.capture_logs() as logs:
        chat._client.parse_event(event)
        await until(lambda: any(log["event"] == "event dropped" for log in logs))
    gc.collect()
    assert not unhandled
    assert await answered(discord, await discord.slash("quota", {}))


async def test_a_command_in_a_direct_message_has_no_space(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    await discord.slash("sugar", {"prompt": "a face"}, in_guild=False, permissions=MANAGE_GUILD)
    await until(lambda: desk.handled)
    context = desk.handled[0][1]
    assert (context.space_id, context.address.chat_id) == ("", CHANNEL_ID)


async def test_no_representation_contains_the_interaction_token(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    asked = await discord.slash("sugar", {"prompt": "a secret face"})
    await until(lambda: desk.handled)
    assert asked.token in desk.handled[0][1].address.ref
    assert asked.token not in repr(desk.handled)
    assert "secret" not in repr(desk.handled)


async def test_the_card_comes_with_its_chart(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    memory = Headroom(9, 9, 0, "NVIDIA A10", "a test")
    desk.answer = lambda *_: CardReport(device_name="NVIDIA A10", state="ready", memory=memory, png=b"chart")
    asked = await discord.slash("gpu")
    assert "NVIDIA A10" in await answered(discord, asked)
    [attachment] = discord.answer_to(asked)["attachments"]
    assert attachment["filename"] == "picture.png"


async def test_a_long_add_shows_how_far_it_is_and_is_answered_also_after_a_crash(
    discord: FakeDiscord, config: DiscordConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interactions, "SHOW_WORK_EVERY_S", 0.01)
    monkeypatch.setattr(adapter, "DRAIN_TIMEOUT_S", 0.01)
    desk, may_end = ScriptedDesk(lambda *_: LoraAdded("a", 1, "0" * 64, "", 0.1)), asyncio.Event()
    desk.progress = LoraAdding("a", AddStage.DOWNLOAD, 2**20, 10 * 2**20)
    handle = desk.handle

    async def handle_slowly(command: Command, context: CommandContext) -> Outcome:
        await may_end.wait()
        return await handle(command, context)

    monkeypatch.setattr(desk, "handle", handle_slowly)
    async with opened(config, desk):
        asked = await discord.slash("lora add", {"link": "hf:o/n/a.safetensors"})
        assert "1 of 10 MiB" in await answered(discord, asked)
    for task in asyncio.all_tasks():  # the process dies before the file is there
        if task.get_name().startswith("discord desk"):
            task.cancel()
            await asyncio.wait([task])
    assert not desk.settled
    may_end.set()
    async with opened(config, desk):
        await until(lambda: "is on the shelf" in discord.answer_to(asked)["text"])
        await until(lambda: desk.settled)


async def test_what_is_known_of_a_lora_has_its_controls(discord: FakeDiscord, config: DiscordConfig) -> None:
    async with opened(config, ScriptedDesk(lambda *_: LORA)):
        asked = await discord.slash("lorainfo", {"name": "sugar"})
        await answered(discord, asked)
    found = [button["custom_id"] for button in discord.buttons(asked.message_id)]
    assert found == [f"v2:{action}:{'a' * 40}" for action in ("example", "default")]


async def test_the_shelf_is_a_list_to_choose_from_and_its_pages_take_the_place_of_each_other(
    discord: FakeDiscord, config: DiscordConfig
) -> None:
    loras = LORA.lora, replace(LORA.lora, name="anime", sha256="b" * 64)
    pages = [LoraListing(loras, "", page=page, pages=2, total=27) for page in (1, 2)]
    desk = ScriptedDesk(lambda *_: pages[0])
    async with opened(config, desk):
        asked = await discord.slash("loras", {})
        await answered(discord, asked)
        desk.answer = lambda *_: pages[1]
        await discord.press(asked.message_id, "v2:loras:-:2")
        await until(lambda: "page 2 of 2" in str(discord.messages[asked.message_id]["text"]))
        [shelf] = [
            one for one in walk(discord.messages[asked.message_id]["components"]) if one["type"] == SELECT
        ]
        assert [option["label"] for option in shelf["options"]] == ["About sugar", "About anime"]
        desk.answer = lambda *_: LORA
        await answered(discord, await discord.choose(asked.message_id, f"v2:lora:{'a' * 40}"))
    assert [command for command, _ in desk.handled[1:]] == [LoraList("", 2), LoraInfo("#" + 40 * "a")]
