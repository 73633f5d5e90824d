"""The table of everything that Discord sends: complete, shown in the docstring, and applied to events."""

from typing import Any

import pytest

from bot.chats import discord_
from bot.chats.discord_.events.kinds import RULES, Kind, kind_of_interaction, kind_of_message, rendered
from bot.chats.discord_.events.messages import KNOWN_LOCALES, Locales, read
from bot.commands.values import Draw, Quota
from bot.errors import EmptyPrompt, LoraFileSent, NotInPublic, TextOnly
from tests.fakes.discord_payloads import BOT, BOT_ID, CHANNEL_ID, GUILD_ID, MEMBER_ID, said, user

ME = int(BOT_ID)
AT_ME = f"<@{BOT_ID}>"


def written(content: str = "a face", *, in_guild: bool = False, **changed: Any) -> dict[str, Any]:
    return said("1", CHANNEL_ID, content, user_id=MEMBER_ID, in_guild=in_guild, **changed)


def test_every_kind_has_a_rule_and_every_rule_its_reason() -> None:
    assert set(RULES) == set(Kind)
    assert all(rule.then for rule in RULES.values())


def test_the_docstring_of_the_package_shows_the_table() -> None:
    assert discord_.__doc__ is not None
    assert rendered() in discord_.__doc__


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (written(), Kind.DIRECT_TEXT),
        (written(type=19), Kind.DIRECT_TEXT),
        (written(f"{AT_ME} a face", in_guild=True), Kind.MENTION),
        (written("a face", in_guild=True), Kind.NOT_MENTIONED),
        (written("@everyone", in_guild=True, mention_everyone=True), Kind.NOT_MENTIONED),
        (written("", attachments=[{"filename": "photo.PNG"}]), Kind.NO_TEXT),
        (written("like this", attachments=[{"filename": "photo.png"}]), Kind.NO_TEXT),
        (written("", attachments=[{"filename": "voice-message.ogg"}], flags=1 << 13), Kind.NO_TEXT),
        (written("", sticker_items=[{"id": "1", "name": "wave", "format_type": 1}]), Kind.NO_TEXT),
        (written("", poll={"question": {"text": "which?"}}), Kind.NO_TEXT),
        (written("", message_snapshots=[{"message": {"content": "a face"}}]), Kind.NO_TEXT),
        (written("", attachments=[{"filename": "Sugar.SafeTensors"}]), Kind.LORA_FILE),
        (written(f"{AT_ME}", in_guild=True, attachments=[{"filename": "a.safetensors"}]), Kind.LORA_FILE),
        (written(author=user(bot=True)), Kind.MACHINE),
        (written(author=BOT), Kind.MACHINE),
        (written(webhook_id="7"), Kind.MACHINE),
        *((written(type=number), Kind.SYSTEM) for number in (1, 3, 6, 7, 8, 18, 20, 21, 23, 46, 999)),
    ],
)
def test_a_message_is_sorted(raw: dict[str, Any], kind: Kind) -> None:
    assert kind_of_message(raw, ME) is kind


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ({"type": 2, "data": {"name": "sugar", "type": 1}}, Kind.SLASH),
        ({"type": 2, "data": {"name": "Remix", "type": 3}}, Kind.UNKNOWN_COMMAND),
        ({"type": 3, "data": {"custom_id": "v1:c:k3f9"}}, Kind.CANCEL),
        ({"type": 3, "data": {"custom_id": "v1:r:k3f9"}}, Kind.REROLL),
        ({"type": 3, "data": {"custom_id": "v2:r:k3f9"}}, Kind.OLD_BUTTON),
        ({"type": 3}, Kind.OLD_BUTTON),
        ({"type": 4}, Kind.TYPING),
        ({"type": 5}, Kind.FORM),
        ({"type": 1}, Kind.MALFORMED),
        ({"type": 77}, Kind.MALFORMED),
        ({}, Kind.MALFORMED),
    ],
)
def test_an_interaction_is_sorted(raw: dict[str, Any], kind: Kind) -> None:
    assert kind_of_interaction(raw) is kind


@pytest.mark.parametrize("name", [f"<@{BOT_ID}>", f"<@!{BOT_ID}>"])
def test_the_bots_name_is_taken_out_and_other_people_are_named(name: str) -> None:
    other = user("77", "a friend")
    raw = written(f"{name} <@77> as a fox", in_guild=True, mentions=[BOT, other])
    message = read(raw, Kind.MENTION, ME, Locales())
    assert message.text == "a friend as a fox"
    assert message.command() == Draw("a friend as a fox")
    context = message.context(message.ref(1, may_post=True, may_attach=True))
    assert (context.event_id, context.user_id, context.space_id) == ("1", MEMBER_ID, GUILD_ID)
    assert context.address.chat_id == CHANNEL_ID


@pytest.mark.parametrize(
    ("kind", "content", "error"),
    [
        (Kind.LORA_FILE, "", LoraFileSent),
        (Kind.NO_TEXT, "like this", TextOnly),
        (Kind.MENTION, AT_ME, EmptyPrompt),
        (Kind.MENTION, f"{AT_ME} /mine", NotInPublic),
        (Kind.MENTION, f"{AT_ME} /link", NotInPublic),
        (Kind.MENTION, f"{AT_ME} a face --private", NotInPublic),
    ],
)
def test_what_cannot_be_done_is_refused(kind: Kind, content: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        read(written(content, in_guild=True), kind, ME, Locales()).command()


def test_what_is_personal_is_answered_where_nobody_reads_along() -> None:
    assert read(written("/quota"), Kind.DIRECT_TEXT, ME, Locales()).command() == Quota()
    private = read(written("a face --private"), Kind.DIRECT_TEXT, ME, Locales()).command()
    assert private == Draw("a face", private=True)


@pytest.mark.parametrize(
    ("content", "noted", "server", "locale"),
    [
        ("清透水光肌", "", "en-US", "zh-CN"),
        ("/quota", "", "", "en"),
        ("/quota", "zh-CN", "en-US", "zh-CN"),
        ("/quota", "", "zh-TW", "zh-CN"),
        ("可愛い女の子の顔", "", "", "en"),
    ],
)
def test_a_message_is_answered_in_the_language_of_its_person(
    content: str, noted: str, server: str, locale: str
) -> None:
    locales = Locales()
    if noted:
        locales.note(MEMBER_ID, noted)
    assert read(written(content), Kind.DIRECT_TEXT, ME, locales, server).locale == locale


def test_the_memory_of_languages_is_bounded_and_keeps_the_latest() -> None:
    locales = Locales()
    for number in range(KNOWN_LOCALES + 10):
        locales.note("kept", "zh-CN")
        locales.note(str(number), "zh-CN")
    assert len(locales._known) == KNOWN_LOCALES
    assert locales.of("kept", "", "") == "zh-CN"
    assert locales.of("0", "", "") == "en"
