"""Limits on wrong codes: for each account, for each code, and in total."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from bot.desk.queue import MonotonicClock
from bot.errors import NotPossible, TooManyCodes


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLimits:
    """How many wrong codes are allowed within ``window_ms``.

    Attributes:
        by_account: Of one account.
        of_code: Of one code, by all accounts.
        in_all: By all accounts; it also limits the memory of the count.
    """

    window_ms: int
    by_account: int
    of_code: int
    in_all: int


@dataclass(eq=False, frozen=True, slots=True)
class _Attempt:
    at_ms: int
    account: str
    code: str


class CodeAttempts:
    """Counts wrong codes in memory; a crash resets the count.

    Args:
        clock: UTC milliseconds.
        limits: What is allowed.
        wrong: The error of a wrong code.
    """

    def __init__(self, clock: Callable[[], int], limits: AttemptLimits, wrong: type[NotPossible]) -> None:
        self._clock = MonotonicClock(clock)
        self._limits = limits
        self._wrong_code = wrong
        self._wrong: deque[_Attempt] = deque()

    @contextmanager
    def count_attempt(self, account: str, code: str) -> Iterator[None]:
        """Count the attempt while the block runs, and for the window if the code is wrong.

        It is counted before the block awaits anything, so simultaneous attempts count each other.

        Raises:
            TooManyCodes: The block does not run.
        """
        now_ms, limits = self._clock(), self._limits
        self._forget_old(now_ms)
        of_account = [one for one in self._wrong if one.account == account]
        self._require_few(of_account, limits.by_account, now_ms)
        self._require_few([one for one in self._wrong if one.code == code], limits.of_code, now_ms)
        self._require_few(self._wrong, limits.in_all, now_ms)
        attempt = _Attempt(now_ms, account, code)
        self._wrong.append(attempt)
        try:
            yield
        except self._wrong_code:
            raise
        except BaseException:
            self._wrong.remove(attempt)
            raise
        self._wrong.remove(attempt)

    def _forget_old(self, now_ms: int) -> None:
        while self._wrong and now_ms - self._wrong[0].at_ms >= self._limits.window_ms:
            self._wrong.popleft()

    def _require_few(self, counted: Sequence[_Attempt], most: int, now_ms: int) -> None:
        if len(counted) >= most:
            raise TooManyCodes(minutes=1 + (counted[0].at_ms + self._limits.window_ms - now_ms) // 60_000)
