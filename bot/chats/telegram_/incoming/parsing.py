"""Parses updates: who wrote or pressed what, and where; or which kind the bot ignores.

In a private chat every message is for the bot. In a group, commands, mentions of the bot and replies to its
messages are. ``event_kinds`` lists what happens to each kind. Nothing here uses the network.
"""

import re
from collections.abc import Sequence
from typing import Any

from telegram import CallbackQuery, ChatMember, ChatMemberUpdated, Message, MessageEntity, Update, User
from telegram.constants import ChatType

from bot import messages
from bot.chats.event_table import RawEvent, is_lora_file, is_picture_file
from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.incoming.event_kinds import REQUESTED, UPDATES, UpdateKind, content_kind_of
from bot.chats.telegram_.incoming.updates import (
    BotAdded,
    ButtonPress,
    GroupMigrated,
    IgnoredUpdate,
    ParsedUpdate,
    RejectedMessage,
    SentDocument,
    TextMessage,
)
from bot.commands.grammar import parse
from bot.commands.table import ENTRY_OF
from bot.commands.values import LoraAdd, ReadSettings
from bot.errors import AnonymousSender, EditedMessage, LoraFileSent, PersonError, TextOnly, UnknownCommand
from bot.outcomes import CommandContext, Platform

_COMMAND = re.compile(r"/(?P<name>[^\s@]+)(?:@(?P<bot>\w+))?")
_NOT_MEMBER = (ChatMember.LEFT, ChatMember.BANNED)
_GROUPS = (ChatType.GROUP, ChatType.SUPERGROUP)
_WITH_CHAT = ("message", "edited_message", "my_chat_member")  # requested kinds that contain their chat


def event_id_of(raw: RawEvent) -> str:
    """Name a raw update for the store and the desk; a repeated update has the same name.

    The name contains the message or press, not the update id: after a week without updates Telegram restarts
    at a random id (Bot API, ``Update``), which can equal the id of an old update.
    """
    if press_id := _get(raw, "callback_query", "id"):
        return f"press {press_id}"
    if message_id := _get(raw, "message", "message_id"):
        return f"{chat_key_of(raw)}:{message_id}"
    if message_id := _get(raw, "edited_message", "message_id"):
        return f"{chat_key_of(raw)}:{message_id} edited {_get(raw, 'edited_message', 'edit_date')}"
    return f"update {raw.get('update_id')} of {_get(raw, 'my_chat_member', 'date')}"


def chat_key_of(raw: RawEvent) -> str:
    """Name the chat of a raw update; updates without a chat share the empty name."""
    ids = [_get(raw, kind, "chat", "id") for kind in _WITH_CHAT]
    ids += [_get(raw, "callback_query", "message", "chat", "id"), _get(raw, "callback_query", "from", "id")]
    return str(next(filter(None, ids), ""))


def _get(raw: Any, *keys: str) -> Any:
    """Read a nested value; None if an object on the way is missing or has another type."""
    for key in keys:
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw


def bot_link(me: User, payload: str = "") -> str:
    """Make the link that opens the private chat with the bot."""
    return f"https://t.me/{me.username}" + (f"?start={payload}" if payload else "")


def parse_update(raw: RawEvent, me: User) -> ParsedUpdate:
    """Parse a raw update.

    Raises:
        Exception: The update does not follow Telegram's schema; the type depends on the fault.
    """
    if not any(name in raw for name in REQUESTED):
        return IgnoredUpdate(next((UPDATES[name] for name in raw if name in UPDATES), UpdateKind.UNKNOWN))
    message = raw.get("message")
    if isinstance(message, dict) and content_kind_of(message) is UpdateKind.SERVICE:
        return IgnoredUpdate(UpdateKind.SERVICE)
    update = Update.de_json(raw, None)
    event_id = event_id_of(raw)
    if update.callback_query is not None:
        return _parse_press(update.callback_query, event_id)
    if update.message is not None:
        return _parse_message(update.message, raw["message"], me, event_id)
    if update.edited_message is not None:
        return _parse_edit(update.edited_message, raw["edited_message"], event_id)
    if update.my_chat_member is not None:
        return _parse_membership(update.my_chat_member, event_id)
    return IgnoredUpdate(UpdateKind.UNKNOWN)


def _parse_press(query: CallbackQuery, event_id: str) -> ParsedUpdate:
    if query.from_user.is_bot:
        return IgnoredUpdate(UpdateKind.MACHINE)
    message, is_own = query.message, True
    if message is None:  # the message was sent through the bot into another chat
        address = ChatAddress(query.from_user.id)
    elif isinstance(message, Message):
        address = _reply_address(message)
        asker = message.reply_to_message.from_user if message.reply_to_message else None
        is_own = asker is None or asker.id == query.from_user.id
    else:  # the message is too old for Telegram to describe it
        address = ChatAddress(message.chat.id, reply_to=message.message_id)
    context = _context(event_id, query.from_user, address)
    return ButtonPress(query.id, query.data or "", context, address, is_own)


def _parse_edit(message: Message, raw: RawEvent, event_id: str) -> ParsedUpdate:
    person = message.from_user
    is_text = content_kind_of(raw) is UpdateKind.TEXT
    if message.chat.type != ChatType.PRIVATE or not is_text or person is None or person.is_bot:
        return IgnoredUpdate(UpdateKind.EDITED_ELSEWHERE)
    address = _reply_address(message)
    return RejectedMessage(EditedMessage(), _context(event_id, person, address), address)


def _parse_membership(change: ChatMemberUpdated, event_id: str) -> ParsedUpdate:
    is_added = (
        change.old_chat_member.status in _NOT_MEMBER and change.new_chat_member.status not in _NOT_MEMBER
    )
    if not is_added or change.chat.type not in _GROUPS:
        return IgnoredUpdate(UpdateKind.MEMBERSHIP)
    address = ChatAddress(change.chat.id)
    return BotAdded(_context(event_id, change.from_user, address), address)


def _parse_message(message: Message, raw: RawEvent, me: User, event_id: str) -> ParsedUpdate:
    kind = content_kind_of(raw)
    if kind is UpdateKind.MIGRATED:
        if message.migrate_to_chat_id is not None:
            return GroupMigrated(message.chat.id, message.migrate_to_chat_id)
        return GroupMigrated(message.migrate_from_chat_id or 0, message.chat.id)
    person, is_anonymous = message.from_user, message.sender_chat is not None
    if person is None or message.is_automatic_forward or (person.is_bot and not is_anonymous):
        return IgnoredUpdate(UpdateKind.MACHINE)
    text = _text_for_bot(message, me)
    if isinstance(text, IgnoredUpdate):
        return text
    address = _reply_address(message)
    context = _context(event_id, person, address)
    if is_anonymous:
        error: PersonError = AnonymousSender(link=bot_link(me))
    elif kind is UpdateKind.TEXT:
        replied = message.reply_to_message
        replied_to = replied.message_id if replied is not None and _is_reply_to(message, me) else None
        return TextMessage(text, context, address, _document(replied), replied_to)
    elif document := _document(message):
        if not text and not address.is_group and kind is UpdateKind.PICTURE_FILE:
            text = f"/{ENTRY_OF[ReadSettings].telegram_name}"
        if _takes(text, LoraAdd if kind is UpdateKind.LORA_FILE else ReadSettings):
            return TextMessage(text, context, address, document)
        error = LoraFileSent() if kind is UpdateKind.LORA_FILE else TextOnly()
        file_name = document.name if kind is UpdateKind.LORA_FILE else ""
        return RejectedMessage(error, context, address, message.media_group_id or "", file_name)
    else:
        error = TextOnly()
    return RejectedMessage(error, context, address, message.media_group_id or "")


def _document(message: Message | None) -> SentDocument | None:
    """Return the file of a message if a command can be about it."""
    document = message.document if message is not None else None
    if document is None or not (is_lora_file(document.file_name) or is_picture_file(document.file_name)):
        return None
    return SentDocument(document.file_id, document.file_name or "", document.file_size or 0)


def _takes(text: str, command_type: type[LoraAdd | ReadSettings]) -> bool:
    """Whether the text of a file is the command that takes it."""
    try:
        return isinstance(parse(text), command_type)
    except PersonError:
        return False


def _text_for_bot(message: Message, me: User) -> str | IgnoredUpdate:
    """Return the text without the bot's own name, if the message is for the bot."""
    text = message.text or message.caption or ""
    is_addressed = message.chat.type == ChatType.PRIVATE or _is_reply_to(message, me)
    if command := _COMMAND.match(text):
        if command["bot"] is None:
            is_ours = is_addressed or _is_known_command(text)
            return text if is_ours else IgnoredUpdate(UpdateKind.GROUP_TALK)
        if command["bot"].lower() != (me.username or "").lower():
            return IgnoredUpdate(UpdateKind.OTHER_BOT)
        return f"/{command['name']}{text[command.end() :]}"
    stripped = _strip_mentions(text, message.entities or message.caption_entities, me)
    if stripped is None and not is_addressed:
        return IgnoredUpdate(UpdateKind.GROUP_TALK)
    return (text if stripped is None else stripped).strip()


def _is_known_command(text: str) -> bool:
    """Whether a command without a bot's name is one of ours; in a group it can be another bot's."""
    try:
        parse(text)
    except UnknownCommand:
        return False
    except PersonError:
        return True
    return True


def _strip_mentions(text: str, entities: Sequence[MessageEntity], me: User) -> str | None:
    """Return the text without mentions of the bot; None if it has none."""
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
    return original.forum_topic_created is None  # a message in a topic without a reply refers to this one


def _reply_address(message: Message) -> ChatAddress:
    thread_id = message.message_thread_id if message.is_topic_message else None
    return ChatAddress(message.chat.id, reply_to=message.message_id, thread_id=thread_id)


def _context(event_id: str, person: User, address: ChatAddress) -> CommandContext:
    return CommandContext(
        platform=Platform.TELEGRAM,
        event_id=event_id,
        user_id=str(person.id),
        address=address.to_address(),
        locale=messages.locale_of(person.language_code or ""),
        user_name=person.full_name,
        is_group=address.is_group,
    )
