"""Reads updates: what was said or pressed, by whom and where; None for all that is not meant for us.

In a private chat any text is meant. In a group: commands, replies to our messages and mentions of us. Edited
messages, channels and other bots are never meant, anonymous administrators neither: they have no identity to
charge. Pure; no network.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from telegram import CallbackQuery, Message, MessageEntity, Update, User
from telegram.constants import ChatType

from bot import words
from bot.chats.telegram_.place import Place
from bot.desk.outcomes import Platform, Visit

ALLOWED_UPDATES = ("message", "callback_query")

Raw = dict[str, Any]
"""An update as Telegram wrote it, not yet checked."""

_COMMAND = re.compile(r"/(?P<name>[^\s@]+)(?:@(?P<bot>\w+))?")


@dataclass(frozen=True, slots=True)
class Said:
    """A message meant for us.

    Attributes:
        text: Without our own name in it.
        is_addressed: Certainly meant for us, so that even an unknown command deserves an answer.
    """

    text: str
    visit: Visit
    place: Place
    is_addressed: bool


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button under one of our messages."""

    query_id: str
    data: str
    visit: Visit
    place: Place


def event_key(raw: Raw) -> str:
    """Name a raw update for the store.

    The update id alone would not do: after a week of quiet Telegram goes on with a random one (Bot API,
    ``Update``), which may be the id of an old update, and a known id is skipped. With the message or press
    it is about, the name never comes twice.
    """
    about = _part(raw, "message", "message_id") or _part(raw, "callback_query", "id")
    return f"{raw.get('update_id')}/{chat_key(raw)}:{about}"


def chat_key(raw: Raw) -> str:
    """Name the chat a raw update belongs to; odd updates share the empty name."""
    chat_id = _part(raw, "message", "chat", "id") or _part(raw, "callback_query", "message", "chat", "id")
    return str(chat_id or "")


def _part(raw: Any, *keys: str) -> Any:
    """Walk into nested objects that may have any shape."""
    for key in keys:
        raw = raw.get(key) if isinstance(raw, dict) else None
    return raw


def read(update: Update, me: User) -> Said | Pressed | None:
    """Say what the update asks of us, if anything."""
    if update.callback_query is not None:
        return _read_press(update.callback_query)
    if update.message is not None:
        return _read_message(update.message, me)
    return None


def _read_press(query: CallbackQuery) -> Pressed | None:
    if query.message is None or query.data is None or query.from_user.is_bot:
        return None
    thread_id = _thread(query.message) if isinstance(query.message, Message) else None
    place = Place(query.message.chat.id, reply_to=query.message.message_id, thread_id=thread_id)
    return Pressed(query.id, query.data, _visit(f"press {query.id}", query.from_user, place), place)


def _read_message(message: Message, me: User) -> Said | None:
    person = message.from_user
    if person is None or person.is_bot or not message.text:
        return None
    place = Place(message.chat.id, reply_to=message.message_id, thread_id=_thread(message))
    # The message's own id, not the update's: it never comes again in its chat.
    said = Said(
        text=message.text,
        visit=_visit(f"{message.chat.id}:{message.message_id}", person, place),
        place=place,
        is_addressed=message.chat.type == ChatType.PRIVATE or _is_reply_to(message, me),
    )
    if command := _COMMAND.match(message.text):
        return _named(said, command, me)
    return _mentioned(said, message, me)


def _named(said: Said, command: re.Match[str], me: User) -> Said | None:
    """Take our name from ``/command@name``; a command with another bot's name is not meant for us."""
    if command["bot"] is None:
        return said
    if command["bot"].lower() != (me.username or "").lower():
        return None
    text = f"/{command['name']}{said.text[command.end() :]}"
    return replace(said, text=text, is_addressed=True)


def _mentioned(said: Said, message: Message, me: User) -> Said | None:
    """Take mentions of us out of the text; without any, a text nobody addressed to us is not meant."""
    units = (message.text or "").encode("utf-16-le", "surrogatepass")
    is_mentioned = False
    for entity in sorted(message.entities, key=lambda each: each.offset, reverse=True):
        start, end = 2 * entity.offset, 2 * (entity.offset + entity.length)  # Telegram counts UTF-16 units
        if _is_mention(entity, units[start:end].decode("utf-16-le", errors="ignore"), me):
            units = units[:start] + units[end:]
            is_mentioned = True
    if not (is_mentioned or said.is_addressed):
        return None
    text = units.decode("utf-16-le", errors="ignore").strip()
    return replace(said, text=text, is_addressed=True)


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


def _visit(event_id: str, person: User, place: Place) -> Visit:
    return Visit(
        platform=Platform.TELEGRAM,
        event_id=event_id,
        user_id=str(person.id),
        address=place.address(),
        locale=words.locale_of(person.language_code or ""),
        user_name=person.full_name,
    )
