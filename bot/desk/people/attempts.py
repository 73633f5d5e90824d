"""Limits on wrong link codes: for each account, for each code, and in total."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bot.desk.queue import MonotonicClock
from bot.errors import BadLinkCode, TooManyCodes

WINDOW_MS = 10 * 60_000
MOST_BY_ACCOUNT = 5  # wrong codes in WINDOW_MS; at 40 bits that is one chance in 10^11 a day
MOST_OF_CODE = 10  # of one code, by all accounts
MOST_IN_ALL = 1_000  # one chance in 10^9; it also limits the memory of the count


@dataclass(eq=False, frozen=True, slots=True)
class _Attempt:
    at_ms: int
    account: str
    code: str


class LinkAttempts:
    """Counts wrong codes in memory; a crash resets the count."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = MonotonicClock(clock)
        self._wrong: deque[_Attempt] = deque()

    @contextmanager
    def count_attempt(self, account: str, code: str) -> Iterator[None]:
        """Count the attempt while the block runs, and for ``WINDOW_MS`` if it ends with BadLinkCode.

        It is counted before the block awaits anything, so simultaneous attempts count each other.

        Raises:
            TooManyCodes: The block does not run.
        """
        now_ms = self._clock()
        self._forget_old(now_ms)
        self._require_few([one for one in self._wrong if one.account == account], MOST_BY_ACCOUNT, now_ms)
        self._require_few([one for one in self._wrong if one.code == code], MOST_OF_CODE, now_ms)
        self._require_few(self._wrong, MOST_IN_ALL, now_ms)
        attempt = _Attempt(now_ms, account, code)
        self._wrong.append(attempt)
        try:
            yield
        except BadLinkCode:
            raise
        except BaseException:
            self._wrong.remove(attempt)
            raise
        self._wrong.remove(attempt)

    def _forget_old(self, now_ms: int) -> None:
        while self._wrong and now_ms - self._wrong[0].at_ms >= WINDOW_MS:
            self._wrong.popleft()

    def _require_few(self, counted: Sequence[_Attempt], most: int, now_ms: int) -> None:
        if len(counted) >= most:
            raise TooManyCodes(minutes=1 + (counted[0].at_ms + WINDOW_MS - now_ms) // 60_000)
