"""The table of everything that Discord sends a bot: what is answered, how, and what is ignored, and why.

The adapter sorts each event by it; the table in the docstring of ``bot.chats.discord_`` is made from it.
Events are read as Discord wrote them, before discord.py makes objects of them.
"""

from dataclasses import dataclass
from enum import StrEnum
from textwrap import wrap
from typing import Any

from bot.commands.buttons import PRESS

Raw = dict[str, Any]
"""The ``d`` of a gateway event."""

DEFAULT, REPLY = 0, 19  # types of messages that a person wrote; all others are made by Discord
LORA_SUFFIX = ".safetensors"
WIDTH = 110  # of a line in the docstring


class Kind(StrEnum):
    """The kinds of events; the values are the table's first column."""

    DIRECT_TEXT = "text in a direct message"
    MENTION = "a channel message that mentions the bot, a reply with its mention on"
    LORA_FILE = "a .safetensors file, sent directly or with a mention"
    NO_TEXT = "a picture, sticker, voice message, poll, forward or file, likewise"
    SLASH = "a slash command, in a server, directly or in a person's own install"
    UNKNOWN_COMMAND = "a command of an older menu, a context menu"
    CANCEL = "a press of Cancel"
    REROLL = "a press of Reroll"
    OLD_BUTTON = "any other button or list, also of another version"
    FORM = "a submitted form"
    TYPING = "an option being typed (autocomplete)"
    NOT_MENTIONED = "a channel message without a mention, with @everyone or a role"
    MACHINE = "a message of a bot or a webhook, our own included"
    SYSTEM = "a system message: joined, pinned, boosted, called, thread made"
    EDITED = "an edited or deleted message"
    REPEATED = "an event that Discord sends twice"
    TOO_LATE = "an interaction that Discord no longer lets us acknowledge"
    MALFORMED = "an event that is not as Discord describes it, an unknown kind"


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
    Kind.DIRECT_TEXT: Rule("a sentence draws, a command does what its slash command does; one reply"),
    Kind.MENTION: Rule("the same; /mine, /link and private pictures are refused where others read along"),
    Kind.LORA_FILE: Rule("how a host adds a LoRA"),
    Kind.NO_TEXT: Rule("only text is accepted as input yet; also with text beside it, for it may matter"),
    Kind.SLASH: Rule("pictures in the channel, all else and every refusal to the person alone"),
    Kind.UNKNOWN_COMMAND: Rule("there is no such command; to the person alone"),
    Kind.CANCEL: Rule("its own message ends as cancelled; a refusal goes to the presser alone"),
    Kind.REROLL: Rule("a new answer, as visible as the message; a refusal goes to the presser alone"),
    Kind.OLD_BUTTON: Rule("it belongs to another version; to the presser alone"),
    Kind.FORM: Rule("the same; we show no forms"),
    Kind.TYPING: Rule("suggestions, none at worst"),
    Kind.NOT_MENTIONED: _ignored("not meant for the bot, and Discord withholds its text"),
    Kind.MACHINE: _ignored("two bots would answer each other for ever"),
    Kind.SYSTEM: _ignored("nobody wrote it"),
    Kind.EDITED: _ignored("its first wording was answered; link previews arrive as edits, too"),
    Kind.REPEATED: _ignored("it is answered once"),
    Kind.TOO_LATE: _ignored("Discord has told the person so; nothing is accepted or charged"),
    Kind.MALFORMED: _ignored("nobody can be answered; logged"),
}


_PRESSES = {"c": Kind.CANCEL, "r": Kind.REROLL}


def kind_of_message(raw: Raw, my_id: int) -> Kind:
    """Sort a MESSAGE_CREATE.

    Raises:
        KeyError, TypeError, ValueError: It is not as Discord describes a message.
    """
    author = raw["author"]
    if author.get("bot") or raw.get("webhook_id") or int(author["id"]) == my_id:
        return Kind.MACHINE
    if raw.get("type", DEFAULT) not in (DEFAULT, REPLY):
        return Kind.SYSTEM
    is_direct = raw.get("guild_id") is None
    if not is_direct and not any(int(one["id"]) == my_id for one in raw.get("mentions") or ()):
        return Kind.NOT_MENTIONED
    files = raw.get("attachments") or ()
    if any(str(file.get("filename", "")).lower().endswith(LORA_SUFFIX) for file in files):
        return Kind.LORA_FILE
    text = raw.get("content")
    if files or raw.get("message_snapshots") or raw.get("poll") or (is_direct and not text):
        return Kind.NO_TEXT
    return Kind.DIRECT_TEXT if is_direct else Kind.MENTION


def kind_of_interaction(raw: Raw) -> Kind:
    """Sort an INTERACTION_CREATE; whether a command is still known shows when it is read."""
    data = raw.get("data") or {}
    match raw.get("type"):
        case 2:
            return Kind.SLASH if data.get("type", 1) == 1 else Kind.UNKNOWN_COMMAND
        case 3:
            press = PRESS.fullmatch(str(data.get("custom_id", "")))
            return _PRESSES.get(press["action"], Kind.OLD_BUTTON) if press else Kind.OLD_BUTTON
        case 4:
            return Kind.TYPING
        case 5:
            return Kind.FORM
    return Kind.MALFORMED


def rendered() -> str:
    """The table as text, as the package's docstring shows it."""
    parts = []
    for title, is_answered in (("Answered:", True), ("Ignored on purpose:", False)):
        parts.append(title)
        for kind, rule in RULES.items():
            if rule.is_answered is is_answered:
                parts += wrap(f"* {kind}: {rule.then}", WIDTH, subsequent_indent="  ")
    return "\n".join(parts)
