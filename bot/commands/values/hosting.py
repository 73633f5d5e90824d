"""What hosts decide and see of people and the queue, and what everybody sees of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ShowStatus:
    """Show what the bot does now, and the person's own jobs."""


@dataclass(frozen=True, slots=True)
class PauseDrawing:
    """Draw nothing until ``ResumeDrawing``; requests are accepted and wait. Hosts only."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class DrainQueue:
    """Draw what waits, and refuse new requests until ``ResumeDrawing``. Hosts only."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class ResumeDrawing:
    """Draw and take requests again; hosts only."""


@dataclass(frozen=True, slots=True)
class ShowQueue:
    """Show who waits for which job; hosts only."""

    page: int = 1


@dataclass(frozen=True, slots=True)
class ShowStatistics:
    """Show what happened in the last ``days``; hosts only."""

    days: int = 1


@dataclass(frozen=True, slots=True)
class Diagnose:
    """Check the set-up while the bot runs; hosts only."""


@dataclass(frozen=True, slots=True)
class BanPerson:
    """Exclude a person; without one, show who is excluded. Hosts only.

    Attributes:
        person: A mention, an id, ``platform:user_id``, the id of a job, or a name.
        duration_s: None: until ``UnbanPerson``.
    """

    person: str = ""
    duration_s: int | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class UnbanPerson:
    """Let a person use the bot again; ``person`` as in ``BanPerson``. Hosts only."""

    person: str


@dataclass(frozen=True, slots=True)
class GrantCredits:
    """Give a person credits, or take them; with ``days``, so many each day. Hosts only.

    Attributes:
        person: As in ``BanPerson``.
        credits: Negative: take them, as far as there are any.
        days: None: at once. 0: no more credits a day than usual.
    """

    person: str
    credits: int
    days: int | None = None


@dataclass(frozen=True, slots=True)
class AllowAccess:
    """Serve a chat, a server or, in private chats, a person; without one, show what is served. Hosts only.

    Attributes:
        subject: ``here``, a mention, an id, or ``platform:id``.
    """

    subject: str = ""


@dataclass(frozen=True, slots=True)
class DisallowAccess:
    """Serve it no longer; ``subject`` as in ``AllowAccess``. Hosts only."""

    subject: str


@dataclass(frozen=True, slots=True)
class ListPeople:
    """Show people with their credits, jobs and bans; hosts only. ``search``: a part of a name or an id."""

    search: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class ListHostActions:
    """Show what hosts did, the newest first; hosts only."""

    page: int = 1


HostingCommand = (
    ShowStatus
    | PauseDrawing
    | DrainQueue
    | ResumeDrawing
    | ShowQueue
    | Diagnose
    | ShowStatistics
    | BanPerson
    | UnbanPerson
    | GrantCredits
    | AllowAccess
    | DisallowAccess
    | ListPeople
    | ListHostActions
)
