"""What a worker prints, on its way into our log: its own events as events, anything else as text.

The worker and its libraries print to one pipe that somebody must read, or the worker stops at its next line.
So nothing that stands in a line ends the reading. Lines that repeat a prompt are withheld.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import structlog
from pydantic_core import from_json

from engine.printable import printable
from engine.redact import repeats

LONGEST_LINE = 8192  # bytes; what is longer is logged in pieces
MOST_LINES = 500  # of text within …
WINDOW_S = 60.0  # … this time; the rest is counted
MOST_PROMPTS = 8  # of jobs that ended a moment ago
_LEVELS = ("debug", "info", "warning", "error", "critical")
_RESERVED = {"self", "event", "level", "origin", "exc_info", "stack_info", "timestamp", "logger"}

log = structlog.get_logger("engine.host")


class Output:
    """The printed lines of one worker.

    Args:
        pid: For the log.
        clock: Seconds that never go back.
    """

    def __init__(self, pid: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._pid = pid
        self._clock = clock
        self._prompts: deque[str] = deque(maxlen=MOST_PROMPTS)
        self._window_began_s = clock()
        self._lines = 0

    def withhold(self, prompt: str) -> None:
        """Log no text that repeats a part of this prompt."""
        if prompt:
            self._prompts.append(prompt)

    async def read(self, pipe: asyncio.StreamReader) -> None:
        """Log every line until the worker and its children have closed their output."""
        pending = b""
        while piece := await pipe.read(LONGEST_LINE):
            *lines, pending = re.split(rb"[\r\n]+", pending + piece)
            if len(pending) >= LONGEST_LINE:
                lines, pending = [*lines, pending], b""
            for line in lines:
                self._log_safely(line)
        self._log_safely(pending)

    def _log_safely(self, line: bytes) -> None:
        try:
            self.log_line(line)
        except Exception as error:  # noqa: BLE001 - a line that cannot be logged must not end the reading
            log.warning("worker output not logged", pid=self._pid, error=type(error).__name__)

    def log_line(self, line: bytes) -> None:
        """Put one line into our log."""
        event = _event_of(line)
        if event is not None:
            name, level = str(event.pop("event")), str(event.pop("level"))
            facts = {key: value for key, value in event.items() if key not in _RESERVED}
            getattr(log, level if level in _LEVELS else "info")(name, origin="worker", **facts)
        elif line.strip() and self._has_place():
            text = line.decode(errors="replace")
            if any(repeats(text, prompt) for prompt in self._prompts):
                log.info("worker says something that repeats a prompt", bytes=len(line))
            else:
                log.info("worker says", line=printable(text))

    def _has_place(self) -> bool:
        """Count a line of text; a library that prints without end must not fill the disk."""
        now_s = self._clock()
        if now_s - self._window_began_s >= WINDOW_S:
            if self._lines > MOST_LINES:
                log.warning("worker output dropped", pid=self._pid, lines=self._lines - MOST_LINES)
            self._window_began_s, self._lines = now_s, 0
        self._lines += 1
        return self._lines <= MOST_LINES


def _event_of(line: bytes) -> dict[str, Any] | None:
    """Read an event of the worker's log; None for any other text."""
    try:
        event: Any = from_json(line)
    except ValueError:
        return None
    is_event = isinstance(event, dict) and {"event", "level"} <= event.keys()
    return event if is_event else None
