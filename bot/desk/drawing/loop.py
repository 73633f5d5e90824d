"""The drawing loop: claims the next job while one is drawn, and sees each through until its end is saved.

A job claimed here is ``running`` under this run's lease. The renderer has two of them at most: it draws the
first, and goes on to the second without asking. Saving an end holds up neither. A crash leaves claimed jobs
as they are, and ``recover`` finds them at the next start; our own stop puts them back without using up one of
their tries. While the disk takes nothing, everything waits with what it has to write.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from bot.desk.completion import JobCompletion
from bot.desk.drawing.prefetch import PrefetchesLoras
from bot.desk.drawing.recorder import ResultRecorder
from bot.desk.files import PictureSpace, saved
from bot.desk.progress import ProgressPublisher
from bot.desk.queue import JobQueue, wait_for_change
from bot.errors import CannotSave
from bot.outcomes import JobState
from bot.store import Store
from bot.store.rows import JobRow
from engine.errors import JobNotStarted, WorkerLost, WorkerNotReady
from engine.host import MAX_IN_FLIGHT
from engine.planner.cost import CostBook
from engine.planner.headroom import HeadroomProbe
from engine.request import (
    Drawn,
    Event,
    Failed,
    Finished,
    Picture,
    Progress,
    RenderRequest,
    Stopped,
)

Result = TypeVar("Result")

log = structlog.get_logger("bot.desk")

MOST_CLAIMED = MAX_IN_FLIGHT + 2  # further ends are being saved; a disk slower than the card makes it wait
NO_ROOM_WAIT_S = 1.0  # until the card is looked at again
BLIND_WAIT_S = 0.2  # until it is asked again whether the model has loaded
NOT_READY_WAIT_S = 5.0  # until a worker that did not start is asked again; the host backs off by itself


class Renderer(PrefetchesLoras, Protocol):
    """What draws: ``engine.host.Host``, or something in its place."""

    async def render(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        """Draw one request after those asked for before; raises WorkerLost. It keeps its own time limits.

        Reports Progress, step 0 of picture 0 when it begins, and Drawn.
        """

    def cancel(self, job_id: str) -> None:
        """Stop this job between two steps, or before it begins; unknown jobs are ignored."""


@dataclass(eq=False, slots=True)
class _Claimed:
    """A job of ours until its end is saved.

    Attributes:
        drawn: Its pictures so far.
        progress: What the renderer said last; None while it lies ready behind another.
        began_ms: When that was first said, for the record.
        began_s: The same on the clock that measures how long it was drawn.
    """

    job: JobRow
    drawn: list[Picture] = field(default_factory=list)
    progress: Progress | None = None
    began_ms: int | None = None
    began_s: float | None = None


class Drawing:
    """The loop between line and renderer.

    Args:
        clock: UTC milliseconds, for records; it may go back.
        seconds: Seconds that never go back, for durations.
    """

    def __init__(
        self,
        *,
        store: Store,
        renderer: Renderer,
        line: JobQueue,
        completion: JobCompletion,
        board: ProgressPublisher,
        probe: HeadroomProbe,
        costs: CostBook,
        pictures_dir: Path,
        space: PictureSpace,
        clock: Callable[[], int],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._space = space
        self._renderer = renderer
        self._line = line
        self._board = board
        self._probe = probe
        self._costs = costs
        self._clock = clock
        self._seconds = seconds
        self._lease = uuid.uuid4().hex
        self._claimed: list[_Claimed] = []
        self._hand: list[_Claimed] = []  # those of them that the renderer has, in its order
        self._to_stop: set[str] = set()
        self._closing = asyncio.Event()
        self._recorder = ResultRecorder(
            store=store,
            line=line,
            completion=completion,
            pictures_dir=pictures_dir,
            is_closing=self._closing.is_set,
        )

    async def recover(self) -> tuple[str, ...]:
        """After a stop: jobs that a crash interrupted wait again, or end if they caused too many.

        Returns:
            The jobs that the last run left waiting.
        """
        known = set(self._line.queue())
        for job in await self._saved(partial(self._store.jobs.in_state, JobState.RUNNING)):
            log.warning("job found interrupted", job_id=job.id, attempt=job.attempt)
            await self._saved(partial(self._recorder.take_back, job, []))
        for job in await self._saved(partial(self._store.jobs.in_state, JobState.QUEUED)):
            await self._saved(partial(self._recorder.let_wait, job))
        return tuple(job_id for job_id in self._line.queue() if job_id not in known)

    @property
    def running(self) -> tuple[str, int, int]:
        """The job on the card (empty: none), and the step of how many its present picture has reached."""
        if not self._hand:
            return "", 0, 0
        first = self._hand[0]
        step, steps = (first.progress.step, first.progress.steps) if first.progress else (0, 0)
        return first.job.id, step, steps

    def stop(self, job_id: str) -> None:
        """Stop this job after its current step, or before it begins."""
        self._to_stop.add(job_id)
        self._renderer.cancel(job_id)

    def close(self) -> None:
        """Claim no more; what the renderer has stops after its current step and waits for the next start."""
        self._closing.set()
        self._line.changed.change()
        for claimed in self._hand:
            self._renderer.cancel(claimed.job.id)

    async def run(self) -> None:
        """Draw until closed."""
        try:
            async with asyncio.TaskGroup() as group:
                await self._claim_jobs(group)
        finally:
            # Whatever ended this loop, it was our stop: the jobs under our lease have lost no try.
            with contextlib.suppress(CannotSave):
                await self._store.jobs.requeue_leased(self._lease)

    async def _claim_jobs(self, group: asyncio.TaskGroup) -> None:
        with _closing_unsaved():
            while not self._closing.is_set():
                change = self._line.changed.next_change()
                if len(self._hand) >= MAX_IN_FLIGHT or len(self._claimed) >= MOST_CLAIMED:
                    await wait_for_change(change, None)
                    continue
                if self._line.is_blind:
                    await wait_for_change(change, BLIND_WAIT_S)
                    continue
                if self._line.queue(1) and not await self._space.has_room():
                    await wait_for_change(change, NO_ROOM_WAIT_S)
                    continue
                headroom = await asyncio.to_thread(self._probe.read)
                turn = self._line.next(headroom)
                if turn.refuse:
                    log.warning("job can never fit", job_id=turn.refuse, reason=turn.reason)
                    await self._saved(partial(self._recorder.refuse, turn.refuse))
                    self._line.remove(turn.refuse)
                elif turn.job_id is None:
                    await wait_for_change(change, NO_ROOM_WAIT_S if self._line.queue(1) else None)
                elif job := await self._claim(turn.job_id):
                    log.info("job claimed", job_id=job.id, attempt=job.attempt, reason=turn.reason)
                    claimed = _Claimed(job)
                    self._claimed.append(claimed)
                    self._hand.append(claimed)
                    group.create_task(self._see_through(claimed), name=f"draw {job.id}")
                else:
                    self._line.remove(turn.job_id)  # cancelled a moment ago

    async def _claim(self, job_id: str) -> JobRow | None:
        return await self._saved(lambda: self._store.jobs.claim(job_id, self._lease, self._clock()))

    async def _saved(self, work: Callable[[], Awaitable[Result]]) -> Result:
        return await saved(work, self._closing.is_set)

    async def _see_through(self, claimed: _Claimed) -> None:
        """Have a job drawn, and save what came of it."""
        try:
            with _closing_unsaved():
                await self._draw(claimed)
        finally:
            self._claimed.remove(claimed)
            self._to_stop.discard(claimed.job.id)
            self._turn_over(claimed)

    async def _draw(self, claimed: _Claimed) -> None:
        job, recorder = claimed.job, self._recorder
        try:
            answer = await self._render(claimed)
            self._costs.learn(_request_of(job), answer)
            self._turn_over(claimed)  # before the end is saved, so that the next is claimed meanwhile
            begun = replace(job, started_ms=claimed.began_ms)
            await self._saved(lambda: recorder.settle(begun, answer, claimed.drawn))
        except CannotSave:
            raise  # closing
        except JobNotStarted:
            log.info("worker lost before the job began", job_id=job.id, attempt=job.attempt)
            await self._saved(lambda: recorder.put_back(job, uses_attempt=False))
        except WorkerLost as error:
            log.warning("worker lost", job_id=job.id, attempt=job.attempt, detail=str(error))
            self._charge(claimed)  # first of all, or the job would be next again: others come before
            await self._saved(lambda: recorder.take_back(job, claimed.drawn))
        except WorkerNotReady as error:
            log.error("worker not ready", job_id=job.id, detail=str(error))
            await self._saved(lambda: recorder.put_back(job, uses_attempt=False))
            await wait_for_change(self._closing, NOT_READY_WAIT_S)
        except Exception:  # desk loop: one job's unforeseen failure must not hold up the others
            log.exception("job failed", job_id=job.id)
            await self._saved(lambda: recorder.give_up(job))

    async def _render(self, claimed: _Claimed) -> Finished | Stopped | Failed:
        job = claimed.job
        if claimed is self._hand[0]:
            self._board.drawing(Progress(job.id, job.attempt, index=0, step=0, steps=job.steps))
        if self._closing.is_set() or job.id in self._to_stop:  # said before the renderer knew the job
            return Stopped(job.id, job.attempt)
        return await self._renderer.render(_request_of(job), lambda event: self._listen(event, claimed))

    def _listen(self, event: Event, claimed: _Claimed) -> None:
        if isinstance(event, Drawn):
            claimed.drawn.append(event.picture)
            if claimed.progress is not None:
                self._board.drawing(claimed.progress, tuple(claimed.drawn))
        elif isinstance(event, Progress):
            if claimed.began_ms is None:
                log.info("job begins", job_id=event.job_id, attempt=event.attempt)
                claimed.began_ms, claimed.began_s = self._clock(), self._seconds()
            claimed.progress = event
            self._board.drawing(event, tuple(claimed.drawn))

    def _turn_over(self, claimed: _Claimed) -> None:
        """The renderer has it no more; asked twice, it does nothing the second time."""
        if claimed in self._hand:
            self._hand.remove(claimed)
        self._charge(claimed)

    def _charge(self, claimed: _Claimed) -> None:
        """Let its person pay for the time that it was drawn, which is none where it never began."""
        drawn_s = 0.0 if claimed.began_s is None else self._seconds() - claimed.began_s
        self._line.drawn(claimed.job.id, drawn_s)


@contextlib.contextmanager
def _closing_unsaved() -> Iterator[None]:
    """End the block where we close and the disk takes nothing."""
    try:
        yield
    except CannotSave:
        log.warning("closing on a disk that takes nothing: the next start finds its jobs as they are")


def _request_of(job: JobRow) -> RenderRequest:
    return RenderRequest(
        job_id=job.id,
        attempt=job.attempt,
        prompt=job.prompt,
        width_px=job.width_px,
        height_px=job.height_px,
        seed=job.seed,
        count=job.count,
        loras=job.loras,
        steps=job.steps,
    )
