"""The table of update kinds is complete by the vendor's schema, and the README shows it as it is."""

import json
from pathlib import Path
from typing import Any

import pytest

import bot.chats.telegram_
from bot.chats.telegram_.incoming.event_kinds import (
    CONTENTS,
    REQUESTED,
    RULES,
    UPDATES,
    UpdateKind,
    content_kind_of,
    render_table,
)
from tests.fakes.specs import spec_file

README = Path(bot.chats.telegram_.__file__).with_name("README.md")
ABOUT_THE_MESSAGE = frozenset(
    [
        "message_id", "message_thread_id", "direct_messages_topic", "from", "sender_chat",
        "sender_boost_count", "sender_business_bot", "sender_tag", "date", "guest_query_id",
        "business_connection_id", "chat", "forward_origin", "is_topic_message", "is_automatic_forward",
        "reply_to_message", "external_reply", "quote", "reply_to_story", "reply_to_checklist_task_id",
        "reply_to_poll_option_id", "via_bot", "guest_bot_caller_user", "guest_bot_caller_chat", "edit_date",
        "has_protected_content", "is_from_offline", "is_paid_post", "media_group_id", "author_signature",
        "paid_star_count", "entities", "link_preview_options", "suggested_post_info", "effect_id",
        "caption", "caption_entities", "show_caption_above_media", "has_media_spoiler", "reply_markup",
    ]
)  # fmt: skip
"""Fields of ``Message`` that say who wrote it, where and how, but not what it holds."""


@pytest.fixture(scope="module")
def types() -> dict[str, Any]:
    types: dict[str, Any] = json.loads(spec_file("telegram/api.json").read_text("utf-8"))["types"]
    return types


def names(types: dict[str, Any], kind: str) -> set[str]:
    return {field["name"] for field in types[kind]["fields"]}


def test_every_update_kind_of_the_bot_api_is_in_the_table(types: dict[str, Any]) -> None:
    assert set(UPDATES) == names(types, "Update") - {"update_id"}
    assert set(REQUESTED) <= set(UPDATES)


def test_every_content_of_a_message_is_in_the_table(types: dict[str, Any]) -> None:
    assert ABOUT_THE_MESSAGE.isdisjoint(CONTENTS)
    assert set(CONTENTS) | ABOUT_THE_MESSAGE == names(types, "Message")


def test_every_kind_has_a_rule_and_the_readme_shows_it() -> None:
    assert set(RULES) == set(UpdateKind)
    assert render_table() in README.read_text("utf-8"), "put event_kinds.render_table() into the README"


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"text": "a fox"}, UpdateKind.TEXT),
        ({"photo": [], "caption": "a fox"}, UpdateKind.NO_TEXT),
        ({"document": {"file_name": "Sugar.SAFETENSORS"}}, UpdateKind.LORA_FILE),
        ({"document": {"file_name": "notes.txt"}}, UpdateKind.NO_TEXT),
        ({"document": {}}, UpdateKind.NO_TEXT),
        ({"document": "odd"}, UpdateKind.NO_TEXT),
        ({"pinned_message": {}}, UpdateKind.SERVICE),
        ({"a_kind_of_next_year": {}}, UpdateKind.NO_TEXT),
        ({}, UpdateKind.NO_TEXT),
    ],
)
def test_a_message_is_sorted_by_what_it_holds(message: dict[str, Any], kind: UpdateKind) -> None:
    assert content_kind_of(message) is kind
