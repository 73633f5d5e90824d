"""The table of everything that Telegram sends a bot: what is answered, how, and what is ignored, and why.

``reading`` sorts each update by it, and the README of this package shows it (``rendered``). A test compares
it with the vendor's list of update kinds and message fields.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Raw = dict[str, Any]
"""An update, or a part of one, as Telegram wrote it and not yet checked."""

LORA_SUFFIX = ".safetensors"


class Kind(StrEnum):
    """What an update is to us; the values are the table's first column."""

    TEXT = "text in a private chat; in a group a command, a mention of the bot or a reply to it"
    NAME_ALONE = "the bot's name or a command without any words"
    UNKNOWN_COMMAND = "an unknown command, in private or with the bot's name"
    FORWARDED = "a forwarded text, or one that another bot helped to write"
    NO_TEXT = "anything but text, also with words under it, where text would be answered"
    LORA_FILE = "a .safetensors file, where text would be answered"
    EDITED = "an edited text in a private chat"
    ANONYMOUS = "a message to the bot in the name of the group or of a channel (anonymous administrator)"
    ADDED = "the bot is added to a group"
    PRESS = "a press of a button"
    REFUSED_PRESS = "a press that is refused, also of another person's or another version's button"
    GROUP_TALK = "a message in a group that is not addressed to the bot"
    OTHER_BOT = "a command with another bot's name"
    ALBUM_ITEM = "the second and later items of an album"
    EDITED_ELSEWHERE = "an edited message in a group, an edited message without text (a moving location)"
    MACHINE = "a message of another bot, a linked channel's post in its group"
    SERVICE = "a service message: joined, pinned, renamed, topic opened, paid, given"
    MIGRATED = "a group becomes a supergroup"
    MEMBERSHIP = "the bot is blocked, unblocked or removed, or is added to a channel; members change"
    CHANNEL = "a post in a channel"
    NOT_ENABLED = "inline queries, guest and business messages, reactions, polls, payments, boosts, requests"
    UNKNOWN = "an update kind that this version does not know, an update that cannot be read"


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of one kind.

    Attributes:
        then: How it is answered, or why nothing is said.
        is_answered: Whether the person gets an answer.
    """

    then: str
    is_answered: bool = True


def _ignored(why: str) -> Rule:
    return Rule(why, is_answered=False)


RULES: dict[Kind, Rule] = {
    Kind.TEXT: Rule("a command does its work, other words are drawn; a refusal says why"),
    Kind.NAME_ALONE: Rule("what to write after it, or what the command alone does"),
    Kind.UNKNOWN_COMMAND: Rule("there is no such command; the nearest one where there is a similar one"),
    Kind.FORWARDED: Rule("as if the person had typed it"),
    Kind.NO_TEXT: Rule("only text is accepted as input so far; nothing is drawn or charged"),
    Kind.LORA_FILE: Rule("how a host adds a LoRA"),
    Kind.EDITED: Rule("edits are not followed; send a new message"),
    Kind.ANONYMOUS: Rule("nobody can be charged; how to write under one's own name"),
    Kind.ADDED: Rule("a greeting that says how to ask, or how a host lets the group in"),
    Kind.PRESS: Rule("the job's own message changes, or a new message comes"),
    Kind.REFUSED_PRESS: Rule("an alert that only the presser sees; nothing in the group"),
    Kind.GROUP_TALK: _ignored("people talk to each other"),
    Kind.OTHER_BOT: _ignored("the other bot answers"),
    Kind.ALBUM_ITEM: _ignored("the first item was answered for all"),
    Kind.EDITED_ELSEWHERE: _ignored("its first form was answered or not meant for the bot"),
    Kind.MACHINE: _ignored("two bots would answer each other for ever"),
    Kind.SERVICE: _ignored("nobody wrote it"),
    Kind.MIGRATED: _ignored("permission, default LoRA and waiting jobs follow the group without a word"),
    Kind.MEMBERSHIP: _ignored("there is nobody to answer, or /start follows"),
    Kind.CHANNEL: _ignored("all subscribers would read it, and nobody can be charged; not requested"),
    Kind.NOT_ENABLED: _ignored("the bot does not offer these; not requested"),
    Kind.UNKNOWN: _ignored("nobody can be answered; logged with its id"),
}

UPDATES: dict[str, Kind] = {
    "message": Kind.TEXT,
    "edited_message": Kind.EDITED,
    "callback_query": Kind.PRESS,
    "my_chat_member": Kind.ADDED,
    "channel_post": Kind.CHANNEL,
    "edited_channel_post": Kind.CHANNEL,
    "chat_member": Kind.MEMBERSHIP,
} | dict.fromkeys(
    (
        "business_connection", "business_message", "edited_business_message", "deleted_business_messages",
        "guest_message", "message_reaction", "message_reaction_count", "inline_query", "chosen_inline_result",
        "shipping_query", "pre_checkout_query", "purchased_paid_media", "poll", "poll_answer",
        "chat_join_request", "chat_boost", "removed_chat_boost", "managed_bot",
    ),
    Kind.NOT_ENABLED,
)  # fmt: skip
"""Every field of ``Update``. What ``message``, ``edited_message`` and ``my_chat_member`` hold may be another
kind, as the rows above say."""

REQUESTED = ("message", "edited_message", "callback_query", "my_chat_member")
"""The update kinds we ask Telegram for; it sends no others."""

CONTENTS: dict[str, Kind] = {
    "text": Kind.TEXT,
    **dict.fromkeys(
        (
            "rich_message", "animation", "audio", "document", "live_photo", "paid_media", "photo", "sticker",
            "story", "video", "video_note", "voice", "checklist", "contact", "dice", "game", "poll", "venue",
            "location", "invoice", "giveaway", "passport_data", "web_app_data", "users_shared", "chat_shared",
        ),
        Kind.NO_TEXT,
    ),
    "migrate_to_chat_id": Kind.MIGRATED,
    "migrate_from_chat_id": Kind.MIGRATED,
    **dict.fromkeys(
        (
            "new_chat_members", "left_chat_member", "chat_owner_left", "chat_owner_changed", "new_chat_title",
            "new_chat_photo", "delete_chat_photo", "group_chat_created", "supergroup_chat_created",
            "channel_chat_created", "message_auto_delete_timer_changed", "pinned_message",
            "successful_payment", "refunded_payment", "gift", "unique_gift", "gift_upgrade_sent",
            "connected_website", "write_access_allowed", "proximity_alert_triggered", "boost_added",
            "chat_background_set", "checklist_tasks_done", "checklist_tasks_added",
            "direct_message_price_changed", "forum_topic_created", "forum_topic_edited", "forum_topic_closed",
            "forum_topic_reopened", "general_forum_topic_hidden", "general_forum_topic_unhidden",
            "giveaway_created", "giveaway_winners", "giveaway_completed", "managed_bot_created",
            "paid_message_price_changed", "poll_option_added", "poll_option_deleted",
            "suggested_post_approved", "suggested_post_approval_failed", "suggested_post_declined",
            "suggested_post_paid", "suggested_post_refunded", "video_chat_scheduled", "video_chat_started",
            "video_chat_ended", "video_chat_participants_invited",
        ),
        Kind.SERVICE,
    ),
}  # fmt: skip
"""Every field of ``Message`` that says what a message is; a document may be a ``LORA_FILE``."""


def content_of(message: Raw) -> Kind:
    """Sort a message by what it holds; a content that this version does not know counts as ``NO_TEXT``."""
    kind = next((kind for name, kind in CONTENTS.items() if name in message), Kind.NO_TEXT)
    file = message.get("document")
    name = file.get("file_name") if isinstance(file, dict) else None
    return Kind.LORA_FILE if str(name).lower().endswith(LORA_SUFFIX) else kind


def rendered() -> str:
    """The table as Markdown, as the package's README shows it."""
    lines = ["| kind | | what becomes of it |", "| --- | --- | --- |"]
    for kind, rule in RULES.items():
        lines.append(f"| {kind} | {'answered' if rule.is_answered else 'ignored'} | {rule.then} |")
    for title, fields in (("Fields of `Update`", UPDATES), ("Fields of `Message`", CONTENTS)):
        lines += ["", f"| {title} | kind |", "| --- | --- |"]
        for kind in dict.fromkeys(fields.values()):
            names = ", ".join(f"`{name}`" for name, its in fields.items() if its is kind)
            lines.append(f"| {names} | {kind} |")
    return "\n".join(lines)
