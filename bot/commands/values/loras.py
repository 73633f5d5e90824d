"""Commands about the shelf."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from bot.commands.values.drawing import LoraWish


@dataclass(frozen=True, slots=True)
class LoraList:
    """Show one page of the shelf; ``search`` is compared with names, titles and their pinyin."""

    search: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class LoraInfo:
    """Show what is known of one LoRA, and how it changes a picture."""

    name: str


class Scope(StrEnum):
    """Where a default applies: in this chat, or in all chats without their own."""

    CHAT = "chat"
    BOT = "bot"


@dataclass(frozen=True, slots=True)
class LoraSwitch:
    """Make a LoRA the default; hosts only.

    The name ``none`` means no LoRA; ``default`` returns a chat to the default of the bot.
    """

    lora: LoraWish
    scope: Scope = Scope.CHAT


ReadFile = Callable[[], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file that a person sent to a chat.

    Attributes:
        size: In bytes, as the platform says.
        url: Its address at the file server of Discord; empty elsewhere.
        read: Reads it for a platform that gives files to the bot alone, which are small there.
    """

    name: str
    size: int
    url: str = field(default="", repr=False)
    read: ReadFile | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class LoraAdd:
    """Put a file on the shelf, from a link or from the chat; hosts only."""

    link: str = ""
    file: SentFile | None = None


@dataclass(frozen=True, slots=True)
class LoraOffer:
    """A LoRA file was sent without a command; hosts learn how to add it."""

    name: str


@dataclass(frozen=True, slots=True)
class LoraRemove:
    """Delete a file of the shelf; hosts only. Waiting jobs keep it."""

    name: str


@dataclass(frozen=True, slots=True)
class LoraCheck:
    """Check a file of the shelf again, with a trial picture; hosts only."""

    name: str


@dataclass(frozen=True, slots=True)
class LoraReload:
    """Read the LoRA folder now; hosts only."""


@dataclass(frozen=True, slots=True)
class LoraAllow:
    """Let a person or a chat use a LoRA; without either, everybody again who might before it was withdrawn.

    Attributes:
        person: A mention, an id, or ``platform:user_id``.
        chat: The same of a chat, or ``here``.
    """

    lora: str
    person: str = ""
    chat: str = ""


@dataclass(frozen=True, slots=True)
class LoraRevoke:
    """Take a LoRA back from a person or a chat, as in ``LoraAllow``; without either, from everybody."""

    lora: str
    person: str = ""
    chat: str = ""


LoraCommand = (
    LoraList
    | LoraInfo
    | LoraSwitch
    | LoraAllow
    | LoraRevoke
    | LoraAdd
    | LoraOffer
    | LoraRemove
    | LoraCheck
    | LoraReload
)
