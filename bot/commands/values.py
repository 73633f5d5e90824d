"""The commands, as frozen values that know no platform."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

MAX_COUNT = 4
MAX_WEIGHT = 2.0
MAX_TOTAL_WEIGHT = 2.0  # of all LoRAs of a picture: more damages the pictures of a distilled model


@dataclass(frozen=True, slots=True)
class Ratio:
    """A shape, such as ``2:3``; the model's native area gives the pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PixelSize:
    """An exact size, such as ``512x768``."""

    width_px: int
    height_px: int


Size = Ratio | PixelSize


@dataclass(frozen=True, slots=True)
class LoraWish:
    """A LoRA as a person names it; ``weight`` None means the strength that the LoRA recommends.

    The name ``none`` means no LoRA, even if the chat has a default. An empty name means the chat's default
    LoRA at this weight, or no LoRA without a default.
    """

    name: str
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Face:
    """The five face slots of ``/sugar``, as the person wrote them; empty means not given."""

    skin: str = ""
    blush: str = ""
    lips: str = ""
    eyes: str = ""
    lashes: str = ""


@dataclass(frozen=True, slots=True)
class Draw:
    """Draw ``count`` pictures of this prompt.

    Attributes:
        loras: Empty for the chat's default.
        size: None for the model's native size.
        seed: None for a new one, which the answer names.
        private: Only the person sees the answer, if the platform supports that.
    """

    prompt: str = field(default="", repr=False)
    face: Face = field(default=Face(), repr=False)
    loras: tuple[LoraWish, ...] = ()
    size: Size | None = None
    seed: int | None = None
    count: int = 1
    private: bool = False


@dataclass(frozen=True, slots=True)
class Reroll:
    """Draw an earlier job again with a new seed."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop a job; without ``job_id``, the person's newest unfinished job."""

    job_id: str = ""


@dataclass(frozen=True, slots=True)
class Mine:
    """Show the person's newest jobs, and deliver kept results again."""

    limit: int = 5


@dataclass(frozen=True, slots=True)
class Original:
    """Send a job's pictures as uncompressed files that contain their settings."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Quota:
    """Show how many credits are left and when they renew."""


@dataclass(frozen=True, slots=True)
class Link:
    """Link two chats to one person; without ``code``, issue a code to type in the other chat."""

    code: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Unlink:
    """Become a separate person in this chat."""


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


@dataclass(frozen=True, slots=True)
class Help:
    """Show what the bot can do."""


@dataclass(frozen=True, slots=True)
class ShowCard:
    """Show the card: its last hour, the plan and recent errors; hosts only."""


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

Command = Draw | Reroll | Cancel | Mine | Original | Quota | Link | Unlink | LoraCommand | ShowCard | Help

LONG_COMMANDS = (LoraInfo, LoraSwitch, LoraAdd, LoraRemove, LoraCheck, LoraReload)
"""Commands that may draw or download before they answer: seconds to minutes."""
