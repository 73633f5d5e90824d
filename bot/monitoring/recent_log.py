"""The newest events of the log, in memory, for the operator's page.

``RECENT_LOG`` is the one of this process, as the log is. ``bot.cli.logs`` puts events into it after it has
removed all secrets.
"""

import threading
from collections import deque
from dataclasses import dataclass
from enum import StrEnum

MOST_EVENTS = 500
MAX_CHARS = 2_000  # of the texts of one event; a traceback keeps its end


class LogLevel(StrEnum):
    """How much an event matters, the least first."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


_LEVELS = {level.value: level for level in LogLevel}


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """One event, without secrets.

    Attributes:
        number: Counts all events of the process.
        at: The time as the log writes it, UTC.
        event: What happened.
        facts: The other values on one line, as ``key=value``.
        trace: A traceback; empty without one.
    """

    number: int
    at: str
    level: LogLevel
    event: str
    facts: str = ""
    trace: str = ""


class RecentLog:
    """Keeps the newest events.

    Attributes:
        count: How many events there were; it grows with each.
    """

    def __init__(self) -> None:
        self._events: deque[LoggedEvent] = deque(maxlen=MOST_EVENTS)
        self._lock = threading.Lock()
        self.count = 0

    def add(self, *, at: str, level: str, event: str, facts: str = "", trace: str = "") -> None:
        """Keep an event, in place of the oldest one when there are ``MOST_EVENTS``; from any thread."""
        known = _LEVELS.get(level, LogLevel.ERROR)  # such as critical
        with self._lock:
            self.count += 1
            self._events.append(
                LoggedEvent(self.count, at, known, event[:MAX_CHARS], facts[:MAX_CHARS], trace[-MAX_CHARS:])
            )

    def events(self) -> tuple[LoggedEvent, ...]:
        """All that are kept, oldest first."""
        with self._lock:
            return tuple(self._events)


RECENT_LOG = RecentLog()
