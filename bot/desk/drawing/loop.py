"""Take waiting jobs, have the renderer draw them, and see each through until its end is saved.

A taken job is ``running`` under this run's lease. The renderer holds two at most: it draws the first and
continues with the second without asking.

A crash leaves taken jobs as they are; ``Drawing.recover`` finds them at the next start. Our own stop
requeues them without using an attempt. While the disk is full, every task waits with what it has to write.
"""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Protocol

import structlog

from bot.desk.drawing.taken import ERROR_RULES, HOLDS_A_SLOT, TRANSITIONS, TakenEvent, TakenJob, TakenState
from bot.desk.files import PictureSpace, retry_while_full
from bot.desk.queue import JobQueue, ProgressPublisher, PromisedWaits
from bot.desk.results import JobCompletion
from bot.errors import CannotSave
from bot.monitoring.figures import LORA_SWITCHES, QUEUE_WAIT, STAGE
from bot.outcomes import JobState, Recipe
from bot.store import Store
from bot.store.rows import JobRow
from engine.host import MAX_IN_FLIGHT
from engine.planner.costs.book import CostBook
from engine.planner.headroom import HeadroomProbe
from engine.request import (
    Drawn,
    Event,
    Failed,
    FailReason,
    Finished,
    LoraChoice,
    LoraSource,
    Progress,
    RenderRequest,
    StartPicture,
    Stopped,
)

log = structlog.get_logger("bot.desk")

MOST_TAKEN = MAX_IN_FLIGHT + 2  # the others save their ends; the loop waits for a disk slower than the card
NO_SPACE_WAIT_S = 1.0  # until the card and the disk are measured again
LOADING_WAIT_S = 0.2  # until it is checked again whether the model has loaded
NOT_READY_WAIT_S = 5.0  # until a worker that did not start is asked again; the host has its own back-off
STAGES = ("lora", "text", "denoise", "decode", "encode", "start")  # of a job, as ``Timings`` has them
UNSAVED = "closing while the disk is full: the next start recovers its jobs"


class Renderer(Protocol):
    """Draws pictures: ``engine.host.Host``, or a replacement."""

    async def render(
        self, request: RenderRequest, listen: Callable[[Event], None]
    ) -> Finished | Stopped | Failed:
        """Draw one request after those before it, within the renderer's own time limits.

        It reports Progress, with step 0 of picture 0 at the start, and Drawn.

        Raises:
            WorkerLost: The worker ended while it drew this job, or (``JobNotStarted``) another one.
            WorkerNotReady: The worker could not be started.
        """

    def cancel(self, job_id: str) -> None:
        """Stop this job between two steps, or before it starts; unknown jobs are ignored."""

    def prefetch(self, loras: tuple[LoraChoice, ...], files: tuple[LoraSource, ...] = ()) -> None:
        """Read these LoRAs from these files, soonest needed first, beside whatever is drawn."""

    def withdraw(self, sha256: frozenset[str]) -> None:
        """Forget the LoRAs with these contents and draw with none of them; replaces the earlier call's."""


class Drawing:
    """The loop between the queue and the renderer.

    Args:
        lora_renderer: Tells ``renderer`` where the LoRAs of a job are.
        may_draw: Whether a job's LoRAs may still be used.
        read_start: Reads the picture that a recipe begins with; None if it is gone.
        clock: UTC milliseconds, for records; it may go back.
        seconds: Seconds that never go back, for durations.
    """

    def __init__(
        self,
        *,
        store: Store,
        renderer: Renderer,
        lora_renderer: Renderer,
        queue: JobQueue,
        completion: JobCompletion,
        progress: ProgressPublisher,
        probe: HeadroomProbe,
        costs: CostBook,
        space: PictureSpace,
        may_draw: Callable[[JobRow], Awaitable[bool]],
        read_start: Callable[[Recipe], Awaitable[StartPicture | None]],
        waits: PromisedWaits,
        clock: Callable[[], int],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._renderer = renderer
        self._lora_renderer = lora_renderer
        self._queue = queue
        self._completion = completion
        self._progress = progress
        self._probe = probe
        self._costs = costs
        self._space = space
        self._may_draw = may_draw
        self._read_start = read_start
        self._waits = waits
        self._last_loras: tuple[LoraChoice, ...] | None = None  # of the newest finished job
        self._clock = clock
        self._seconds = seconds
        self._lease = uuid.uuid4().hex
        self._taken: list[TakenJob] = []  # in the order in which they were taken
        self._handing_over = asyncio.Lock()  # keeps that order while a job's picture is read
        self._to_stop: set[str] = set()
        self._has_recovered = False
        self._closing = asyncio.Event()
        self._saved = partial(retry_while_full, is_closing=self._closing.is_set)

    async def recover(self) -> tuple[str, ...]:
        """After a stop, requeue jobs that a crash interrupted, or end them after their last attempt.

        Returns:
            The jobs that the last run left waiting.
        """
        known = set(self._queue.jobs)
        for job in await self._saved(partial(self._store.jobs.in_state, JobState.RUNNING)):
            log.warning("job found interrupted", job_id=job.id, attempt=job.attempt)
            await self._saved(partial(self._completion.use_attempt, job, []))
        for job in await self._saved(partial(self._store.jobs.in_state, JobState.QUEUED)):
            await self._saved(partial(self._completion.enqueue, job.id))
        self._has_recovered = True
        return tuple(job_id for job_id in self._queue.scheduler.queue() if job_id not in known)

    @property
    def running(self) -> tuple[str, int, int]:
        """The job on the card (empty: none), and the step of how many of its current picture."""
        first = next((taken for taken in self._taken if taken.state in HOLDS_A_SLOT), None)
        step, steps = (first.progress.step, first.progress.steps) if first and first.progress else (0, 0)
        return first.job.id if first else "", step, steps

    @property
    def taken(self) -> tuple[JobRow, ...]:
        """The jobs that the renderer has; they return to the queue if it loses them."""
        return tuple(taken.job for taken in self._taken)

    @property
    def unfinished(self) -> tuple[JobRow, ...] | None:
        """The jobs that wait or are drawn; None before ``recover`` has found them, and after ``close``."""
        if not self._has_recovered or self._closing.is_set():
            return None
        return (*self._queue.jobs.values(), *self.taken)

    def stop(self, job_id: str) -> None:
        """Stop this job after its current step, or before it starts."""
        self._to_stop.add(job_id)
        self._renderer.cancel(job_id)

    def close(self) -> None:
        """Take no more. Jobs in the renderer stop after their current step and wait for the next start."""
        self._closing.set()
        self._queue.changed.set()
        for taken in self._taken:
            if taken.state in HOLDS_A_SLOT:
                self._renderer.cancel(taken.job.id)

    async def run(self) -> None:
        """Draw until closed."""
        try:
            async with asyncio.TaskGroup() as group:
                try:
                    while not self._closing.is_set():
                        self._queue.changed.clear()
                        wait_s = await self._take_next(group)
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(wait_s):
                                await self._queue.changed.wait()
                except CannotSave:
                    log.warning(UNSAVED)
        finally:
            # Whatever ended this loop was our own stop: the jobs under our lease keep their attempts.
            with contextlib.suppress(CannotSave):
                await self._store.jobs.requeue_leased(self._lease)

    async def _take_next(self, group: asyncio.TaskGroup) -> float | None:
        """Take the next job or refuse it, if there is one that can be drawn now.

        Returns:
            How many seconds to wait for a change of the queue before the next call; None: until a change.
        """
        queue = self._queue
        slots = [taken.state for taken in self._taken if taken.state in HOLDS_A_SLOT]
        if len(slots) >= MAX_IN_FLIGHT or len(self._taken) >= MOST_TAKEN:
            return None
        if queue.is_loading() and not self._costs.knows_weights:  # no need of memory can be predicted
            return LOADING_WAIT_S
        if queue.jobs and await self._space.available_bytes() < 0:
            return NO_SPACE_WAIT_S
        decision = queue.next(await asyncio.to_thread(self._probe.read))
        if refused := decision.refuse:
            log.warning("job can never fit", job_id=refused, reason=decision.reason)
            await self._saved(lambda: self._completion.refuse(refused))
            queue.remove(refused)
        elif (job_id := decision.job_id) is None:
            return NO_SPACE_WAIT_S if queue.jobs else None
        elif job := await self._saved(partial(self._store.jobs.take, job_id, self._lease, self._clock())):
            facts = {"attempt": job.attempt, "granted_bytes": decision.granted_bytes}
            log.info("job taken", job_id=job.id, reason=decision.reason, **facts)
            taken = TakenJob(job)
            self._taken.append(taken)
            del queue.jobs[job_id]
            group.create_task(self._process(taken), name=f"draw {job.id}")
        else:
            queue.remove(job_id)  # cancelled a moment ago
        return 0.0

    async def _process(self, taken: TakenJob) -> None:
        """Have a taken job drawn, and save what comes of it."""
        structlog.contextvars.bind_contextvars(job_id=taken.job.id)  # for every line of this task's log
        job, recipe, is_closing = taken.job, taken.job.recipe, self._closing.is_set
        try:
            async with self._handing_over:
                start = await self._saved(lambda: self._read_start(recipe)) if recipe.start else None
                may_draw = not recipe.loras or await self._saved(lambda: self._may_draw(job))
            request = RenderRequest(
                job_id=job.id,
                attempt=job.attempt,
                prompt=recipe.prompt,
                width_px=recipe.width_px,
                height_px=recipe.height_px,
                seed=recipe.seed,
                count=recipe.count,
                loras=recipe.loras,
                steps=recipe.steps,
                prompts=recipe.prompts,
                cells=recipe.sheet.request_cells if recipe.sheet else (),
                start=start,
            )
            if [other for other in self._taken if other.state in HOLDS_A_SLOT] == [taken]:  # it is the next
                self._progress.publish_step(Progress(job.id, job.attempt, 0, 0, steps=request.steps_taken))
            answer: Finished | Stopped | Failed = Stopped(job.id, job.attempt)
            if not may_draw:
                answer = Failed(job.id, job.attempt, FailReason.LORA_WITHDRAWN)
            elif recipe.start and not start:
                answer = Failed(job.id, job.attempt, FailReason.START_MISSING)
            elif not (is_closing() or job.id in self._to_stop):  # else stopped before it was sent
                render = (self._lora_renderer if recipe.loras else self._renderer).render
                answer = await render(request, partial(self._listen, taken))
            self._costs.learn(request, answer)
            if isinstance(answer, Finished):
                for stage in STAGES:
                    STAGE.labels(stage).observe(getattr(answer.timings, f"{stage}_s"))
                LORA_SWITCHES.inc(self._last_loras not in (None, recipe.loras))
                self._last_loras = recipe.loras
            self._advance(taken, TakenEvent.ANSWERED)
            started = replace(job, started_ms=taken.started_ms)
            record = partial(self._completion.record_answer, started, answer, taken.drawn, is_closing)
            await self._saved(record)
        except CannotSave:
            log.warning(UNSAVED)
        except Exception as error:  # noqa: BLE001 - supervision: one job's failure must not stop the others
            await self._remedy(taken, error)
        finally:
            self._taken.remove(taken)
            if job.id not in [other.job.id for other in self._taken]:  # else taken again during a pause
                self._to_stop.discard(job.id)
            self._queue.changed.set()  # a slot is free

    def _listen(self, taken: TakenJob, event: Event) -> None:
        if isinstance(event, Drawn):
            drawn = {each.index: each for each in (*taken.drawn, event.picture)}  # a retry draws some again
            taken.drawn = [drawn[index] for index in sorted(drawn)]
            if taken.progress is not None:
                self._progress.publish_step(taken.progress, tuple(taken.drawn))
        elif isinstance(event, Progress):
            if taken.state is TakenState.READY:
                log.info("job started", job_id=event.job_id, attempt=event.attempt)
                taken.started_ms, taken.started_s = self._clock(), self._seconds()
                if taken.job.attempt == 1:
                    QUEUE_WAIT.observe(max(0, taken.started_ms - taken.job.created_ms) / 1_000)
                    self._waits.note_start(taken.job.id)
                self._advance(taken, TakenEvent.STARTED)
            taken.progress = event
            self._progress.publish_step(event, tuple(taken.drawn))

    def _advance(self, taken: TakenJob, event: TakenEvent) -> None:
        """Enter the next state; charge the time that the job was drawn if the table says so."""
        taken.state, is_charged = TRANSITIONS[taken.state, event]
        if is_charged:
            drawn_s = 0.0 if taken.started_s is None else self._seconds() - taken.started_s
            self._queue.charge_time(taken.job.id, drawn_s)

    async def _remedy(self, taken: TakenJob, error: Exception) -> None:
        """Do what ``ERROR_RULES`` says."""
        job, completion = taken.job, self._completion
        rule = next(rule for rule in ERROR_RULES if isinstance(error, rule.error))
        getattr(log, rule.level)(rule.message, job_id=job.id, attempt=job.attempt, detail=str(error))
        self._advance(taken, rule.event)
        try:
            match rule.event:
                case TakenEvent.RETURNED:
                    await self._saved(lambda: completion.requeue(job, uses_attempt=False))
                case TakenEvent.LOST:
                    await self._saved(lambda: completion.use_attempt(job, taken.drawn))
                case TakenEvent.FAILED:
                    await self._saved(lambda: completion.fail(job))
        except CannotSave:
            log.warning(UNSAVED)
            return
        if rule.pauses:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(NOT_READY_WAIT_S):
                    await self._closing.wait()
