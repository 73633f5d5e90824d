"""Plain messages: sentences are drawn, typed commands carried out, and all else is explained or ignored."""

from dataclasses import replace

import pytest

from bot.chats.discord_ import DiscordChat
from bot.commands.values import Draw, LoraAdd, LoraOffer, LoraSwitch, LoraWish, Quota, SentFile
from bot.errors import CannotSave
from bot.outcomes import CreditBalance, LoraFileOffered, Platform, Status
from tests.fakes.desk import ScriptedDesk
from tests.fakes.discord_gateway import until
from tests.fakes.discord_payloads import AT_ME, BOT_ID, CHANNEL_ID, MEMBER_ID, user
from tests.fakes.discord_server import FakeDiscord
from tests.integration.discord.conftest import JOB_ID, RECEIPT, Pictures, reply_to, result_of


@pytest.mark.parametrize("in_guild", [True, False])
async def test_a_sentence_becomes_a_reply_that_becomes_the_pictures(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, pictures: Pictures, in_guild: bool
) -> None:
    message_id = await discord.send_message(
        f"{AT_ME} a face --seed 7" if in_guild else "a face --seed 7", in_guild=in_guild
    )
    reply = await reply_to(discord, message_id)
    await until(lambda: desk.settled == [message_id])
    [(command, context)] = desk.handled
    assert command == Draw("a face", seed=7)
    assert (context.platform, context.event_id, context.user_id) == (Platform.DISCORD, message_id, MEMBER_ID)
    assert "1 ahead of you" in str(reply["text"])
    assert [button["label"] for button in discord.buttons(str(reply["id"]))] == ["Cancel"]

    address = desk.addresses[JOB_ID]
    await chat.show(Status(JOB_ID, address, "en", count=1, position=0))
    await until(lambda: "You are next" in str(reply["text"]))
    await chat.deliver(result_of(address, pictures))
    assert len(reply["attachments"]) == 2  # type: ignore[arg-type]
    assert discord.buttons(str(reply["id"]))[0]["label"] == "Reroll"
    assert len(discord.messages) == 1


async def test_a_reply_has_the_job_id_as_nonce_and_mentions_nobody(
    discord: FakeDiscord, chat: DiscordChat
) -> None:
    await reply_to(
        discord,
        await discord.send_message(f"{AT_ME} @everyone <@77> a face", mentions=[user(BOT_ID), user("77")]),
    )
    sent = next(one for one in discord.requests if one.path == f"/channels/{CHANNEL_ID}/messages")
    assert (sent.body["nonce"], sent.body["enforce_nonce"]) == (JOB_ID, True)
    assert sent.body["allowed_mentions"] in ({"parse": []}, {"parse": [], "replied_user": False})


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("/sugar a face", Draw("a face")),
        ("/quota", Quota()),
        ("额度", Quota()),
        ("/lora switch sugar 0.5", LoraSwitch(LoraWish("sugar", 0.5))),
    ],
)
async def test_a_typed_command_works_like_its_slash_command(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, text: str, command: object
) -> None:
    desk.answer = lambda *_: CreditBalance(3, 20, 1_795_000_000)
    reply = await reply_to(discord, await discord.send_message(text, in_guild=False))
    assert desk.handled[0][0] == command
    assert "<t:1795000000:f>" in str(reply["text"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"content": "", "attachments": [{"filename": "photo.png"}]}, "So far I only read text"),
        (
            {"content": "", "sticker_items": [{"id": "1", "name": "hi", "format_type": 1}]},
            "So far I only read text",
        ),
        ({"content": f"{AT_ME}"}, "What should I draw?"),
        ({"content": "/sugr a face"}, "I don't know the command"),
        ({"content": "画一个女孩 --size 0"}, "不是"),
    ],
)
async def test_a_message_that_cannot_be_drawn_is_explained_and_never_reaches_the_desk(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, changed: dict[str, object], said: str
) -> None:
    message_id = await discord.send_message(str(changed.pop("content")), in_guild=False, **changed)
    assert said in str((await reply_to(discord, message_id))["text"])
    await until(lambda: desk.settled == [message_id])
    assert not desk.handled


FILE = {
    "filename": "My Face.safetensors",
    "size": 9,
    "url": "https://cdn.discordapp.com/a/1/F.safetensors?ex=1",
}
REPLY = {"referenced_message": {"attachments": [FILE]}, "type": 19}
SENT = SentFile("My Face.safetensors", 9, url=FILE["url"])


@pytest.mark.parametrize(
    ("changed", "command"),
    [
        ({"content": "", "attachments": [FILE]}, LoraOffer("My Face.safetensors")),
        ({"content": "what is this?", "attachments": [FILE]}, LoraOffer("My Face.safetensors")),
        ({"content": "/lora add", "attachments": [FILE]}, LoraAdd(file=SENT)),
        ({"content": "/lora_add", "attachments": [FILE]}, LoraAdd(file=SENT)),
        (
            {"content": "/lora add", "referenced_message": {"attachments": [FILE]}, "type": 19},
            LoraAdd(file=SENT),
        ),
        ({"content": "/lora add civitai:1"}, LoraAdd("civitai:1")),
        ({"content": "a face", **REPLY}, Draw("a face")),
    ],
)
async def test_a_lora_file_is_offered_or_added(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, changed: dict[str, object], command: object
) -> None:
    desk.answer = lambda *_: LoraFileOffered("My Face.safetensors")
    message_id = await discord.send_message(
        str(changed["content"]),
        in_guild=False,
        **{key: value for key, value in changed.items() if key != "content"},
    )
    await until(lambda: desk.settled == [message_id])
    assert [given for given, _ in desk.handled] == [command]
    assert "Shall I put My Face.safetensors" in str((await reply_to(discord, message_id))["text"])


async def test_an_ignored_message_causes_no_request(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    requests = len(discord.requests)
    await discord.send_message("a face")
    await discord.send_message(f"{AT_ME} a face", author=user("5", bot=True))
    await discord.send_message(f"{AT_ME} a face", webhook_id="5")
    await discord.send_message("", in_guild=False, type=6)
    await discord.gateway.dispatch(
        "MESSAGE_UPDATE", {**discord.person_messages[await discord.send_message("x")]}
    )
    await discord.gateway.dispatch("MESSAGE_DELETE", {"id": "1", "channel_id": CHANNEL_ID})
    for odd in ({}, {"id": "1"}, {"id": "1", "author": 5}, {"id": "x", "author": {"id": "y"}}, [], None):
        await discord.gateway.dispatch("MESSAGE_CREATE", odd)
    await reply_to(discord, await discord.send_message("a face", in_guild=False))
    assert len(desk.handled) == 1
    assert len(discord.requests) == requests + 1


async def test_a_repeated_message_is_answered_once(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    desk.answer = lambda *_: CreditBalance(3, 20, 1_795_000_000)
    message_id = await discord.send_message("/quota", in_guild=False)
    await reply_to(discord, message_id)
    await discord.gateway.dispatch("MESSAGE_CREATE", discord.person_messages[message_id])
    await reply_to(discord, await discord.send_message("/quota", in_guild=False))
    assert [context.event_id for _, context in desk.handled].count(message_id) == 1


async def test_a_full_disk_leads_to_a_refusal_and_nothing_is_accepted(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        raise CannotSave(detail="database or disk is full")

    monkeypatch.setattr(desk, "store_events", full)
    reply = await reply_to(discord, await discord.send_message("a face", in_guild=False))
    assert "can't save anything" in str(reply["text"])
    assert not desk.handled


async def test_an_unexpected_error_leads_to_an_apology(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    def break_down(*_: object) -> CreditBalance:
        raise ZeroDivisionError

    desk.answer = break_down
    reply = await reply_to(discord, await discord.send_message("a face", in_guild=False))
    assert "Something went wrong" in str(reply["text"])


@pytest.mark.parametrize("in_guild", [True, False])
async def test_private_pictures_are_refused_where_others_read_the_reply(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk, in_guild: bool
) -> None:
    message_id = await discord.send_message(f"{AT_ME} a face --private", in_guild=in_guild)
    reply = await reply_to(discord, message_id)
    assert ("Other people can read this chat" in str(reply["text"])) is in_guild
    assert bool(desk.handled) is not in_guild


async def test_a_reply_is_in_the_language_that_its_person_has_chosen(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    desk.languages = {MEMBER_ID: "zh-CN"}
    reply = await reply_to(discord, await discord.send_message("/sugr", in_guild=False))
    assert "命令" in str(reply["text"])
    asked = await discord.slash("sugar", {"prompt": "a face"})
    await until(lambda: desk.handled)
    assert desk.handled[-1][1].locale == "zh-CN"
    await until(lambda: "前面" in str(discord.answer_to(asked)["text"]))


async def test_an_answered_and_delivered_job_leaves_nothing_in_memory(
    discord: FakeDiscord, chat: DiscordChat, desk: ScriptedDesk
) -> None:
    desk.answer = lambda _, context: replace(RECEIPT, job_id=f"job{context.event_id}")
    asked = [
        await discord.send_message("a face", user_id=str(10**17 + number), in_guild=False)
        for number in range(50)
    ]
    await until(lambda: len(desk.settled) == 50)
    assert all(discord.replies(message_id) for message_id in asked)
    for message_id in asked:
        job_id = f"job{message_id}"
        await chat.deliver(result_of(desk.addresses[job_id], (), job_id=job_id))
    assert not chat._placeholders._placeholders
    assert not chat._throttle._jobs
    assert not chat._text_messages.answers._tasks
    assert not any(chat._inbox._seen.values())
