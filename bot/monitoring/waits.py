"""Compares the waits that people were promised with the real ones."""

import time
from collections import OrderedDict
from collections.abc import Callable

from bot.monitoring.figures import ETA, ETA_ERROR
from engine.request import TimeEstimate

MOST_PROMISES = 1_000  # of jobs that wait; the oldest are forgotten, cancelled jobs among them


class PromisedWaits:
    """Keeps the promises of jobs that have not started.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._promises: OrderedDict[str, tuple[float, TimeEstimate]] = OrderedDict()

    def promise(self, job_id: str, wait: TimeEstimate | None) -> None:
        """Keep the first promise to a job; None promises nothing."""
        if wait is not None:
            self._promises.setdefault(job_id, (self._clock(), wait))
        if len(self._promises) > MOST_PROMISES:
            self._promises.popitem(last=False)

    def note_start(self, job_id: str) -> None:
        """Record how far the promise was from this start."""
        promised_s, wait = self._promises.pop(job_id, (0.0, None))
        if wait is None:
            return
        waited_s = self._clock() - promised_s
        ETA_ERROR.observe(abs(waited_s - (wait.least_s + wait.most_s) / 2))
        result = "early" if waited_s < wait.least_s else "late" if waited_s > wait.most_s else "within"
        ETA.labels(result).inc()
