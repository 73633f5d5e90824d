"""Messages as commands: the text, the person, the language, and what is refused in public."""

from dataclasses import dataclass
from typing import Any

import pytest

from bot.chats.discord_.incoming.event_kinds import EventKind
from bot.chats.discord_.incoming.message_parsing import parse_message
from bot.chats.discord_.incoming.parsing import (
    REMEMBERED_PERSONS,
    PersonLocales,
    parse_slash,
    space_locale_of,
)
from bot.commands.table import ENTRY_OF
from bot.commands.values import (
    Command,
    Draw,
    DrawRecipe,
    Edit,
    LoraAdd,
    LoraInfo,
    LoraList,
    LoraReload,
    LoraRemove,
    Quota,
    SentFile,
)
from bot.errors import EmptyPrompt, NotInPublic, OptionBehindCode, TextOnly
from bot.outcomes import Outcome
from tests.fakes.discord_payloads import (
    AT_ME,
    BOT,
    BOT_ID,
    CHANNEL_ID,
    GUILD_ID,
    MEMBER_ID,
    message_event,
    user,
)

ME = int(BOT_ID)


async def nobody(command: Edit) -> Outcome:
    raise AssertionError(command)


def written(content: str = "a face", *, in_guild: bool = False, **changed: Any) -> dict[str, Any]:
    return message_event("1", CHANNEL_ID, content, user_id=MEMBER_ID, in_guild=in_guild, **changed)


@pytest.mark.parametrize("name", [f"<@{BOT_ID}>", f"<@!{BOT_ID}>"])
async def test_the_bots_name_is_removed_and_other_people_are_named(name: str) -> None:
    other = user("77", "a friend")
    raw = written(f"{name} <@77> as a fox", in_guild=True, mentions=[BOT, other])
    message = parse_message(raw, EventKind.MENTION, ME, PersonLocales())
    assert message.text == "a friend as a fox"
    assert await message.command(nobody) == Draw("a friend as a fox")
    context = message.context(message.address(may_send=True, may_attach=True))
    assert (context.event_id, context.user_id, context.space_id) == ("1", MEMBER_ID, GUILD_ID)
    assert context.address.chat_id == CHANNEL_ID


@pytest.mark.parametrize(
    ("kind", "content", "error"),
    [
        (EventKind.NO_TEXT, "like this", TextOnly),
        (EventKind.MENTION, AT_ME, EmptyPrompt),
        (EventKind.MENTION, f"{AT_ME} /mine", NotInPublic),
        (EventKind.MENTION, f"{AT_ME} /link", NotInPublic),
        (EventKind.MENTION, f"{AT_ME} /preset", NotInPublic),
    ],
)
async def test_a_message_that_cannot_be_handled_is_refused(
    kind: EventKind, content: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await parse_message(written(content, in_guild=True), kind, ME, PersonLocales()).command(nobody)


async def test_personal_commands_work_in_direct_messages() -> None:
    quota = parse_message(written("/quota"), EventKind.DIRECT_TEXT, ME, PersonLocales())
    assert await quota.command(nobody) == Quota()
    private = parse_message(written("a face --private"), EventKind.DIRECT_TEXT, ME, PersonLocales())
    assert await private.command(nobody) == Draw("a face", private=True)


@pytest.mark.parametrize(
    ("content", "noted", "server", "locale"),
    [
        ("清透水光肌", "", "en-US", "zh-CN"),
        ("/quota", "", "", "en"),
        ("/quota", "zh-CN", "en-US", "zh-CN"),
        ("/quota", "", "zh-TW", "zh-TW"),
        ("可愛い女の子の顔", "", "", "en"),
    ],
)
def test_a_message_is_answered_in_the_locale_of_its_person(
    content: str, noted: str, server: str, locale: str
) -> None:
    locales = PersonLocales()
    if noted:
        locales.remember(MEMBER_ID, noted)
    assert parse_message(written(content), EventKind.DIRECT_TEXT, ME, locales, server).locale == locale


@pytest.mark.parametrize(
    ("server", "features", "locale"),
    [
        ("zh-CN", ("COMMUNITY",), "zh-CN"),
        ("en-US", ("COMMUNITY",), "en"),
        ("en-US", (), ""),  # what Discord says of a server that cannot choose
        ("de", (), "en"),
        ("", ("COMMUNITY",), ""),
    ],
)
def test_the_language_of_a_server_counts_if_somebody_chose_it(
    server: str, features: tuple[str, ...], locale: str
) -> None:
    assert space_locale_of(server, features) == locale


def test_the_memory_of_locales_is_bounded_and_keeps_the_latest() -> None:
    locales = PersonLocales()
    for number in range(REMEMBERED_PERSONS + 10):
        locales.remember("kept", "zh-CN")
        locales.remember(str(number), "zh-CN")
    assert len(locales._locales) == REMEMBERED_PERSONS
    assert locales.locale_of("kept", "", "") == "zh-CN"
    assert locales.locale_of("0", "", "") == "en"


@dataclass
class Attached:
    """What the bot reads of discord.py's attachment."""

    filename: str = "My Face.safetensors"
    size: int = 9
    url: str = "https://cdn.discordapp.com/a/1/F.safetensors"


@pytest.mark.parametrize(
    ("command_type", "options", "command"),
    [
        (LoraAdd, {"file": Attached()}, LoraAdd(file=SentFile("My Face.safetensors", 9, url=Attached().url))),
        (LoraAdd, {"link": "civitai:1"}, LoraAdd("civitai:1")),
        (LoraAdd, {}, LoraAdd()),
        (LoraList, {"search": "two words", "page": 2}, LoraList("two words", 2)),
        (LoraList, {}, LoraList()),
        (LoraInfo, {"name": "My Face v1.0"}, LoraInfo("My Face v1.0")),
        (LoraRemove, {"name": "My Face v1.0"}, LoraRemove("My Face v1.0")),
        (LoraReload, {}, LoraReload()),
    ],
)
def test_a_menu_of_the_shelf_makes_its_command(
    command_type: type[Command], options: dict[str, Any], command: Command
) -> None:
    assert parse_slash(ENTRY_OF[command_type], options) == command


def test_a_code_in_the_menu_takes_the_options_that_leave_the_picture_as_it_is() -> None:
    entry, code = ENTRY_OF[Draw], "K3F9-7QXM-2AWV"
    assert parse_slash(entry, {"prompt": code, "dry": True}) == DrawRecipe("K3F97QXM2AWV", dry=True)
    assert parse_slash(entry, {"prompt": f"{code} --spoiler", "private": True}) == DrawRecipe(
        "K3F97QXM2AWV", private=True, spoiler=True
    )
    with pytest.raises(OptionBehindCode):
        parse_slash(entry, {"prompt": code, "seed": 7})
