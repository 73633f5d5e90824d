"""The jobs that one worker has been given: what it says reaches the job it is about; its silence is timed.

First in hand is the one it draws. The next lies ready in the worker, so that the card goes on the moment it
is free; it has cost nobody anything until then.
"""

import asyncio
from collections.abc import Callable

import structlog

from engine.errors import NotBegun, WorkerLost
from engine.request import Drawn, Event, Progress, RenderRequest

MAX_IN_FLIGHT = 2  # one is drawn, one lies ready; a third would only be taken from the scheduler too early

log = structlog.get_logger("engine.host")


class Handed:
    """A job in a worker's hand.

    Attributes:
        is_heard: The worker has said something of it, so it may have begun.
    """

    def __init__(self, request: RenderRequest) -> None:
        self.request = request
        self.is_heard = False
        self._said: asyncio.Queue[Event | WorkerLost] = asyncio.Queue()

    def is_about(self, event: Event) -> bool:
        """Whether the event is of this very try."""
        return (event.job_id, event.attempt) == (self.request.job_id, self.request.attempt)

    def hear(self, event: Event) -> None:
        """Take in what the worker says of it."""
        self.is_heard = True
        self._said.put_nowait(event)

    def lose(self, error: WorkerLost) -> None:
        """Nothing more will be said of it."""
        self._said.put_nowait(error)

    async def next_event(self) -> Event:
        """Wait for what the worker says next.

        Raises:
            WorkerLost: It will say nothing more; NotBegun where it never began.
        """
        said = await self._said.get()
        if isinstance(said, WorkerLost):
            raise said
        return said


class Hand:
    """What one worker has to draw, in this order.

    Args:
        step_timeout_s: How long it may say nothing of the first in hand; the others have no clock.
        on_silence: Called when it did; ``lose`` is for the caller to call.

    Attributes:
        is_lost: Its worker is gone, or given up.
    """

    def __init__(self, step_timeout_s: float, on_silence: Callable[[], None]) -> None:
        self._step_timeout_s = step_timeout_s
        self._on_silence = on_silence
        self.is_lost = False
        self._jobs: list[Handed] = []
        self._blamed: tuple[str, int] | None = None
        self._alarm: asyncio.TimerHandle | None = None

    def take(self, request: RenderRequest) -> Handed:
        """The worker has it now. It stays in hand until the worker says its end, whoever still listens."""
        handed = Handed(request)
        self._jobs.append(handed)
        if len(self._jobs) == 1:
            self._wind()
        return handed

    def hear(self, event: Event) -> None:
        """Pass an event on; one of a try that is not in hand is too late."""
        handed = next((each for each in self._jobs if each.is_about(event)), None)
        if handed is None:
            log.debug("late event ignored", job_id=event.job_id, attempt=event.attempt)
            return
        is_first = handed is self._jobs[0]
        handed.hear(event)
        if not isinstance(event, Progress | Drawn):
            self._jobs.remove(handed)
        if is_first:
            self._wind()

    def blame(self, job_id: str, attempt: int) -> None:
        """The worker says that it ends because of this try, and of no other in hand."""
        self._blamed = (job_id, attempt)

    def lose(self, message: str = "") -> None:
        """The worker is gone. The try that it blamed is lost, and no other.

        Where it blamed none in hand, the first is lost, and any other that may have begun; the rest is not.
        The first also where nothing was heard of it: it may be what ended the worker before a word got out.
        """
        self.is_lost = True
        lost, self._jobs = self._jobs, []
        self._wind()
        blamed = [(handed.request.job_id, handed.request.attempt) == self._blamed for handed in lost]
        for place, handed in enumerate(lost):
            is_lost = blamed[place] if any(blamed) else place == 0 or handed.is_heard
            handed.lose(WorkerLost(message) if is_lost else NotBegun())

    def _wind(self) -> None:
        """Let the clock of whoever is first now begin anew."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        if self._jobs:
            loop = asyncio.get_running_loop()
            self._alarm = loop.call_later(self._step_timeout_s, self._on_silence)
