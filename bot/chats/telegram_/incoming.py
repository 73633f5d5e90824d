"""Reads updates: what was said or pressed, by whom and where, or which row of the table says to ignore it.

In a private chat every message is meant for us. In a group: commands, mentions of us and replies to our
messages. What becomes of each kind stands in ``updates.kinds``. Pure; no network.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from telegram import CallbackQuery, ChatMember, ChatMemberUpdated, Message, MessageEntity, Update, User
from telegram.constants import ChatType

from bot import messages
from bot.chats.event_table import RawEvent
from bot.chats.telegram_.event_kinds import REQUESTED, UPDATES, UpdateKind, content_kind_of
from bot.chats.telegram_.place import Place
from bot.commands.grammar import parse
from bot.errors import AnonymousSender, EditedMessage, LoraFileSent, PersonError, TextOnly, UnknownCommand
from bot.outcomes import CommandContext, Platform

_COMMAND = re.compile(r"/(?P<name>[^\s@]+)(?:@(?P<bot>\w+))?")
_OUTSIDE = (ChatMember.LEFT, ChatMember.BANNED)
_GROUPS = (ChatType.GROUP, ChatType.SUPERGROUP)
_ABOUT = ("message", "edited_message", "my_chat_member")  # the kinds we read that name their chat


@dataclass(frozen=True, slots=True)
class Said:
    """A text for us, without our own name in it."""

    text: str
    context: CommandContext
    place: Place


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button under one of our messages."""

    query_id: str
    data: str
    context: CommandContext
    place: Place


@dataclass(frozen=True, slots=True)
class Refused:
    """A message for us that we can't serve.

    Attributes:
        album: The media group it came in; empty outside albums. One answer serves all its items.
    """

    error: PersonError
    context: CommandContext
    place: Place
    album: str = ""


@dataclass(frozen=True, slots=True)
class Added:
    """Somebody added the bot to a group."""

    context: CommandContext
    place: Place


@dataclass(frozen=True, slots=True)
class Migrated:
    """A group became a supergroup and has another id now."""

    old_chat_id: int
    new_chat_id: int


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing to do, as the table says."""

    kind: UpdateKind


Event = Said | Pressed | Refused | Added | Migrated | Ignored


def event_key(raw: RawEvent) -> str:
    """Name a raw update for the store and the desk; the same update twice has the same name.

    It is made of the message or press, not of the update id: after a week of quiet Telegram goes on with a
    random one (Bot API, ``Update``), which may be the id of an old update.
    """
    if press_id := _part(raw, "callback_query", "id"):
        return f"press {press_id}"
    if message_id := _part(raw, "message", "message_id"):
        return f"{chat_key(raw)}:{message_id}"
    if message_id := _part(raw, "edited_message", "message_id"):
        return f"{chat_key(raw)}:{message_id} edited {_part(raw, 'edited_message', 'edit_date')}"
    return f"update {raw.get('update_id')} of {_part(raw, 'my_chat_member', 'date')}"


def chat_key(raw: RawEvent) -> str:
    """Name the chat a raw update belongs to; odd updates share the empty name."""
    ids = [_part(raw, kind, "chat", "id") for kind in _ABOUT]
    ids += [_part(raw, "callback_query", "message", "chat", "id"), _part(raw, "callback_query", "from", "id")]
    return str(next(filter(None, ids), ""))


def _part(raw: Any, *keys: str) -> Any:
    """Walk into nested objects that may have any shape."""
    for key in keys:
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw


def link_to(me: User, payload: str = "") -> str:
    """The address that opens the private chat with the bot."""
    return f"https://t.me/{me.username}" + (f"?start={payload}" if payload else "")


def read(raw: RawEvent, me: User) -> Event:
    """Say what the update asks of us.

    Raises:
        Exception: The update is not as Telegram describes it; which one depends on what is wrong.
    """
    if not any(name in raw for name in REQUESTED):
        return Ignored(next((UPDATES[name] for name in raw if name in UPDATES), UpdateKind.UNKNOWN))
    message = raw.get("message")
    if isinstance(message, dict) and content_kind_of(message) is UpdateKind.SERVICE:
        return Ignored(UpdateKind.SERVICE)
    update = Update.de_json(raw, None)
    event_id = event_key(raw)
    if update.callback_query is not None:
        return _read_press(update.callback_query, event_id)
    if update.message is not None:
        return _read_message(update.message, raw["message"], me, event_id)
    if update.edited_message is not None:
        return _read_edit(update.edited_message, raw["edited_message"], event_id)
    if update.my_chat_member is not None:
        return _read_membership(update.my_chat_member, event_id)
    return Ignored(UpdateKind.UNKNOWN)


def _read_press(query: CallbackQuery, event_id: str) -> Event:
    if query.from_user.is_bot:
        return Ignored(UpdateKind.MACHINE)
    place = Place(query.from_user.id)  # a button under a message that was sent through us elsewhere
    if query.message is not None:
        thread_id = _thread(query.message) if isinstance(query.message, Message) else None
        place = Place(query.message.chat.id, reply_to=query.message.message_id, thread_id=thread_id)
    return Pressed(query.id, query.data or "", _visit(event_id, query.from_user, place), place)


def _read_edit(message: Message, raw: RawEvent, event_id: str) -> Event:
    person = message.from_user
    is_text = content_kind_of(raw) is UpdateKind.TEXT
    if message.chat.type != ChatType.PRIVATE or not is_text or person is None or person.is_bot:
        return Ignored(UpdateKind.EDITED_ELSEWHERE)
    place = Place(message.chat.id, reply_to=message.message_id, thread_id=_thread(message))
    return Refused(EditedMessage(), _visit(event_id, person, place), place)


def _read_membership(change: ChatMemberUpdated, event_id: str) -> Event:
    is_added = change.old_chat_member.status in _OUTSIDE and change.new_chat_member.status not in _OUTSIDE
    if not is_added or change.chat.type not in _GROUPS:
        return Ignored(UpdateKind.MEMBERSHIP)
    place = Place(change.chat.id)
    return Added(_visit(event_id, change.from_user, place), place)


def _read_message(message: Message, raw: RawEvent, me: User, event_id: str) -> Event:
    kind = content_kind_of(raw)
    if kind is UpdateKind.MIGRATED:
        return _migrated(message)
    person, is_anonymous = message.from_user, message.sender_chat is not None
    if person is None or message.is_automatic_forward or (person.is_bot and not is_anonymous):
        return Ignored(UpdateKind.MACHINE)
    text = _addressed(message, me)
    if isinstance(text, Ignored):
        return text
    place = Place(message.chat.id, reply_to=message.message_id, thread_id=_thread(message))
    context = _visit(event_id, person, place)
    if is_anonymous:
        return Refused(AnonymousSender(link=link_to(me)), context, place, message.media_group_id or "")
    if kind is UpdateKind.TEXT:
        return Said(text, context, place)
    error = LoraFileSent() if kind is UpdateKind.LORA_FILE else TextOnly()
    return Refused(error, context, place, message.media_group_id or "")


def _migrated(message: Message) -> Migrated:
    if message.migrate_to_chat_id is not None:
        return Migrated(message.chat.id, message.migrate_to_chat_id)
    return Migrated(message.migrate_from_chat_id or 0, message.chat.id)


def _addressed(message: Message, me: User) -> str | Ignored:
    """The words without our own name, when they are meant for us."""
    text = message.text or message.caption or ""
    is_addressed = message.chat.type == ChatType.PRIVATE or _is_reply_to(message, me)
    if command := _COMMAND.match(text):
        return _named(text, command, me, is_addressed=is_addressed)
    entities = message.entities or message.caption_entities
    without = _without_mentions(text, entities, me)
    if without is None and not is_addressed:
        return Ignored(UpdateKind.GROUP_TALK)
    return (text if without is None else without).strip()


def _named(text: str, command: re.Match[str], me: User, *, is_addressed: bool) -> str | Ignored:
    """Take our name from ``/command@name``; a command with another bot's name is not meant for us."""
    if command["bot"] is not None:
        if command["bot"].lower() != (me.username or "").lower():
            return Ignored(UpdateKind.OTHER_BOT)
        return f"/{command['name']}{text[command.end() :]}"
    return text if is_addressed or _is_ours(text) else Ignored(UpdateKind.GROUP_TALK)


def _is_ours(text: str) -> bool:
    """Whether a command without a name is one that we know; in a group it may be another bot's."""
    try:
        parse(text)
    except UnknownCommand:
        return False
    except PersonError:
        return True
    return True


def _without_mentions(text: str, entities: Sequence[MessageEntity], me: User) -> str | None:
    """The text without the mentions of us; None when there is no mention."""
    units = text.encode("utf-16-le", "surrogatepass")
    is_mentioned = False
    for entity in sorted(entities, key=lambda each: each.offset, reverse=True):
        start, end = 2 * entity.offset, 2 * (entity.offset + entity.length)  # Telegram counts UTF-16 units
        if _is_mention(entity, units[start:end].decode("utf-16-le", errors="ignore"), me):
            units = units[:start] + units[end:]
            is_mentioned = True
    return units.decode("utf-16-le", errors="ignore") if is_mentioned else None


def _is_mention(entity: MessageEntity, text: str, me: User) -> bool:
    if entity.type == MessageEntity.TEXT_MENTION:
        return entity.user is not None and entity.user.id == me.id
    return entity.type == MessageEntity.MENTION and text.lower() == f"@{me.username}".lower()


def _is_reply_to(message: Message, me: User) -> bool:
    original = message.reply_to_message
    if original is None or original.from_user is None or original.from_user.id != me.id:
        return False
    return original.forum_topic_created is None  # in a topic, that one stands for "no reply"


def _thread(message: Message) -> int | None:
    return message.message_thread_id if message.is_topic_message else None


def _visit(event_id: str, person: User, place: Place) -> CommandContext:
    return CommandContext(
        platform=Platform.TELEGRAM,
        event_id=event_id,
        user_id=str(person.id),
        address=place.address(),
        locale=messages.locale_of(person.language_code or ""),
        user_name=person.full_name,
        is_group=place.is_group,
    )
