"""Pauses between the tries of one thing, which grow from failure to failure."""

from collections.abc import Sequence


class Backoff:
    """Says how long to wait after each failure in a row.

    Args:
        pauses_s: The pause after the first failure, after the second, …; the last one repeats.
    """

    def __init__(self, pauses_s: Sequence[float]) -> None:
        self._pauses_s = tuple(pauses_s)
        self._failures = 0

    @property
    def longest_s(self) -> float:
        """The pause that repeats."""
        return self._pauses_s[-1]

    def pause_s(self, failures: int) -> float:
        """Return the seconds to wait after ``failures`` in a row, at least one, that the caller counted."""
        return self._pauses_s[min(failures, len(self._pauses_s)) - 1]

    def next_pause_s(self) -> float:
        """Count one more failure; return the seconds to wait before the next try."""
        self._failures += 1
        return self.pause_s(self._failures)

    def reset(self) -> None:
        """Forget all failures, because a try succeeded."""
        self._failures = 0

    def skip_to_longest(self) -> None:
        """Wait the longest pause from now on, because quick tries cannot help."""
        self._failures = max(self._failures, len(self._pauses_s) - 1)
