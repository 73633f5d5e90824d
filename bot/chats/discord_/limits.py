"""What Discord takes a bot off the network for: identifying too often in a day, and refused requests.

Discord resets the token of a bot that identifies 1,000 times in 24 hours, and shuts out an address that gets
10,000 answers of 401, 403 or 429 in ten minutes. Both counts are kept far below that: the first in a file,
because the process that crashes again and again is the one that identifies too often.
"""

import json
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import structlog

from bot.outcomes import RetryLater
from engine.durable import write_file

log = structlog.get_logger()

DAY_S = 86_400.0
FREE_STARTS = 12  # a host who tries out settings is not made to wait
FIRST_GAP_S = 5.0  # between the next two starts, doubled with every further one …
LONGEST_GAP_S = 320.0  # … up to this: 270 a day, and at most 288 in any 24 hours

REFUSED = frozenset({401, 403, 429})  # what Discord counts (Rate Limits, Invalid Request Limit)
REFUSALS_WINDOW_S = 600.0
MOST_REFUSALS = 400  # of 10,000; what is under way when this is reached may still be refused
REMEMBERED_REFUSALS = 10_000  # by then Discord has shut us out


class Starts:
    """When we identified in the last day, across crashes.

    Args:
        file: Unix times as JSON; missing or unreadable means none.
        clock: Unix seconds. Times in its future are not counted: it was set back.
    """

    def __init__(self, file: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock

    def wait_s(self) -> float:
        """Seconds until we may identify again; 0 means now. Reads the file."""
        times = self._lately()
        if len(times) < FREE_STARTS:
            return 0.0
        gap_s = min(LONGEST_GAP_S, FIRST_GAP_S * 2.0 ** min(len(times) - FREE_STARTS, 16))
        return max(0.0, times[-1] + gap_s - self._clock())

    def note(self) -> None:
        """Count one identify, on disk before it is made."""
        write_file(self._file, json.dumps([*self._lately(), self._clock()]).encode())

    def _lately(self) -> list[float]:
        now_s = self._clock()
        try:
            known = json.loads(self._file.read_text())
            return sorted(at for at in map(float, known) if now_s - DAY_S < at <= now_s)
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            log.warning("history of starts unreadable", file=str(self._file), error=type(error).__name__)
            return []


class Refusals:
    """Counts what Discord refused in the last ten minutes.

    Attributes:
        trace: For the HTTP client whose answers are counted.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=REMEMBERED_REFUSALS)
        self.trace = aiohttp.TraceConfig()
        self.trace.on_request_end.append(self._see)

    @property
    def count(self) -> int:
        """How many there were."""
        while self._times and self._times[0] <= self._clock() - REFUSALS_WINDOW_S:
            self._times.popleft()
        return len(self._times)

    def require_few(self) -> None:
        """Return while there is room for more.

        Raises:
            NotNow: Discord refused so much lately that we send nothing more for some minutes.
        """
        if self.count >= MOST_REFUSALS:
            after_s = self._times[self.count - MOST_REFUSALS] + REFUSALS_WINDOW_S - self._clock()
            raise RetryLater(f"{self.count} refusals in {REFUSALS_WINDOW_S:g} s", after_s)

    async def _see(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, ended: aiohttp.TraceRequestEndParams
    ) -> None:
        if ended.response.status in REFUSED:
            self._times.append(self._clock())
