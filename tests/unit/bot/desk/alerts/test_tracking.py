"""A condition is reported once while it lasts, once when it is over, and not too often."""

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from bot.desk.alerts.conditions import Condition
from bot.desk.alerts.tracking import CALM_S, GAP_S, LASTS_S, Tracking, next_step
from bot.outcomes import AlertKind

DISK = Condition(AlertKind.DISK_LOW, facts={"free_mib": 1})
CHAT = Condition(AlertKind.CHAT_OFFLINE, "telegram")
START_S = 1_000_000
EVERY_S = 15


def walk(moments: Sequence[Sequence[Condition]], tracking: Tracking | None = None) -> list[tuple[int, str]]:
    """One moment each ``EVERY_S``; when which condition was reported (+) and over (-)."""
    tracking, events = tracking or Tracking(), list[tuple[int, str]]()
    for number, conditions in enumerate(moments):
        step = next_step(tracking, conditions, 1_000 * (START_S + number * EVERY_S))
        tracking = step.tracking
        events += [(number * EVERY_S, f"+{each.condition.kind}") for each in step.begun]
        events += [(number * EVERY_S, f"-{each.condition.kind}") for each in step.over]
    return events


def test_a_short_condition_is_not_reported() -> None:
    assert walk([[DISK], [DISK], [], [], [DISK], []]) == []


def test_a_condition_is_reported_once_and_once_when_it_is_over() -> None:
    events = walk([[DISK]] * 20 + [[]] * 20)
    assert events == [(LASTS_S, "+disk_low"), (19 * EVERY_S + CALM_S, "-disk_low")]


def test_a_short_calm_is_not_the_end() -> None:
    assert walk([[DISK]] * 4 + [[]] * 7 + [[DISK]] * 4 + [[]] * 7) == [(LASTS_S, "+disk_low")]


def test_the_same_condition_is_reported_at_most_every_half_hour() -> None:
    flapping = ([[DISK]] * 4 + [[]] * 12) * 30
    begun = [at_s for at_s, event in walk(flapping) if event == "+disk_low"]
    assert len(begun) > 2
    assert all(later - earlier >= GAP_S for earlier, later in pairwise(begun))


def test_conditions_do_not_disturb_each_other() -> None:
    events = walk([[DISK]] * 4 + [[DISK, CHAT]] * 4 + [[CHAT]] * 12)
    assert [event for _, event in events] == ["+disk_low", "+chat_offline", "-disk_low"]


@given(
    st.lists(st.lists(st.sampled_from([DISK, CHAT]), max_size=2, unique_by=lambda it: it.key), max_size=400)
)
def test_reports_and_ends_alternate(moments: list[list[Condition]]) -> None:
    events = walk(moments)
    for kind in (AlertKind.DISK_LOW, AlertKind.CHAT_OFFLINE):
        signs = "".join(event[0] for _, event in events if event[1:] == kind)
        assert signs == ("+-" * len(signs))[: len(signs)]
