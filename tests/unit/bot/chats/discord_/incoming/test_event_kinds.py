"""The event table: it is complete, the docstring shows it, and events are sorted by it."""

from typing import Any

import pytest

from bot.chats import discord_
from bot.chats.discord_.incoming.event_kinds import (
    EVENT_RULES,
    EventKind,
    kind_of_interaction,
    kind_of_message,
    render_table,
    require_answerable,
)
from bot.chats.discord_.library_internals import MALFORMED
from tests.fakes.discord_payloads import AT_ME, BOT, BOT_ID, CHANNEL_ID, MEMBER_ID, message_event, user

ME = int(BOT_ID)


def written(content: str = "a face", *, in_guild: bool = False, **changed: Any) -> dict[str, Any]:
    return message_event("1", CHANNEL_ID, content, user_id=MEMBER_ID, in_guild=in_guild, **changed)


def test_every_kind_has_a_rule_with_an_action() -> None:
    assert set(EVENT_RULES) == set(EventKind)
    assert all(rule.action for rule in EVENT_RULES.values())


def test_the_docstring_of_the_package_shows_the_table() -> None:
    assert discord_.__doc__ is not None
    assert render_table() in discord_.__doc__


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (written(), EventKind.DIRECT_TEXT),
        (written(type=19), EventKind.DIRECT_TEXT),
        (written(f"{AT_ME} a face", in_guild=True), EventKind.MENTION),
        (written("a face", in_guild=True), EventKind.NOT_MENTIONED),
        (written("@everyone", in_guild=True, mention_everyone=True), EventKind.NOT_MENTIONED),
        (written("", attachments=[{"filename": "photo.PNG"}]), EventKind.NO_TEXT),
        (written("like this", attachments=[{"filename": "photo.png"}]), EventKind.NO_TEXT),
        (written("", attachments=[{"filename": "voice-message.ogg"}], flags=1 << 13), EventKind.NO_TEXT),
        (written("", sticker_items=[{"id": "1", "name": "wave", "format_type": 1}]), EventKind.NO_TEXT),
        (written("", poll={"question": {"text": "which?"}}), EventKind.NO_TEXT),
        (written("", message_snapshots=[{"message": {"content": "a face"}}]), EventKind.NO_TEXT),
        (written("", attachments=[{"filename": "Sugar.SafeTensors"}]), EventKind.LORA_FILE),
        (
            written(f"{AT_ME}", in_guild=True, attachments=[{"filename": "a.safetensors"}]),
            EventKind.LORA_FILE,
        ),
        (written(author=user(bot=True)), EventKind.MACHINE),
        (written(author=BOT), EventKind.MACHINE),
        (written(webhook_id="7"), EventKind.MACHINE),
        *((written(type=number), EventKind.SYSTEM) for number in (1, 3, 6, 7, 8, 18, 20, 21, 23, 46, 999)),
    ],
)
def test_a_message_is_sorted(raw: dict[str, Any], kind: EventKind) -> None:
    assert kind_of_message(raw, ME) is kind


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ({"type": 2, "data": {"name": "sugar", "type": 1}}, EventKind.SLASH),
        ({"type": 2, "data": {"name": "Remix", "type": 3}}, EventKind.MESSAGE_MENU),
        ({"type": 2, "data": {"name": "Remix", "type": 2}}, EventKind.UNKNOWN_COMMAND),
        ({"type": 2, "data": {"name": "Paint", "type": 3}}, EventKind.UNKNOWN_COMMAND),
        ({"type": 3, "data": {"custom_id": "v1:c:k3f9"}}, EventKind.IN_PLACE),
        ({"type": 3, "data": {"custom_id": "v1:r:k3f9"}}, EventKind.BUTTON),
        ({"type": 3, "data": {"custom_id": "v2:r:k3f9"}}, EventKind.OLD_BUTTON),
        ({"type": 3, "data": {"custom_id": "v2:pick:k3f9:1"}}, EventKind.BUTTON),
        ({"type": 3, "data": {"custom_id": "v2:edit:k3f9"}}, EventKind.EDIT),
        ({"type": 3, "data": {"custom_id": "v2:delete:k3f9"}}, EventKind.IN_PLACE),
        ({"type": 3, "data": {"custom_id": "v2:list:x", "values": ["v2:pick:k3f9:1"]}}, EventKind.BUTTON),
        ({"type": 3, "data": {"custom_id": "v2:list:x", "values": ["x"]}}, EventKind.OLD_BUTTON),
        ({"type": 3}, EventKind.OLD_BUTTON),
        ({"type": 4}, EventKind.TYPING),
        ({"type": 5}, EventKind.FORM),
        ({"type": 1}, EventKind.MALFORMED),
        ({"type": 77}, EventKind.MALFORMED),
        ({}, EventKind.MALFORMED),
    ],
)
def test_an_interaction_is_sorted(raw: dict[str, Any], kind: EventKind) -> None:
    assert kind_of_interaction(raw) is kind


PERSON = {"id": "1", "username": "ann", "discriminator": "0", "avatar": None}


@pytest.mark.parametrize("event", [{"user": PERSON}, {"guild_id": "5", "member": {"user": PERSON}}])
def test_an_interaction_with_its_person_and_a_token_is_answerable(event: dict[str, Any]) -> None:
    require_answerable({"token": "aW50", **event})


@pytest.mark.parametrize(
    "event",
    [
        {"user": PERSON},
        {"user": PERSON, "token": {}},
        {"user": PERSON, "token": None},
        {"user": PERSON, "token": "\ud800"},
        {"token": "t"},
        {"user": None, "token": "t"},
        {"user": {"id": "1"}, "token": "t"},
        {"member": {"user": PERSON}, "token": "t"},
        {"member": {"user": PERSON}, "token": "t", "guild_id": "0"},
        {"member": {"user": PERSON}, "token": "t", "guild_id": "x"},
        {"user": PERSON, "token": "t", "guild_id": "5"},
        {"member": {}, "token": "t", "guild_id": "5"},
        {"member": {"user": {**PERSON, "id": "1"}, "nick": "a"}, "guild_id": "5"},
    ],
)
def test_an_interaction_without_a_person_or_a_token_of_text_is_malformed(event: dict[str, Any]) -> None:
    with pytest.raises(MALFORMED):
        require_answerable(event)
