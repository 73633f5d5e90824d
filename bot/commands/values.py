"""What a person can ask for, as frozen values with no platform in them."""

from dataclasses import dataclass, field
from enum import StrEnum

MAX_COUNT = 4
MAX_WEIGHT = 2.0
MAX_TOTAL_WEIGHT = 2.0  # of all LoRAs of a picture: a distilled model bears no more than one at its strongest


@dataclass(frozen=True, slots=True)
class Ratio:
    """A shape without a size, as in ``2:3``; the model's native area gives the pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PixelSize:
    """An exact size, as in ``512x768``."""

    width_px: int
    height_px: int


Size = Ratio | PixelSize


@dataclass(frozen=True, slots=True)
class LoraWish:
    """A LoRA as a person named it; ``weight`` None means the LoRA's own recommended strength.

    The name ``none`` asks for no LoRA at all, also where the chat has a default. An empty name is the chat's
    default LoRA, at this weight; where there is no default it draws without one.
    """

    name: str
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Face:
    """The five face slots of ``/sugar``, in the words of the person; empty means unsaid."""

    skin: str = ""
    blush: str = ""
    lips: str = ""
    eyes: str = ""
    lashes: str = ""


@dataclass(frozen=True, slots=True)
class Draw:
    """Draw ``count`` pictures of this prompt.

    Attributes:
        loras: Empty means: the chat's default.
        size: None means: the model's native size.
        seed: None means: a new one, told in the answer.
        private: Only the person sees the answer, where the platform can do that.
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
    """Draw an earlier job again, all the same but for a new seed."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop a job; without ``job_id`` the person's newest that has not ended."""

    job_id: str = ""


@dataclass(frozen=True, slots=True)
class Mine:
    """Show the person's newest jobs, and deliver again what could not be delivered."""

    limit: int = 5


@dataclass(frozen=True, slots=True)
class Original:
    """Send a job's pictures as files, uncompressed and with their settings inside."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Quota:
    """Say how many credits are left and when they renew."""


@dataclass(frozen=True, slots=True)
class Link:
    """Be one person in two chats; without ``code`` the person is given one to type in the other chat."""

    code: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Unlink:
    """Be somebody else in this chat than in the others."""


@dataclass(frozen=True, slots=True)
class LoraList:
    """Show the shelf."""


class Scope(StrEnum):
    """Where a default holds: in this chat, or wherever no chat has its own."""

    CHAT = "chat"
    BOT = "bot"


@dataclass(frozen=True, slots=True)
class LoraSwitch:
    """Make a LoRA the default; hosts only. The name ``none`` means no LoRA."""

    lora: LoraWish
    scope: Scope = Scope.CHAT


@dataclass(frozen=True, slots=True)
class Help:
    """Say what the bot can do."""


Command = Draw | Reroll | Cancel | Mine | Original | Quota | Link | Unlink | LoraList | LoraSwitch | Help
