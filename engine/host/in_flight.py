"""The jobs that one worker holds: delivers each event to its job, and detects a worker that hangs.

The worker draws the first job. The next job is ready in the worker, so that the card goes on without a pause.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from engine.errors import JobNotStarted, WorkerLost
from engine.request import Drawn, Event, Progress, RenderRequest

MAX_IN_FLIGHT = 2  # one is drawn and one is ready; a third would only leave the scheduler too early

log = structlog.get_logger("engine.host")


@dataclass(eq=False, slots=True)
class InFlightJob:
    """A job that the worker holds.

    Attributes:
        has_started: The worker has reported it, so it may have begun to draw it.
        events: Its events in order; a WorkerLost is the last.
    """

    request: RenderRequest
    has_started: bool = False
    events: "asyncio.Queue[Event | WorkerLost]" = field(default_factory=asyncio.Queue)


class InFlightJobs:
    """The jobs of one worker, in the order in which it draws them.

    Args:
        step_timeout_s: How long the worker may report nothing about the first job. Other jobs have no limit.
        on_timeout: Called when it did; it should call ``fail_all``.

    Attributes:
        is_closed: The worker is gone; no job may be added.
    """

    def __init__(self, step_timeout_s: float, on_timeout: Callable[[], None]) -> None:
        self._step_timeout_s = step_timeout_s
        self._on_timeout = on_timeout
        self.is_closed = False
        self._jobs: list[InFlightJob] = []
        self._cause: tuple[str, int] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def add(self, request: RenderRequest) -> InFlightJob:
        """Add a job. It stays until the worker reports its end, even if its caller has left."""
        job = InFlightJob(request)
        self._jobs.append(job)
        if len(self._jobs) == 1:
            self._restart_timer()
        return job

    def dispatch(self, event: Event) -> None:
        """Deliver an event to its job; ignore one of an attempt that is not in flight."""
        attempt = (event.job_id, event.attempt)
        job = next((job for job in self._jobs if (job.request.job_id, job.request.attempt) == attempt), None)
        if job is None:
            log.debug("late event ignored", job_id=event.job_id, attempt=event.attempt)
            return
        is_first = job is self._jobs[0]
        job.has_started = True
        job.events.put_nowait(event)
        if not isinstance(event, Progress | Drawn):
            self._jobs.remove(job)
        if is_first:
            self._restart_timer()

    def set_cause(self, job_id: str, attempt: int) -> None:
        """Note that the worker ends because of this attempt, and of no other."""
        self._cause = (job_id, attempt)

    def fail_all(self, message: str = "") -> None:
        """End all jobs, because the worker is gone.

        Only the attempt that ``set_cause`` names gets WorkerLost; all others get JobNotStarted. Without a
        known cause the first job gets WorkerLost, and so does every other that may have started. The first
        also if the worker reported nothing about it: it may have ended the worker before any report.
        """
        self.is_closed = True
        failed, self._jobs = self._jobs, []
        self._restart_timer()
        is_cause = [(job.request.job_id, job.request.attempt) == self._cause for job in failed]
        for index, job in enumerate(failed):
            is_lost = is_cause[index] if any(is_cause) else index == 0 or job.has_started
            job.events.put_nowait(WorkerLost(message) if is_lost else JobNotStarted())

    def _restart_timer(self) -> None:
        """Time the first job from now; without a job, stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._jobs:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._step_timeout_s, self._on_timeout)
