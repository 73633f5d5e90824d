"""What is wrong with the bot, by its health; a reported condition ends later than it begins."""

from dataclasses import replace

import pytest

from bot.desk.alerts.conditions import (
    BACKUP_AGE_S,
    MIB,
    OFFLINE_S,
    SETTLED_S,
    STUCK_S,
    Condition,
    Health,
    Key,
    conditions_of,
)
from bot.outcomes import AlertKind, Platform

FINE = Health(
    up_s=10 * SETTLED_S,
    losses=2,
    failed_starts=2,
    waiting=5,
    longest_wait_s=STUCK_S - 1,
    drawn_ago_s=2 * STUCK_S,
    free_bytes=1_000 * MIB,
    needed_bytes=1_000 * MIB,
    backup_age_s=BACKUP_AGE_S,
    offline_s={Platform.DISCORD: 0.0, Platform.TELEGRAM: OFFLINE_S},
    out_of_memory=2,
    faults=0,
)
STUCK = replace(FINE, longest_wait_s=STUCK_S + 60)


def kinds(health: Health, *reported: Key) -> list[AlertKind]:
    return [each.kind for each in conditions_of(health, frozenset(reported))]


def test_a_bot_at_its_limits_is_fine() -> None:
    assert kinds(FINE) == []


@pytest.mark.parametrize(
    ("health", "expected"),
    [
        (replace(FINE, losses=3), Condition(AlertKind.WORKER_LOST, facts={"count": 3})),
        (replace(FINE, failed_starts=3, losses=9), Condition(AlertKind.WORKER_CANNOT_START)),
        (STUCK, Condition(AlertKind.NOTHING_DRAWN, facts={"count": 5, "minutes": 16})),
        (
            replace(FINE, free_bytes=999 * MIB),
            Condition(AlertKind.DISK_LOW, facts={"free_mib": 999, "needed_mib": 1_000}),
        ),
        (
            replace(FINE, backup_age_s=BACKUP_AGE_S + 1),
            Condition(AlertKind.BACKUP_OVERDUE, facts={"hours": 26}),
        ),
        (
            replace(FINE, offline_s={Platform.DISCORD: 0.0, Platform.TELEGRAM: OFFLINE_S + 60}),
            Condition(AlertKind.CHAT_OFFLINE, "telegram", {"chat": "telegram", "minutes": 6}),
        ),
        (replace(FINE, out_of_memory=3), Condition(AlertKind.OUT_OF_MEMORY, facts={"count": 3})),
        (replace(FINE, faults=2), Condition(AlertKind.DATABASE_FAULTY, facts={"count": 2})),
    ],
)
def test_each_condition_begins_beyond_its_limit(health: Health, expected: Condition) -> None:
    assert conditions_of(health, frozenset()) == (expected,)


@pytest.mark.parametrize(
    "health",
    [
        replace(STUCK, waiting=0),
        replace(STUCK, is_drawing=True),
        replace(STUCK, drawn_ago_s=STUCK_S),
        replace(STUCK, drawn_ago_s=None, up_s=STUCK_S),
    ],
)
def test_waiting_jobs_alone_are_no_alert(health: Health) -> None:
    assert AlertKind.NOTHING_DRAWN not in kinds(health)


@pytest.mark.parametrize("health", [replace(STUCK, failed_starts=3), replace(STUCK, free_bytes=0)])
def test_a_known_cause_is_not_reported_twice(health: Health) -> None:
    assert AlertKind.NOTHING_DRAWN not in kinds(health)
    assert len(kinds(health)) == 1


def test_a_bot_that_was_off_for_days_has_time_for_its_backup() -> None:
    old = replace(FINE, backup_age_s=5 * BACKUP_AGE_S, up_s=SETTLED_S)
    assert kinds(old) == []
    assert kinds(old, (AlertKind.BACKUP_OVERDUE, "")) == [AlertKind.BACKUP_OVERDUE]


def test_a_disk_that_cannot_be_measured_is_no_alert() -> None:
    assert kinds(replace(FINE, free_bytes=None)) == []


@pytest.mark.parametrize(
    ("reported", "still", "over"),
    [
        (
            (AlertKind.DISK_LOW, ""),
            replace(FINE, free_bytes=1_099 * MIB),
            replace(FINE, free_bytes=1_101 * MIB),
        ),
        (
            (AlertKind.CHAT_OFFLINE, "telegram"),
            replace(FINE, offline_s={Platform.TELEGRAM: 1.0}),
            replace(FINE, offline_s={Platform.TELEGRAM: 0.0}),
        ),
        ((AlertKind.WORKER_CANNOT_START, ""), replace(FINE, can_draw=False, failed_starts=0), FINE),
        ((AlertKind.DATABASE_FAULTY, ""), replace(FINE, faults=None), FINE),
    ],
)
def test_a_reported_condition_ends_later_than_it_begins(reported: Key, still: Health, over: Health) -> None:
    assert kinds(still, reported) == [reported[0]]
    assert kinds(still) == []
    assert kinds(over, reported) == []
