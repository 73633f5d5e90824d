"""What stands in the database, as frozen values; the desk gives them their meaning.

A job's ``state`` and ``fail`` are the desk's and the engine's words, which the schema checks; this room does
not import the desk.
"""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum

from engine.request import LoraChoice


class LedgerKind(StrEnum):
    """Why credits moved. Values equal the CHECK list of ledger.kind in migrations/0001.

    ALLOWANCE the day's filling up · CHARGE a job's price, negative · REFUND of pictures that were not made ·
    GRANT a host's gift, or a correction.
    """

    ALLOWANCE = "allowance"
    CHARGE = "charge"
    REFUND = "refund"
    GRANT = "grant"


class OutboxState(StrEnum):
    """Where an ended job's result stands. Values equal the CHECK list of outbox.state in migrations/0001.

    READY   not tried yet
    SENDING being delivered by this process
    MAYBE   tried; it may have arrived, so it is tried again at the same message
    SENT    arrived
    KEPT    it cannot arrive there; waits for ``/mine``
    """

    READY = "ready"
    SENDING = "sending"
    MAYBE = "maybe"
    SENT = "sent"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be accepted: all that is known before it has an order."""

    id: str
    person: int
    platform: str
    chat_id: str
    ref: str = field(repr=False)
    locale: str
    private: bool
    prompt: str = field(repr=False)
    loras: tuple[LoraChoice, ...]
    width_px: int
    height_px: int
    seed: int
    count: int
    steps: int
    price: int
    created_ms: int


@dataclass(frozen=True, slots=True)
class JobRow(NewJob):
    """A job as it stands."""

    state: str
    attempt: int
    accepted_order: int
    started_ms: int | None
    ended_ms: int | None
    fail: str | None
    cancel_requested: bool
    lease: str | None


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One finished picture; ``file_name`` lies within the pictures folder."""

    job: str
    idx: int
    seed: int
    file_name: str


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A person's credits; ``given`` of the allowance was given until ``renews_at_s`` (unix seconds).

    ``given`` is None where that was before it was kept.
    """

    credits: int
    renews_at_s: int
    given: int | None


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """What a result says beside its job: to whom, and how the money ended."""

    user_id: str
    user_name: str
    refund: int
    credits: int


@dataclass(frozen=True, slots=True)
class ClaimedRow:
    """A result this process now delivers, for the ``attempts``-th time."""

    job: str
    attempts: int


@dataclass(frozen=True, slots=True)
class InboxRow:
    """A chat's event that waits for its answer to be sent; ``answer`` is the desk's JSON, None before it."""

    answer: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class LinkCodeRow:
    """A code that joins two people.

    Attributes:
        person: Who asked for it or, once used, whom both became.
        typed_by: The identity (``platform:user_id``) that has it, by the message ``typed_event``.
        platform: Where who asked is known by ``name``.
    """

    person: int
    typed_by: str | None
    typed_event: str | None
    used: bool
    platform: str
    name: str


@dataclass(frozen=True, slots=True)
class DefaultLora:
    """The LoRA a picture gets when nobody named one; an empty name means none."""

    lora: str
    weight: float


def job_of(row: sqlite3.Row) -> JobRow:
    """The job in this row of table job."""
    values = dict(row)
    values["loras"] = tuple(LoraChoice(**lora) for lora in json.loads(values["loras"]))
    values["private"] = bool(values["private"])
    values["cancel_requested"] = bool(values["cancel_requested"])
    return JobRow(**values)


def loras_json(loras: Sequence[LoraChoice]) -> str:
    """The LoRAs as column job.loras holds them."""
    return json.dumps([asdict(lora) for lora in loras], ensure_ascii=False)
