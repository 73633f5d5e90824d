"""What hosts learn of people: who waits for which job, who is banned, who is allowed."""

from dataclasses import dataclass, field

from bot.outcomes.hosting.service import Service
from engine.request import TimeEstimate


@dataclass(frozen=True, slots=True)
class Who:
    """A person as a host sees them.

    Attributes:
        identity: ``platform:user_id``.
        name: What the platform shows; may be empty.
    """

    identity: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class QueuedJob:
    """A job that waits or is drawn.

    Attributes:
        position: How many jobs are before it; None while it is drawn.
        wait: Time until it starts; None if it is unknown.
        typed: Empty for a private job.
        number: Its line on all pages of the queue, from 1.
    """

    job_id: str
    who: Who
    age_s: float
    width_px: int
    height_px: int
    count: int
    loras: tuple[str, ...]
    position: int | None
    wait: TimeEstimate | None = None
    typed: str = field(default="", repr=False)
    is_private: bool = False
    number: int = 1


@dataclass(frozen=True, slots=True)
class QueueListing:
    """A page of the jobs that are drawn and wait, in this order; ``more`` follow on the next pages.

    Attributes:
        cancelled: The job that a button of this page has just cancelled; empty for none. If it is still
            listed, it stops after its current step.
    """

    jobs: tuple[QueuedJob, ...]
    more: int
    service: Service
    page: int = 1
    cancelled: str = ""


@dataclass(frozen=True, slots=True)
class BanShown:
    """A person may not use the bot; ``until_s`` None: until a host ends it."""

    who: Who
    until_s: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class PersonBanned:
    """A host excluded a person, and ``ended`` of their jobs were ended and refunded."""

    ban: BanShown
    ended: int


@dataclass(frozen=True, slots=True)
class PersonUnbanned:
    """A person may use the bot again."""

    who: Who


@dataclass(frozen=True, slots=True)
class BanListing:
    """Everybody who may not use the bot."""

    bans: tuple[BanShown, ...]


@dataclass(frozen=True, slots=True)
class CreditsGranted:
    """A host gave a person ``credits``, or took them; they have ``left`` now."""

    who: Who
    credits: int
    left: int


@dataclass(frozen=True, slots=True)
class DailyCreditsGranted:
    """A host gives a person ``daily`` credits a day; ``until_s`` None: that has ended."""

    who: Who
    daily: int
    until_s: int | None


@dataclass(frozen=True, slots=True)
class AccessChanged:
    """The bot serves a chat, a server or a person, as ``platform:id``; or no longer."""

    subject: str
    is_allowed: bool


@dataclass(frozen=True, slots=True)
class AccessListing:
    """What the bot serves, as ``platform:id``: by the settings, and since by hosts in chats."""

    in_settings: tuple[str, ...]
    in_chats: tuple[str, ...]
