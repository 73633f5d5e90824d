"""Copies what a worker prints into our log: its own log events as events, anything else as text.

The worker and its libraries print to one pipe. If nobody reads it, the worker blocks, so no line ends the
reading. A line that repeats a prompt is withheld.
"""

import asyncio
import contextlib
import os
import re
import time
from collections import deque
from collections.abc import Callable
from typing import IO, Any

import structlog
from pydantic_core import from_json

from engine.formatting import printable
from engine.redact import repeats

MAX_LINE_BYTES = 8192  # a longer line is logged in pieces
MAX_LINES = 500  # of text within …
WINDOW_S = 60.0  # … this time; further lines are only counted
MAX_PROMPTS = 64  # the last ones; a sheet may have 16, and those of jobs that ended a moment ago matter too
_LEVELS = ("debug", "info", "warning", "error", "critical")
_RESERVED = {"self", "event", "level", "origin", "exc_info", "stack_info", "timestamp", "logger"}

log = structlog.get_logger("engine.host")


class WorkerOutput:
    """The printed lines of one worker.

    Args:
        pid: For the log.
        clock: Seconds; monotonic.

    Attributes:
        prompts: Text that repeats a part of one of these is not logged; without empty ones.
    """

    def __init__(self, pid: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._pid = pid
        self._clock = clock
        self.prompts: deque[str] = deque(maxlen=MAX_PROMPTS)
        self._window_began_s = clock()
        self._lines = 0

    async def read(self, pipe: asyncio.StreamReader) -> None:
        """Log every line until the worker and its children have closed their output."""
        pending, is_open = b"", True
        while is_open:
            piece = await pipe.read(MAX_LINE_BYTES)
            is_open = bool(piece)
            *lines, pending = re.split(rb"[\r\n]+", pending + piece)
            if len(pending) >= MAX_LINE_BYTES or not is_open:
                lines, pending = [*lines, pending], b""
            for line in lines:
                try:
                    self.log_line(line)
                except Exception as error:  # noqa: BLE001 - supervision: no line ends the reading
                    log.warning("worker output not logged", pid=self._pid, error=type(error).__name__)

    def log_line(self, line: bytes) -> None:
        """Log one line: an event of the worker's log, or any other text."""
        event: Any = None
        with contextlib.suppress(ValueError):
            event = from_json(line)
        if isinstance(event, dict) and {"event", "level"} <= event.keys():
            name, level = str(event.pop("event")), str(event.pop("level"))
            facts = {key: value for key, value in event.items() if key not in _RESERVED}
            getattr(log, level if level in _LEVELS else "info")(name, origin="worker", **facts)
        elif line.strip() and self._is_within_limit():
            text = line.decode(errors="replace")
            if any(repeats(text, prompt) for prompt in self.prompts):
                log.info("worker output withheld because it repeats a prompt", bytes=len(line))
            else:
                log.info("worker output", line=printable(text))

    def _is_within_limit(self) -> bool:
        """Count a line of text, so that a library that prints without end does not fill the disk."""
        now_s = self._clock()
        if now_s - self._window_began_s >= WINDOW_S:
            if self._lines > MAX_LINES:
                log.warning("worker output dropped", pid=self._pid, lines=self._lines - MAX_LINES)
            self._window_began_s, self._lines = now_s, 0
        self._lines += 1
        return self._lines <= MAX_LINES


async def open_pipe() -> tuple[asyncio.StreamReader, asyncio.ReadTransport, IO[bytes]]:
    """Open a pipe; return a reader of its read end, the transport that closes that end, and the write end."""
    read_end, write_end = os.pipe()
    ours, theirs = os.fdopen(read_end, "rb", 0), os.fdopen(write_end, "wb", 0)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), ours)
    return reader, pipe, theirs
