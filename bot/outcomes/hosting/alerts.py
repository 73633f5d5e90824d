"""Alerts: what is wrong with the bot and needs a host, and that it is over."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bot.outcomes.places import Platform

Fact = str | int


class AlertKind(StrEnum):
    """What can be wrong.

    WORKER_LOST          the drawing process has ended again and again
    WORKER_CANNOT_START  no drawing process starts
    NOTHING_DRAWN        jobs wait, and nothing is drawn
    DISK_LOW             the disk has less free than its reserve: nothing is drawn
    BACKUP_OVERDUE       the newest backup is too old
    CHAT_OFFLINE         a platform cannot be reached
    OUT_OF_MEMORY        jobs have failed again and again because the card's memory did not suffice
    DATABASE_FAULTY      the daily check of the database found faults
    """

    WORKER_LOST = "worker_lost"
    WORKER_CANNOT_START = "worker_cannot_start"
    NOTHING_DRAWN = "nothing_drawn"
    DISK_LOW = "disk_low"
    BACKUP_OVERDUE = "backup_overdue"
    CHAT_OFFLINE = "chat_offline"
    OUT_OF_MEMORY = "out_of_memory"
    DATABASE_FAULTY = "database_faulty"


@dataclass(frozen=True, slots=True)
class Alert:
    """A message about one condition, for the private chat of one host.

    Attributes:
        id: The same message has the same id, so that a chat can recognise a repetition.
        facts: For its sentence: counts, minutes, mebibytes, the name of a platform.
        lasted_s: None while the condition lasts; else how long it did.
    """

    id: int
    platform: Platform
    user_id: str
    locale: str
    kind: AlertKind
    facts: Mapping[str, Fact]
    lasted_s: float | None = None
