"""The table of every kind of event that Discord can send: the bot answers it, or ignores it for a reason.

The adapter sorts each event by this table, before discord.py parses it. The docstring of
``bot.chats.discord_`` shows the table (``render_table``).
"""

from enum import StrEnum
from textwrap import wrap

from bot.chats.discord_.incoming.message_menus import MessageMenu
from bot.chats.event_table import EventRule, RawEvent, ignored, is_lora_file
from bot.commands.buttons import press_of
from bot.commands.values import Cancel, Command, Delete, Edit, LoraList, Mine, ShowQueue
from bot.errors import OldButton

DEFAULT, REPLY = 0, 19  # the types of messages that a person wrote; Discord itself makes all others
MESSAGE_COMMAND = 3  # the type of a command of a message's context menu
LINE_CHARS = 110  # of a line in the docstring
USER_FIELDS = ("id", "username", "discriminator", "avatar")  # which Discord documents as always present


class EventKind(StrEnum):
    """The kinds of events; the values are the first column of the table."""

    DIRECT_TEXT = "text in a direct message"
    MENTION = "a channel message that mentions the bot, a reply with its mention on"
    LORA_FILE = "a .safetensors file, in a direct message or with a mention"
    NO_TEXT = "a picture, sticker, voice message, poll, forward or file, in the same places"
    SLASH = "a slash command, in a server, a direct message or a person's own install"
    MESSAGE_MENU = "an entry of the context menu of a message"
    UNKNOWN_COMMAND = "a command or an entry of an older menu"
    IN_PLACE = "a press of Cancel, of Delete, of another page"
    EDIT = "a press of Edit"
    BUTTON = "a press of any other button of the bot, a choice of its lists"
    OLD_BUTTON = "a button or list of another version"
    FORM = "a sent form"
    TYPING = "an option that a person types (autocomplete)"
    NOT_MENTIONED = "a channel message without a mention, with @everyone or a role"
    MACHINE = "a message of a bot or a webhook, our own included"
    SYSTEM = "a system message: joined, pinned, boosted, called, thread made"
    EDITED = "an edited or deleted message"
    REPEATED = "an event that Discord sends twice"
    TOO_LATE = "an interaction that the bot can no longer acknowledge"
    MALFORMED = "an event that does not match Discord's documentation, an unknown kind"


EVENT_RULES: dict[EventKind, EventRule] = {
    EventKind.DIRECT_TEXT: EventRule(
        "a sentence is drawn, a command runs like in the menu; a reply to a picture is about it; one reply"
    ),
    EventKind.MENTION: EventRule("the same; the bot refuses /mine, /link and private pictures in public"),
    EventKind.LORA_FILE: EventRule("a host is offered to add it, others learn how hosts do"),
    EventKind.NO_TEXT: EventRule("the bot accepts only text, and says so; also if text is beside it"),
    EventKind.SLASH: EventRule("pictures in the channel; all else and every refusal for the person alone"),
    EventKind.MESSAGE_MENU: EventRule(
        "a form about the bot's own picture, or a refusal for the person alone"
    ),
    EventKind.UNKNOWN_COMMAND: EventRule("the command does not exist; for the person alone"),
    EventKind.IN_PLACE: EventRule("its own message changes or goes; a refusal for the presser alone"),
    EventKind.EDIT: EventRule("a form with the text of the job; a refusal for the presser alone"),
    EventKind.BUTTON: EventRule("a new answer, as visible as the message; a refusal for the presser alone"),
    EventKind.OLD_BUTTON: EventRule("it belongs to another version; for the presser alone"),
    EventKind.FORM: EventRule("like the command that it makes; a refusal gives the typed text back"),
    EventKind.TYPING: EventRule("suggestions, or an empty list"),
    EventKind.NOT_MENTIONED: ignored("it is not meant for the bot, and Discord withholds its text"),
    EventKind.MACHINE: ignored("two bots would answer each other without end"),
    EventKind.SYSTEM: ignored("no person wrote it"),
    EventKind.EDITED: ignored("the bot answered the first version; link previews arrive as edits, too"),
    EventKind.REPEATED: ignored("the bot answers it once"),
    EventKind.TOO_LATE: ignored("Discord has shown an error; the bot accepts and charges nothing"),
    EventKind.MALFORMED: ignored("nobody can be answered; logged"),
}


CHANGE_THEIR_MESSAGE = (Cancel, Delete, Mine, LoraList, ShowQueue)
"""Presses that change their own message."""

_PRESSES: dict[type[Command], EventKind] = {
    Edit: EventKind.EDIT,
    **dict.fromkeys(CHANGE_THEIR_MESSAGE, EventKind.IN_PLACE),
}


def kind_of_message(event: RawEvent, bot_id: int) -> EventKind:
    """Sort a MESSAGE_CREATE.

    Raises:
        KeyError, TypeError, ValueError: It does not match Discord's documentation of a message.
    """
    author = event["author"]
    if author.get("bot") or event.get("webhook_id") or int(author["id"]) == bot_id:
        return EventKind.MACHINE
    if event.get("type", DEFAULT) not in (DEFAULT, REPLY):
        return EventKind.SYSTEM
    is_direct = event.get("guild_id") is None
    if not is_direct and not any(int(one["id"]) == bot_id for one in event.get("mentions") or ()):
        return EventKind.NOT_MENTIONED
    files = event.get("attachments") or ()
    if any(is_lora_file(file.get("filename", "")) for file in files):
        return EventKind.LORA_FILE
    text = event.get("content")
    if files or event.get("message_snapshots") or event.get("poll") or (is_direct and not text):
        return EventKind.NO_TEXT
    return EventKind.DIRECT_TEXT if is_direct else EventKind.MENTION


def kind_of_interaction(event: RawEvent) -> EventKind:
    """Sort an INTERACTION_CREATE; the command tree finds out whether a command still exists."""
    data = event.get("data") or {}
    match event.get("type"):
        case 2:
            return _kind_of_command(data)
        case 3:
            return _kind_of_press(pressed_id(data))
        case 4:
            return EventKind.TYPING
        case 5:
            return EventKind.FORM
    return EventKind.MALFORMED


def pressed_id(data: RawEvent) -> str:
    """What a press means: the id of the button, or of the first choice of a list."""
    return str(next(iter(data.get("values") or ()), data.get("custom_id", "")))


def _kind_of_command(data: RawEvent) -> EventKind:
    if data.get("type", 1) == 1:
        return EventKind.SLASH
    is_known = data.get("type") == MESSAGE_COMMAND and data.get("name") in set(MessageMenu)
    return EventKind.MESSAGE_MENU if is_known else EventKind.UNKNOWN_COMMAND


def _kind_of_press(custom_id: str) -> EventKind:
    try:
        command = press_of(custom_id)
    except OldButton:
        return EventKind.OLD_BUTTON
    return _PRESSES.get(type(command), EventKind.BUTTON)


def require_answerable(event: RawEvent) -> None:
    """Check that an interaction names its person, and that its token can be part of an address.

    discord.py accepts an interaction without them and fails later, when the bot reads its person or answers.

    Raises:
        KeyError, TypeError, ValueError: It does not match Discord's documentation of an interaction.
    """
    person = event["member"]["user"] if int(event.get("guild_id") or 0) else event["user"]
    if missing := [name for name in USER_FIELDS if name not in person]:
        raise KeyError(*missing)
    if not (isinstance(event["token"], str) and event["token"].isascii()):
        raise TypeError("the token is not ASCII text")


def render_table() -> str:
    """The table as text, as the docstring of the package shows it."""
    lines = []
    for title, is_answered in (("Answered:", True), ("Ignored:", False)):
        lines.append(title)
        for kind, rule in EVENT_RULES.items():
            if rule.is_answered is is_answered:
                lines += wrap(f"* {kind}: {rule.action}", LINE_CHARS, subsequent_indent="  ")
    return "\n".join(lines)
