"""The table of every kind of update that Telegram can send: the bot answers it, or ignores it for a reason.

``parsing`` sorts each update by this table. The README of this package shows it (``render_table``). A test
compares it with the update kinds and message fields in Telegram's own schema.
"""

from enum import StrEnum

from bot.chats.event_table import EventRule, RawEvent, ignored, is_lora_file, is_picture_file


class UpdateKind(StrEnum):
    """The kinds of updates; the values are the first column of the table."""

    TEXT = "text in a private chat; in a group a command, a mention of the bot or a reply to it"
    NAME_ALONE = "the bot's name or a command without any words"
    UNKNOWN_COMMAND = "an unknown command, in private or with the bot's name"
    FORWARDED = "a forwarded text, or a text written with the help of another bot"
    NO_TEXT = "a message without text, or with a caption only, where text would be answered"
    LORA_FILE = "a .safetensors file, where text would be answered"
    PICTURE_FILE = "a picture file with /info, in private also without words; /info as a reply to one"
    EDITED = "an edited text in a private chat"
    ANONYMOUS = "a message to the bot in the name of a group or channel (anonymous administrator)"
    ADDED = "the bot is added to a group"
    PRESS = "a press of a button"
    INLINE = "words after the bot's name in any chat (inline mode)"
    REFUSED_PRESS = "a refused press, also on a button of another person or another version"
    GROUP_TALK = "a message in a group that is not addressed to the bot"
    OTHER_BOT = "a command with another bot's name"
    ALBUM_ITEM = "the second and later items of an album"
    EDITED_ELSEWHERE = "an edited message in a group, an edited message without text (a moving location)"
    MACHINE = "a message of another bot, a post of a linked channel in its group"
    SERVICE = "a service message: joined, pinned, renamed, topic opened, paid, given"
    MIGRATED = "a group becomes a supergroup"
    MEMBERSHIP = "the bot is blocked, unblocked or removed, or is added to a channel; members change"
    CHANNEL = "a post in a channel"
    NOT_ENABLED = "chosen inline results, guest and business messages, reactions, polls, payments, boosts"
    UNKNOWN = "an update kind that this version does not know, an update that cannot be read"


RULES: dict[UpdateKind, EventRule] = {
    UpdateKind.TEXT: EventRule("a command runs, other text is drawn; a refusal gives the reason"),
    UpdateKind.NAME_ALONE: EventRule(
        "the bot says what to write after it, or the command runs with its defaults"
    ),
    UpdateKind.UNKNOWN_COMMAND: EventRule(
        "the command does not exist; the bot names a similar one if it can"
    ),
    UpdateKind.FORWARDED: EventRule("like a text that the person typed"),
    UpdateKind.NO_TEXT: EventRule("the bot accepts only text; it draws and charges nothing"),
    UpdateKind.LORA_FILE: EventRule("a host is offered to add it, others learn how hosts do"),
    UpdateKind.PICTURE_FILE: EventRule("the settings inside it, to draw with; it is never a start picture"),
    UpdateKind.EDITED: EventRule("the bot does not follow edits; it asks for a new message"),
    UpdateKind.ANONYMOUS: EventRule(
        "the bot cannot charge anyone; it explains how to write under one's own name"
    ),
    UpdateKind.ADDED: EventRule(
        "a greeting with instructions for members, or for the host who must allow the group"
    ),
    UpdateKind.PRESS: EventRule("the bot edits the message of the job, or sends a new one"),
    UpdateKind.REFUSED_PRESS: EventRule("an alert that only the presser sees; no message in the group"),
    UpdateKind.INLINE: EventRule(
        "the person's own pictures that fit, without private ones; the newest query only, never stored"
    ),
    UpdateKind.GROUP_TALK: ignored("people talk to each other"),
    UpdateKind.OTHER_BOT: ignored("the other bot answers"),
    UpdateKind.ALBUM_ITEM: ignored("the answer to the first item covers all items"),
    UpdateKind.EDITED_ELSEWHERE: ignored(
        "the bot answered the first version, or it was not meant for the bot"
    ),
    UpdateKind.MACHINE: ignored("two bots would answer each other without end"),
    UpdateKind.SERVICE: ignored("no person wrote it"),
    UpdateKind.MIGRATED: ignored(
        "permission, default LoRA and waiting jobs move to the new chat id without a message"
    ),
    UpdateKind.MEMBERSHIP: ignored("no person waits for an answer, or /start follows"),
    UpdateKind.CHANNEL: ignored(
        "all subscribers would read an answer, and the bot could charge no one; not requested"
    ),
    UpdateKind.NOT_ENABLED: ignored("the bot does not offer these; not requested"),
    UpdateKind.UNKNOWN: ignored("the sender is unknown; the log has its id"),
}

UPDATES: dict[str, UpdateKind] = {
    "message": UpdateKind.TEXT,
    "edited_message": UpdateKind.EDITED,
    "callback_query": UpdateKind.PRESS,
    "inline_query": UpdateKind.INLINE,
    "my_chat_member": UpdateKind.ADDED,
    "channel_post": UpdateKind.CHANNEL,
    "edited_channel_post": UpdateKind.CHANNEL,
    "chat_member": UpdateKind.MEMBERSHIP,
} | dict.fromkeys(
    (
        "business_connection", "business_message", "edited_business_message", "deleted_business_messages",
        "guest_message", "message_reaction", "message_reaction_count", "chosen_inline_result",
        "shipping_query", "pre_checkout_query", "purchased_paid_media", "poll", "poll_answer",
        "chat_join_request", "chat_boost", "removed_chat_boost", "managed_bot",
    ),
    UpdateKind.NOT_ENABLED,
)  # fmt: skip
"""Every field of ``Update``. Depending on their contents, ``message``, ``edited_message`` and
``my_chat_member`` can be another kind; the rules above name these."""

REQUESTED = ("message", "edited_message", "callback_query", "my_chat_member", "inline_query")
"""The update kinds that the bot requests; Telegram sends no others."""

UNSTORED = frozenset({"inline_query"})
"""Of these, the kinds that only read and come again by themselves, so that they may be lost."""

CONTENTS: dict[str, UpdateKind] = {
    "text": UpdateKind.TEXT,
    **dict.fromkeys(
        (
            "rich_message", "animation", "audio", "document", "live_photo", "paid_media", "photo", "sticker",
            "story", "video", "video_note", "voice", "checklist", "contact", "dice", "game", "poll", "venue",
            "location", "invoice", "giveaway", "passport_data", "web_app_data", "users_shared", "chat_shared",
        ),
        UpdateKind.NO_TEXT,
    ),
    "migrate_to_chat_id": UpdateKind.MIGRATED,
    "migrate_from_chat_id": UpdateKind.MIGRATED,
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
        UpdateKind.SERVICE,
    ),
}  # fmt: skip
"""Every field of ``Message`` that holds content; a document can be a ``LORA_FILE`` or ``PICTURE_FILE``."""


def content_kind_of(message: RawEvent) -> UpdateKind:
    """Sort a message by its content; content that this version does not know counts as ``NO_TEXT``."""
    document = message.get("document")
    if isinstance(document, dict) and is_lora_file(document.get("file_name")):
        return UpdateKind.LORA_FILE
    if isinstance(document, dict) and is_picture_file(document.get("file_name")):
        return UpdateKind.PICTURE_FILE
    return next((kind for name, kind in CONTENTS.items() if name in message), UpdateKind.NO_TEXT)


def render_table() -> str:
    """Write the table as Markdown, as the README of this package shows it."""
    lines = ["| kind | | what happens |", "| --- | --- | --- |"]
    for kind, rule in RULES.items():
        lines.append(f"| {kind} | {'answered' if rule.is_answered else 'ignored'} | {rule.action} |")
    for title, fields in (("Fields of `Update`", UPDATES), ("Fields of `Message`", CONTENTS)):
        lines += ["", f"| {title} | kind |", "| --- | --- |"]
        for kind in dict.fromkeys(fields.values()):
            names = ", ".join(f"`{name}`" for name, its_kind in fields.items() if its_kind is kind)
            lines.append(f"| {names} | {kind} |")
    return "\n".join(lines)
