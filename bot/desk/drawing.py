"""The drawing loop: whose turn it is, one job at a time through the renderer, and what its answer means.

A job claimed here is ``running`` under this run's lease. A crash leaves it so, and ``recover`` finds it at
the next start; our own stop puts it back without using up one of its tries. While the disk takes nothing, the
loop waits with what it has to write.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from bot.desk.ending import Ending
from bot.desk.files import save_pictures, saved
from bot.desk.outcomes import JobState
from bot.desk.progress import Board
from bot.desk.waiting import Line, heard
from bot.errors import CannotSave
from bot.store import Store
from bot.store.rows import JobRow
from engine.cost import CostBook
from engine.errors import WorkerLost, WorkerNotReady
from engine.headroom import HeadroomProbe
from engine.request import (
    Drawn,
    Event,
    Failed,
    FailReason,
    Finished,
    Picture,
    Progress,
    RenderRequest,
    Stopped,
)

Result = TypeVar("Result")

log = structlog.get_logger("bot.desk")

MAX_ATTEMPTS = 3  # a job that ended the worker this often would end it again: others must be served
NO_ROOM_WAIT_S = 1.0  # until the card is looked at again
NOT_READY_WAIT_S = 5.0  # until a worker that did not start is asked again; the host backs off by itself


class Renderer(Protocol):
    """What draws: ``engine.host.Host``, or something in its place."""

    async def render(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        """Draw one request, reporting Progress and Drawn; raises WorkerLost. It keeps its own time limits."""

    def cancel(self, job_id: str) -> None:
        """Stop this job between two steps; unknown jobs are ignored."""


class Drawing:
    """The loop between line and renderer."""

    def __init__(
        self,
        *,
        store: Store,
        renderer: Renderer,
        line: Line,
        ending: Ending,
        board: Board,
        probe: HeadroomProbe,
        costs: CostBook,
        pictures_dir: Path,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._renderer = renderer
        self._line = line
        self._ending = ending
        self._board = board
        self._probe = probe
        self._costs = costs
        self._pictures_dir = pictures_dir
        self._clock = clock
        self._lease = uuid.uuid4().hex
        self._running = ""
        self._progress: Progress | None = None
        self._to_stop: set[str] = set()
        self._closing = asyncio.Event()

    async def recover(self) -> None:
        """After a stop: jobs that a crash interrupted wait again, or end if they caused too many."""
        for job in await self._store.jobs.in_state(JobState.RUNNING):
            log.warning("job found interrupted", job_id=job.id, attempt=job.attempt)
            await self._saved(partial(self._take_back, job, []))
        for job in await self._store.jobs.in_state(JobState.QUEUED):
            await self._saved(partial(self._let_wait, job))

    @property
    def running(self) -> tuple[str, int, int]:
        """The job on the card (empty: none), and the step of how many its present picture has reached."""
        if not self._running or self._progress is None:
            return self._running, 0, 0
        return self._running, self._progress.step, self._progress.steps

    def stop(self, job_id: str) -> None:
        """Stop this job after its current step."""
        self._to_stop.add(job_id)
        self._renderer.cancel(job_id)

    def close(self) -> None:
        """Claim no more; the running job stops after its current step and waits for the next start."""
        self._closing.set()
        self._line.bell.ring()
        if self._running:
            self._renderer.cancel(self._running)

    async def run(self) -> None:
        """Draw until closed."""
        try:
            while not self._closing.is_set():
                ring = self._line.bell.next_ring()
                headroom = await asyncio.to_thread(self._probe.read)
                turn = self._line.next(headroom)
                if turn.refuse:
                    await self._refuse(turn.refuse, turn.reason)
                elif turn.job_id is None:
                    await heard(ring, NO_ROOM_WAIT_S if self._line.queue() else None)
                elif job := await self._claim(turn.job_id):
                    await self._draw(job, turn.reason)
                else:
                    self._line.remove(turn.job_id)  # cancelled a moment ago
        except CannotSave:
            log.warning("closing on a disk that takes nothing: the next start finds its jobs as they are")
        finally:
            # Whatever ended this loop, it was our stop: the job under our lease has lost no try.
            with contextlib.suppress(CannotSave):
                await self._store.jobs.put_back_leased(self._lease)

    async def _claim(self, job_id: str) -> JobRow | None:
        return await self._saved(lambda: self._store.jobs.claim(job_id, self._lease, self._clock()))

    async def _saved(self, work: Callable[[], Awaitable[Result]]) -> Result:
        return await saved(work, self._closing.is_set)

    async def _refuse(self, job_id: str, reason: str) -> None:
        log.warning("job can never fit", job_id=job_id, reason=reason)
        if (job := await self._store.jobs.find(job_id)) and job.state == JobState.QUEUED:
            await self._saved(lambda: self._ending.end(job, JobState.FAILED, fail=FailReason.OUT_OF_MEMORY))
        self._line.remove(job_id)

    async def _draw(self, job: JobRow, reason: str) -> None:
        log.info("job begins", job_id=job.id, attempt=job.attempt, reason=reason)
        request, drawn, began_ms = _request_of(job), list[Picture](), self._clock()
        self._running, self._progress = job.id, None
        self._board.drawing(Progress(job.id, job.attempt, index=0, step=0, steps=job.steps))
        try:
            if self._closing.is_set() or job.id in self._to_stop:  # said before the renderer knew the job
                answer: Finished | Stopped | Failed = Stopped(job.id, job.attempt)
            else:
                answer = await self._renderer.render(request, lambda event: self._listen(event, drawn))
            self._costs.learn(request, answer)
            await self._saved(lambda: self._settle(job, answer, drawn))
        except CannotSave:
            raise  # closing
        except WorkerLost as error:
            log.warning("worker lost", job_id=job.id, attempt=job.attempt, detail=str(error))
            self._turn_over(job, began_ms)  # first of all, or the job would be next again: others come before
            await self._saved(lambda: self._take_back(job, drawn))
        except WorkerNotReady as error:
            log.error("worker not ready", job_id=job.id, detail=str(error))
            await self._saved(lambda: self._put_back(job, uses_attempt=False))
            await heard(self._closing, NOT_READY_WAIT_S)
        except Exception:  # desk loop: one job's unforeseen failure must not hold up the others
            log.exception("job failed", job_id=job.id)
            await self._saved(lambda: self._ending.end(job, JobState.FAILED, fail=FailReason.WORKER_ERROR))
        finally:
            self._running = ""
            self._to_stop.discard(job.id)
            self._turn_over(job, began_ms)

    def _turn_over(self, job: JobRow, began_ms: int) -> None:
        self._line.drawn(job.id, (self._clock() - began_ms) / 1_000)

    def _listen(self, event: Event, drawn: list[Picture]) -> None:
        if isinstance(event, Drawn):
            drawn.append(event.picture)
        elif isinstance(event, Progress):
            self._progress = event
            self._board.drawing(event)

    async def _settle(self, job: JobRow, answer: Finished | Stopped | Failed, drawn: list[Picture]) -> None:
        if isinstance(answer, Stopped) and await self._is_our_stop(job):
            await self._put_back(job, uses_attempt=False)
            return
        pictures = await asyncio.to_thread(save_pictures, job.id, drawn, self._pictures_dir)
        match answer:
            case Finished() if len(pictures) == job.count:
                await self._ending.end(job, JobState.DONE, pictures=pictures)
            case Finished():
                log.error("finished without every picture", job_id=job.id, pictures=len(pictures))
                await self._ending.end(job, JobState.FAILED, fail=FailReason.WORKER_ERROR, pictures=pictures)
            case Failed(reason=reason, detail=detail):
                log.warning("job failed", job_id=job.id, reason=reason, detail=detail)
                await self._ending.end(job, JobState.FAILED, fail=reason, pictures=pictures)
            case Stopped():
                await self._ending.end(job, JobState.CANCELLED, pictures=pictures)

    async def _is_our_stop(self, job: JobRow) -> bool:
        now = await self._store.jobs.find(job.id)
        return self._closing.is_set() and now is not None and not now.cancel_requested

    async def _take_back(self, job: JobRow, drawn: list[Picture]) -> None:
        """The worker or this process ended under the job: it waits again, unless that came too often."""
        now = await self._store.jobs.find(job.id)
        if job.attempt < MAX_ATTEMPTS or (now is not None and now.cancel_requested):
            await self._put_back(job, uses_attempt=True)
            return
        pictures = await asyncio.to_thread(save_pictures, job.id, drawn, self._pictures_dir)
        await self._ending.end(job, JobState.FAILED, fail=FailReason.WORKER_ERROR, pictures=pictures)

    async def _put_back(self, job: JobRow, *, uses_attempt: bool) -> None:
        async with self._store.atomic():
            if queued := await self._store.jobs.put_back(job, uses_attempt=uses_attempt):
                await self._let_wait(queued)

    async def _let_wait(self, queued: JobRow) -> None:
        """Put a queued job into the line; one whose cancel was asked while it was drawn ends here."""
        async with self._store.atomic():
            if queued.cancel_requested:
                await self._ending.end(queued, JobState.CANCELLED)
            else:
                self._store.after_commit(lambda: self._line.add(queued))


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
