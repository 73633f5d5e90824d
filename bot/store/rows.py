"""Rows of the database as frozen values.

``bot.outcomes`` and ``engine.request`` define the values of a job's ``state`` and ``fail``; the schema checks
them.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from bot.outcomes import Lineage, Recipe
from engine.shelf import Sidecar


class LedgerKind(StrEnum):
    """Why credits moved. Values equal the CHECK list of ledger.kind in migrations/0001.

    ALLOWANCE the daily renewal · CHARGE a job's price, negative · REFUND of pictures that were not made ·
    GRANT by a host or another person, or a correction.
    """

    ALLOWANCE = "allowance"
    CHARGE = "charge"
    REFUND = "refund"
    GRANT = "grant"


class OutboxState(StrEnum):
    """The delivery state of a result. Values equal the CHECK list of outbox.state in migrations/0001.

    READY   not tried yet
    SENDING being delivered by this process
    MAYBE   tried; it may have arrived, so the retry edits the same message
    SENT    arrived
    KEPT    the chat cannot receive it; it waits for ``/mine``
    """

    READY = "ready"
    SENDING = "sending"
    MAYBE = "maybe"
    SENT = "sent"
    KEPT = "kept"


class GrantKind(StrEnum):
    """Whom a decision about a LoRA concerns. Values equal the CHECK list of lora_grant.kind."""

    PERSON = "person"
    CHAT = "chat"


@dataclass(frozen=True, slots=True)
class GrantRow:
    """A decision whether one person or chat may use a LoRA.

    Attributes:
        lora: The name as ``bot.commands.text.normalize`` returns it.
        subject: ``platform:user_id`` or ``platform:chat_id``.
    """

    lora: str
    kind: GrantKind
    subject: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class StatedRow:
    """What was stated last about one content of one LoRA.

    Attributes:
        name: The LoRA's, as it was when this was stated.
        sidecar: Only its rights: whose it is, who may use it, and until when.
    """

    name: str
    sha256: str
    sidecar: Sidecar


@dataclass(frozen=True, slots=True)
class UseCount:
    """How often a LoRA was used: jobs with pictures, these pictures, and different people."""

    lora: str
    jobs: int
    pictures: int
    people: int


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job before it is accepted.

    Attributes:
        asked_in: As ``bot.policy.rules.chats_of`` returns it.
        spoiler: Its pictures are hidden until somebody opens them.
        request: Hash of what was asked for, and where; empty if the same again is meant.
        asked_ref: The adapter's JSON of the chat of the request, if the answer goes elsewhere.
        lineage: From which job it continues.
        asked_size: As in ``SizeChanged``; empty if the pictures have the size that was asked for.
    """

    id: str
    person: int
    platform: str
    chat_id: str
    ref: str = field(repr=False)
    locale: str
    private: bool
    recipe: Recipe
    price: int
    created_ms: int
    asked_in: tuple[str, ...]
    spoiler: bool
    request: str
    asked_ref: str = field(default="", repr=False, kw_only=True)
    lineage: Lineage | None = field(default=None, kw_only=True)
    asked_size: str = field(default="", kw_only=True)


@dataclass(frozen=True, slots=True)
class JobRow(NewJob):
    """A stored job; ``deleted_ms`` is when its pictures and its text were deleted."""

    state: str
    attempt: int
    accepted_order: int
    started_ms: int | None
    ended_ms: int | None
    fail: str | None
    cancel_requested: bool
    lease: str | None
    deleted_ms: int | None = None


class PictureForm(StrEnum):
    """What the file of a picture is.

    ORIGINAL  as it was drawn
    SMALL     an original that needs no preview
    PREVIEW   a small copy in the original's place
    EXPIRED   gone, because its time was over
    """

    ORIGINAL = "original"
    SMALL = "small"
    PREVIEW = "preview"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One finished picture.

    Attributes:
        sha256: Of its file; empty for one that has expired, and for files from before migration 0022.
        earlier_name: Of a file from before migration 0026 that is not renamed yet.
    """

    job: str
    idx: int
    seed: int
    sha256: str
    form: PictureForm = PictureForm.ORIGINAL
    earlier_name: str = ""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A person's credits; ``given`` of the allowance counts until ``renews_at_s`` (unix seconds).

    Attributes:
        given: None in accounts from before migration 0002.
        granted: What a host gave the person a day, until ``granted_until_ms``; 0 for nothing.
    """

    person: int
    credits: int
    renews_at_s: int
    given: int | None
    granted: int = 0
    granted_until_ms: int = 0


@dataclass(frozen=True, slots=True)
class ResultRow:
    """A job's result: the job, its pictures, the receiver, the refund, and the credits after it."""

    job: JobRow
    pictures: tuple[PictureRow, ...]
    user_id: str
    user_name: str
    refund: int
    credits: int


@dataclass(frozen=True, slots=True)
class ReportRow:
    """A job that people reported: by whom and when last, and by how many people."""

    job: str
    typed: str = field(repr=False)
    drawn_by: str
    reported_by: str
    at_ms: int
    reports: int


@dataclass(frozen=True, slots=True)
class TakenResult:
    """A result that this process delivers now; ``attempts`` counts this delivery too."""

    job: str
    attempts: int


@dataclass(frozen=True, slots=True)
class OwnerReportRow:
    """A report that this process delivers now; ``attempts`` counts this delivery too."""

    id: int
    user_id: str
    period: str
    content: str
    attempts: int
    locale: str


@dataclass(frozen=True, slots=True)
class EventRow:
    """What became of an event.

    Attributes:
        is_stored: A chat stored it, and it is not settled.
        answer: The desk's JSON, while the event is stored; None before it is handled.
        job: The job that it made; None for none.
    """

    is_stored: bool
    answer: str | None = field(repr=False)
    job: str | None


@dataclass(frozen=True, slots=True)
class LinkCodeRow:
    """A code that links two people.

    Attributes:
        person: The person who asked for it or, once used, the merged person.
        typed_by: The identity (``platform:user_id``) that typed it first, in the message ``typed_event``.
        platform: Where the person who asked has the name ``name``.
    """

    person: int
    typed_by: str | None
    typed_event: str | None
    used: bool
    platform: str
    name: str


@dataclass(frozen=True, slots=True)
class DefaultLora:
    """The LoRA of a picture whose command names none; an empty name means no LoRA."""

    lora: str
    weight: float
