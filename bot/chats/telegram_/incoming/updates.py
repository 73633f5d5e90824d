"""What an update says, as frozen values: who wrote or pressed what, and where."""

from dataclasses import dataclass

from bot.chats.telegram_.address import ChatAddress
from bot.chats.telegram_.incoming.event_kinds import UpdateKind
from bot.errors import PersonError
from bot.outcomes import CommandContext


@dataclass(frozen=True, slots=True)
class SentDocument:
    """A LoRA or a picture file in a chat. ``size`` is in bytes, 0 if Telegram does not say."""

    file_id: str
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class TextMessage:
    """A text for the bot, without the bot's own name.

    Attributes:
        document: The LoRA or picture file that it came with, or that it replies to.
        replied_to: Id of the bot's message that it replies to.
    """

    text: str
    context: CommandContext
    address: ChatAddress
    document: SentDocument | None = None
    replied_to: int | None = None


@dataclass(frozen=True, slots=True)
class ButtonPress:
    """A press of a button under a message of the bot.

    Attributes:
        is_own: The message answers the presser, as far as Telegram says.
        came_s: When it came, in seconds that never go back; 0 for a press that nobody timed.
    """

    query_id: str
    data: str
    context: CommandContext
    address: ChatAddress
    is_own: bool = True
    came_s: float = 0.0


@dataclass(frozen=True, slots=True)
class RejectedMessage:
    """A message for the bot that it cannot serve.

    Attributes:
        album: Id of its media group; empty outside albums. One answer covers all items of a group.
        file_name: Of a LoRA file; empty for other messages.
    """

    error: PersonError
    context: CommandContext
    address: ChatAddress
    album: str = ""
    file_name: str = ""


@dataclass(frozen=True, slots=True)
class BotAdded:
    """A person added the bot to a group."""

    context: CommandContext
    address: ChatAddress


@dataclass(frozen=True, slots=True)
class GroupMigrated:
    """A group became a supergroup and has a new id."""

    old_chat_id: int
    new_chat_id: int


@dataclass(frozen=True, slots=True)
class IgnoredUpdate:
    """An update that gets no answer, by the rule of its kind."""

    kind: UpdateKind


ParsedUpdate = TextMessage | ButtonPress | RejectedMessage | BotAdded | GroupMigrated | IgnoredUpdate
