"""A bounded number of events stays in memory, whatever their size."""

from bot.monitoring.recent_log import MAX_CHARS, MOST_EVENTS, LogLevel, RecentLog


def test_the_newest_events_are_kept_in_order() -> None:
    recent = RecentLog()
    for number in range(MOST_EVENTS + 7):
        recent.add(at="now", level="info", event=str(number))

    events = recent.events()

    assert len(events) == MOST_EVENTS
    assert [events[0].event, events[-1].event] == ["7", str(MOST_EVENTS + 6)]
    assert [events[0].number, events[-1].number] == [8, MOST_EVENTS + 7]
    assert recent.count == MOST_EVENTS + 7


def test_a_long_event_is_cut_and_a_traceback_keeps_its_end() -> None:
    recent = RecentLog()
    recent.add(at="now", level="error", event="e" * 9_999, facts="f" * 9_999, trace="x" * 9_999 + "the error")

    (event,) = recent.events()

    assert len(event.event) == len(event.facts) == len(event.trace) == MAX_CHARS
    assert event.trace.endswith("the error")


def test_an_unknown_level_counts_as_an_error() -> None:
    recent = RecentLog()
    for level in ("info", "critical", ""):
        recent.add(at="now", level=level, event="e")
    assert [event.level for event in recent.events()] == [LogLevel.INFO, LogLevel.ERROR, LogLevel.ERROR]
