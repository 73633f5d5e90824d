"""The limits that Discord enforces by banning a bot: identifies per day, and refused requests.

Discord resets the token of a bot that identifies 1,000 times in 24 hours. It blocks an address that gets
10,000 answers of 401, 403 or 429 in ten minutes. The bot keeps both counts far below. The first count is in a
file, because a process that crashes again and again identifies too often.
"""

import json
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import structlog

from bot.monitoring.figures import note_flood_wait
from bot.outcomes import RetryLater
from engine.durable import write_file

log = structlog.get_logger()

DAY_S = 86_400.0
FREE_IDENTIFIES = 12  # a host who tries out settings does not have to wait
FIRST_GAP_S = 5.0  # between the next two identifies, doubled with every further one …
LONGEST_GAP_S = 320.0  # … up to this: 270 a day, and at most 288 in any 24 hours

REFUSED = frozenset({401, 403, 429})  # what Discord counts (Rate Limits, Invalid Request Limit)
TOO_MANY = 429
REFUSALS_WINDOW_S = 600.0
MAX_REFUSALS = 400  # of 10,000; requests in progress at that moment may still be refused
REMEMBERED_REFUSALS = 10_000  # by then Discord has blocked the address


class IdentifyLimiter:
    """Spaces out identifies over a day, across crashes.

    Args:
        file: Unix times as JSON; a missing or unreadable file counts as empty.
        clock: Unix seconds. Times in its future do not count: the clock was set back.
    """

    def __init__(self, file: Path, clock: Callable[[], float] = time.time) -> None:
        self._file = file
        self._clock = clock

    def wait_s(self) -> float:
        """Seconds until the bot may identify again; 0 means now. Reads the file."""
        times = self._read_last_day()
        if len(times) < FREE_IDENTIFIES:
            return 0.0
        gap_s = min(LONGEST_GAP_S, FIRST_GAP_S * 2.0 ** min(len(times) - FREE_IDENTIFIES, 16))
        return max(0.0, times[-1] + gap_s - self._clock())

    def record(self) -> None:
        """Count one identify; the count is on disk before the bot identifies."""
        write_file(self._file, json.dumps([*self._read_last_day(), self._clock()]).encode())

    def _read_last_day(self) -> list[float]:
        now_s = self._clock()
        try:
            times = json.loads(self._file.read_text())
            return sorted(at for at in map(float, times) if now_s - DAY_S < at <= now_s)
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            log.warning("identify times unreadable", file=str(self._file), error=type(error).__name__)
            return []


class RefusalCounter:
    """Counts the requests that Discord refused in the last ten minutes.

    Attributes:
        trace: For the HTTP client whose answers are counted.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._times: deque[float] = deque(maxlen=REMEMBERED_REFUSALS)
        self.trace = aiohttp.TraceConfig()
        self.trace.on_request_end.append(self._count_refusal)

    @property
    def count(self) -> int:
        """The number of refusals."""
        while self._times and self._times[0] <= self._clock() - REFUSALS_WINDOW_S:
            self._times.popleft()
        return len(self._times)

    def check(self) -> None:
        """Return if the bot may send more.

        Raises:
            RetryLater: Discord refused so much that the bot sends nothing more for some minutes.
        """
        if self.count >= MAX_REFUSALS:
            after_s = self._times[self.count - MAX_REFUSALS] + REFUSALS_WINDOW_S - self._clock()
            raise RetryLater(f"{self.count} refusals in {REFUSALS_WINDOW_S:g} s", after_s)

    async def _count_refusal(
        self, _: aiohttp.ClientSession, __: SimpleNamespace, ended: aiohttp.TraceRequestEndParams
    ) -> None:
        if ended.response.status in REFUSED:
            self._times.append(self._clock())
        if ended.response.status == TOO_MANY:
            note_flood_wait("discord", _seconds(ended.response.headers.get("Retry-After", "")))


def _seconds(text: str) -> float:
    """Read a header of seconds; 0 for anything else, such as the date that a proxy may send."""
    try:
        seconds = float(text)
    except ValueError:
        return 0.0
    return seconds if 0 < seconds < DAY_S else 0.0
