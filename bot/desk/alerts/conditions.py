"""What is wrong with the bot, by its health at one moment.

A condition that was reported lasts until its limit is passed by some distance, so that a value near the limit
makes no series of messages.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bot.outcomes import AlertKind, Platform
from bot.outcomes.hosting.alerts import Fact

WINDOW_S = 3_600.0  # in which ends of workers and lacks of memory are counted
MOST_LOSSES = 3
MOST_FAILED_STARTS = 3
MOST_OUT_OF_MEMORY = 3
STUCK_S = 900.0
OFFLINE_S = 300.0
BACKUP_AGE_S = 26 * 3_600.0  # a day, and two more tries
SETTLED_S = 3_600.0  # a bot that was off for days has made its backup by then
DISK_SLACK = 1.1
MIB = 2**20

Key = tuple[AlertKind, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """The bot's health at one moment; durations count back from it.

    Attributes:
        up_s: Since the start of the bot.
        losses: Ends of workers that nobody wanted, within ``WINDOW_S``; failed starts count.
        failed_starts: Of workers, in a row.
        can_draw: A worker is ready, moves or has given an idle card back.
        waiting: Jobs that wait; 0 while a host holds them.
        longest_wait_s: Of the job that waits longest.
        is_drawing: A job is drawn now; if it hangs, its worker is lost.
        drawn_ago_s: Since the last job with pictures; None before the first.
        free_bytes, needed_bytes: Of the disk: what is free, and what must be; None if it cannot be measured.
        backup_age_s: Age of the newest backup; without one, the time since the start.
        offline_s: How long each chat has been without its platform; 0 while it is online.
        out_of_memory: Jobs that ended for lack of memory, within ``WINDOW_S``.
        faults: That the last check of the database found; None before the first of this run.
    """

    up_s: float
    losses: int = 0
    failed_starts: int = 0
    can_draw: bool = True
    waiting: int = 0
    longest_wait_s: float = 0.0
    is_drawing: bool = False
    drawn_ago_s: float | None = None
    free_bytes: int | None = None
    needed_bytes: int = 0
    backup_age_s: float = 0.0
    offline_s: Mapping[Platform, float] = field(default_factory=dict)
    out_of_memory: int = 0
    faults: int | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is wrong; ``subject`` is the platform of an offline chat, else empty."""

    kind: AlertKind
    subject: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Two conditions with the same key are the same at different times."""
        return (self.kind, self.subject)


def conditions_of(health: Health, reported: frozenset[Key]) -> tuple[Condition, ...]:
    """Return what is wrong; ``reported`` conditions end later than they begin."""
    return (*_of_worker(health, reported), *_of_storage(health, reported), *_of_chats(health, reported))


def _of_worker(health: Health, reported: frozenset[Key]) -> Iterator[Condition]:
    is_down = (AlertKind.WORKER_CANNOT_START, "") in reported and not health.can_draw
    cannot_start = health.failed_starts >= MOST_FAILED_STARTS or is_down
    if cannot_start:
        yield Condition(AlertKind.WORKER_CANNOT_START)
    if health.losses >= MOST_LOSSES and not cannot_start:
        yield Condition(AlertKind.WORKER_LOST, facts={"count": health.losses})
    if health.out_of_memory >= MOST_OUT_OF_MEMORY:
        yield Condition(AlertKind.OUT_OF_MEMORY, facts={"count": health.out_of_memory})
    idle_s = health.up_s if health.drawn_ago_s is None else health.drawn_ago_s
    is_explained = health.is_drawing or cannot_start or _is_disk_low(health, reported)
    if health.waiting and min(idle_s, health.longest_wait_s) > STUCK_S and not is_explained:
        facts = {"count": health.waiting, "minutes": int(min(idle_s, health.longest_wait_s) / 60)}
        yield Condition(AlertKind.NOTHING_DRAWN, facts=facts)


def _of_storage(health: Health, reported: frozenset[Key]) -> Iterator[Condition]:
    if _is_disk_low(health, reported) and health.free_bytes is not None:
        facts = {"free_mib": health.free_bytes // MIB, "needed_mib": health.needed_bytes // MIB}
        yield Condition(AlertKind.DISK_LOW, facts=facts)
    was_overdue = (AlertKind.BACKUP_OVERDUE, "") in reported
    if health.backup_age_s > BACKUP_AGE_S and (health.up_s > SETTLED_S or was_overdue):
        yield Condition(AlertKind.BACKUP_OVERDUE, facts={"hours": int(health.backup_age_s / 3_600)})
    was_faulty = (AlertKind.DATABASE_FAULTY, "") in reported
    if health.faults or (health.faults is None and was_faulty):
        yield Condition(AlertKind.DATABASE_FAULTY, facts={"count": health.faults or 1})


def _is_disk_low(health: Health, reported: frozenset[Key]) -> bool:
    slack = DISK_SLACK if (AlertKind.DISK_LOW, "") in reported else 1.0
    return health.free_bytes is not None and health.free_bytes < health.needed_bytes * slack


def _of_chats(health: Health, reported: frozenset[Key]) -> Iterator[Condition]:
    for platform, offline_s in health.offline_s.items():
        is_reported = (AlertKind.CHAT_OFFLINE, platform.value) in reported
        if offline_s > (0.0 if is_reported else OFFLINE_S):
            facts: dict[str, Fact] = {"chat": platform.value, "minutes": int(offline_s / 60)}
            yield Condition(AlertKind.CHAT_OFFLINE, platform.value, facts)
