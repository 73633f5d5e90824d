"""What the desk answers: frozen facts, no sentences. ``bot.messages`` says them in a person's language."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from bot.commands.values import Help, Scope
from engine.demo.vocabulary import UnknownFeature
from engine.request import FailReason, LoraChoice, Picture, TimeEstimate


class Platform(StrEnum):
    """The chats we speak; the values stand in the database."""

    CONSOLE = "console"
    WEB = "web"
    DISCORD = "discord"
    TELEGRAM = "telegram"


@dataclass(frozen=True, slots=True)
class Address:
    """Where an answer goes. Only the chat that wrote ``ref`` reads it.

    Attributes:
        chat_id: The Discord channel or Telegram chat, as the platform writes it.
        ref: The adapter's own JSON: message id, thread, interaction token with its expiry, …
    """

    platform: Platform
    chat_id: str
    ref: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class CommandContext:
    """Who asks, where, and by which message: what a chat knows beside the command.

    Attributes:
        event_id: The platform's id of this very message or press; the same id twice makes one job.
        user_id: The platform's id of the person.
        user_name: For people to read; not an identity.
        locale: ``en`` or ``zh-CN``.
        is_chat_admin: The platform says this person administers this chat (not yet a host of the bot).
        space_id: The Discord guild, for allow-lists; empty elsewhere.
        is_group: Several people read the answer.
        private_address: Where only the person reads, if the chat can write there; for private pictures that
            are asked for in a group.
    """

    platform: Platform
    event_id: str
    user_id: str
    address: Address
    locale: str = "en"
    user_name: str = ""
    is_chat_admin: bool = False
    space_id: str = ""
    is_group: bool = False
    private_address: Address | None = None


@dataclass(frozen=True, slots=True)
class LoraSummary:
    """One LoRA of the shelf as people see it.

    Attributes:
        titles: Locale → what people call it, e.g. ``{"en": "Sugar face", "zh-CN": "Sugar 面部"}``.
        trigger: The word that is put before the prompt; empty when none is needed.
        weight: The recommended strength.
    """

    name: str
    titles: dict[str, str]
    trigger: str
    weight: float


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that makes a picture again, as a job stored it."""

    prompt: str = field(repr=False)
    loras: tuple[LoraChoice, ...]
    width_px: int
    height_px: int
    seed: int
    count: int
    steps: int


@dataclass(frozen=True, slots=True)
class SizeChanged:
    """The picture gets a size other than the one asked for.

    Attributes:
        asked: As ``1000x1000`` or ``16:9``.
    """

    asked: str
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class UnknownWords:
    """Words of the prompt that the built-in model does not know; ``is_all``: it knows none of them."""

    words: tuple[str, ...] = field(repr=False)
    is_all: bool


Note = SizeChanged | UnknownFeature | UnknownWords
"""What a person should know of a request that is accepted nevertheless."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The job is accepted, charged and stored.

    Attributes:
        position: How many jobs run or wait before it; 0 means it is next.
        wait: Until it begins; None while nothing was measured, or the model still loads.
        is_loading: The model still loads; nothing begins before it has.
        repeated: This very message was accepted before; nothing new was made.
        address: Where the answer stands now, as ``Desk.moved`` last stored it, for a ``repeated`` one; a chat
            sees there whether its placeholder was sent before a crash.
        notes: What is drawn otherwise than asked, and what the model does not know.
    """

    job_id: str
    recipe: Recipe
    price: int
    credits_left: int
    position: int
    wait: TimeEstimate | None = None
    is_loading: bool = False
    repeated: bool = False
    address: Address | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """A waiting job is cancelled (``refund`` is back), or a running one stops after its current step."""

    job_id: str
    was_running: bool
    refund: int = 0


@dataclass(frozen=True, slots=True)
class CreditBalance:
    """What the person may still draw. ``renews_at_s`` is unix time, UTC."""

    credits: int
    daily: int
    renews_at_s: int


@dataclass(frozen=True, slots=True)
class LinkCode:
    """What the person types in the other chat, within so many minutes."""

    code: str = field(repr=False)
    minutes: int


@dataclass(frozen=True, slots=True)
class LinkAsked:
    """Whose code it is; the same code once more joins who asks to them."""

    code: str = field(repr=False)
    platform: Platform
    name: str


@dataclass(frozen=True, slots=True)
class Linked:
    """Who asks is now one person on these platforms, with so many credits."""

    platforms: tuple[Platform, ...]
    credits: int


@dataclass(frozen=True, slots=True)
class Unlinked:
    """Who asks begins anew on this platform; all there was stays with the others."""

    platform: Platform


class JobState(StrEnum):
    """Where a job stands. Values equal the CHECK list of job.state in migrations/0001.

    QUEUED    accepted and paid; waits for the card
    RUNNING   claimed; the worker draws it
    DONE      every picture exists; delivery may still be under way
    FAILED    given up; the pictures that are missing are refunded
    CANCELLED stopped by a person; the pictures that are missing are refunded
    """

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen but delivery."""
        return self in (JobState.DONE, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture on disk: a complete PNG with its settings inside."""

    index: int
    seed: int
    path: Path


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One of the person's jobs; ``missing`` of its pictures have expired and left the disk."""

    job_id: str
    state: JobState
    created_at_ms: int
    recipe: Recipe
    pictures: tuple[PictureFile, ...] = ()
    missing: int = 0


@dataclass(frozen=True, slots=True)
class History:
    """The person's newest jobs, newest first.

    Attributes:
        hidden: How many of the newest are left out because others read the answer: private ones, and those of
            other chats.
    """

    entries: tuple[HistoryEntry, ...]
    hidden: int = 0


@dataclass(frozen=True, slots=True)
class Originals:
    """A job's pictures, to be sent as files; those that the host has deleted are left out."""

    job_id: str
    pictures: tuple[PictureFile, ...]


@dataclass(frozen=True, slots=True)
class LoraListing:
    """The LoRAs there are, and which is the default here (empty: none)."""

    cards: tuple[LoraSummary, ...]
    default: str


@dataclass(frozen=True, slots=True)
class LoraSwitched:
    """The default LoRA is changed. Waiting jobs keep theirs."""

    lora: str
    weight: float
    scope: Scope


@dataclass(frozen=True, slots=True)
class HelpWithVocabulary:
    """Help, for a model that knows few words: ``lines`` of them in the person's language."""

    lines: tuple[str, ...]


Outcome = (
    Receipt
    | CancelAsked
    | CreditBalance
    | History
    | Originals
    | LinkCode
    | LinkAsked
    | Linked
    | Unlinked
    | LoraListing
    | LoraSwitched
    | Help
    | HelpWithVocabulary
)


@dataclass(frozen=True, slots=True)
class Status:
    """A job that has not ended, for the placeholder; a newer one replaces it.

    Attributes:
        position: Jobs before it; None once it is being drawn.
        wait: Until it begins; None while unknown or drawing.
        is_loading: The model still loads; nothing begins before it has.
        index: The picture being drawn, from 0; ``step`` of ``steps`` is done.
        pictures: Those of the job that are complete, in memory; a try that is lost draws them again.
    """

    job_id: str
    address: Address
    locale: str
    count: int
    position: int | None
    wait: TimeEstimate | None = None
    is_loading: bool = False
    index: int = 0
    step: int = 0
    steps: int = 0
    pictures: tuple[Picture, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class JobResult:
    """An ended job on its way to the person. Delivering it twice must show it once.

    Attributes:
        state: DONE, FAILED or CANCELLED; the last two may still carry pictures.
        fail: Why, when FAILED.
        refund: Credits given back.
        notes: What the model did not know of the prompt.
        missing: Drawn pictures whose files are no longer on the disk.
    """

    job_id: str
    address: Address
    user_id: str
    user_name: str
    locale: str
    private: bool
    state: JobState
    recipe: Recipe
    pictures: tuple[PictureFile, ...]
    price: int
    refund: int
    credits_left: int
    seconds: float
    fail: FailReason | None = None
    notes: tuple[Note, ...] = ()
    missing: int = 0


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """The queue at one moment, for a panel.

    Attributes:
        waiting: Jobs that wait for the card.
        drawing: The job on the card; empty when it is idle.
        step: Of ``steps`` done in its present picture.
        default_lora: Used wherever no chat has its own; empty means none.
    """

    waiting: int
    drawing: str
    step: int
    steps: int
    default_lora: str


class RetryLater(Exception):
    """The platform takes no more for a while; the result is tried again then.

    Attributes:
        after_s: Seconds from now.
    """

    def __init__(self, reason: str, after_s: float) -> None:
        super().__init__(reason)
        self.after_s = after_s


class Undeliverable(Exception):
    """This result can never be delivered to its address; the desk keeps it for ``/mine``."""
