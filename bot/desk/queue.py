"""The jobs that wait for the card, in memory, and the status that their placeholders show.

The store keeps the jobs; the queue is rebuilt from it at every start. Only the newest status of a job counts,
and a status lost in a crash is published again by the next step. Each job has at most one ``show`` in flight;
``stop_updates`` waits for it, so that no late status replaces a result.
"""

import asyncio
import sys
import time
from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from bot.monitoring.figures import ETA, ETA_ERROR
from bot.outcomes import Address, ChatOutput, JobState, Platform, Recipe, Status
from bot.store import Store
from bot.store.rows import JobRow
from engine.planner.costs.book import Cost, CostBook
from engine.planner.headroom import Headroom
from engine.request import LoraChoice, Picture, Progress, TimeEstimate
from engine.scheduler import Decision, Scheduler, Waiting, WorkBefore

log = structlog.get_logger("bot.desk")

ANNOUNCED_POSITIONS = (1, 2, 3, 5, 10)  # a placeholder is edited when its job first comes this near
FORESEEN = "foreseen"  # no job has this id: ids have 16 characters
FAR = ANNOUNCED_POSITIONS[-1] + 1  # every position beyond
PREFETCH_JOBS = 8  # how many waiting jobs the prefetch looks at
PREFETCH_LORAS = 4  # at 159 MB each, they fill about half of the worker's cache and evict none in use
PUBLISH_EVERY_S = 1.0  # Telegram's limit for one chat
SHOW_TIMEOUT_S = 10.0
NEWEST_WAITS = 100  # real waits that correct the next promises; with …
FEW_WAITS = 10  # … fewer than this, a promise is what the jobs before say
OUTSIDE = 0.03  # of the newest waits were shorter than what is promised, and as many longer
UNUSUAL = 4.0  # a wait of so many times the most work had a pause, a load or another program's memory in it
MOST_PROMISES = 1_000  # of jobs that wait; the oldest are forgotten, cancelled jobs among them
ANNOUNCED_AT_ONCE = 20  # of a thousand jobs that wait at a start, the last is announced within a minute


class MonotonicClock:
    """A clock for waits and durations that never goes back, read from one that may.

    A step back counts as no time; afterwards this clock is ahead of the other one.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(self, clock: Callable[[], int]) -> None:
        self._clock = clock
        self._last_ms = self._now_ms = clock()

    def __call__(self) -> int:
        """Milliseconds; never less than at the call before."""
        read_ms = self._clock()
        self._now_ms += max(0, read_ms - self._last_ms)
        self._last_ms = read_ms
        return self._now_ms


class PromisedWaits:
    """Compares the waits that people were promised with the real ones, and corrects the next promises.

    A real wait has pauses between the jobs, and people who ask again before it has ended.

    Args:
        clock: Seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._promises: OrderedDict[str, tuple[float, WorkBefore, TimeEstimate]] = OrderedDict()
        # Of the newest waits: (seconds + 1) ÷ (least work + 1), and the same with the most work. The added
        # second keeps short waits, which vary by fractions of it, from widening the range of long ones.
        self._ratios: deque[tuple[float, float]] = deque(maxlen=NEWEST_WAITS)

    def promise(self, job_id: str, work: WorkBefore, wait: TimeEstimate) -> None:
        """Keep the first promise to a job."""
        self._promises.setdefault(job_id, (self._clock(), work, wait))
        if len(self._promises) > MOST_PROMISES:
            self._promises.popitem(last=False)

    def note_start(self, job_id: str) -> None:
        """Record how far the promise was from this start."""
        if job_id not in self._promises:
            return
        promised_s, work, wait = self._promises.pop(job_id)
        waited_s = self._clock() - promised_s
        if waited_s + 1 <= UNUSUAL * (work.most_s + 1):
            self._ratios.append(((waited_s + 1) / (work.least_s + 1), (waited_s + 1) / (work.most_s + 1)))
        ETA_ERROR.observe(abs(waited_s - (wait.least_s + wait.most_s) / 2))
        result = "early" if waited_s < wait.least_s else "late" if waited_s > wait.most_s else "within"
        ETA.labels(result).inc()

    def correct(self, work: WorkBefore, wait: TimeEstimate) -> TimeEstimate:
        """Return the range that the newest waits had for so much work; ``wait`` while few are known."""
        if len(self._ratios) < FEW_WAITS:
            return wait
        outside = round(OUTSIDE * len(self._ratios))
        low, high = (sorted(side) for side in zip(*self._ratios, strict=True))
        least_s = low[outside] * (work.least_s + 1) - 1
        most_s = high[-1 - outside] * (work.most_s + 1) - 1
        return TimeEstimate(max(0.0, least_s), max(0.0, least_s, most_s))


class JobQueue:
    """The waiting jobs in the scheduler's order. Change the order here; read it from ``scheduler``.

    Args:
        scheduler: Decides the order.
        costs: Predicts what a job needs.
        weights: Each person's share of the card, as a multiple of the usual share; 1 for people not named.
        waits: Corrects the promised waits.
        is_loading: Whether the worker still loads its model.
        loading_s: How long that takes about; None if unknown.
        prefetch: Has the worker read these LoRAs into main memory in advance, soonest needed first.
        extra_bytes: What these LoRAs take of the card beyond usual ones.

    Attributes:
        jobs: The waiting jobs by id, the next one until it is taken.
        was_loading: Whether the model was still loading at the last change.
        is_paused: A host has paused the drawing: no job is next.
        changed: Set after every change; the loop that waits for changes clears it before it reads the queue.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        costs: CostBook,
        *,
        weights: Mapping[int, int],
        waits: PromisedWaits,
        is_loading: Callable[[], bool],
        prefetch: Callable[[tuple[LoraChoice, ...]], None],
        loading_s: Callable[[], float | None] = lambda: None,
        extra_bytes: Callable[[Sequence[LoraChoice]], int] = lambda _: 0,
    ) -> None:
        self._extra_bytes = extra_bytes
        self._costs = costs
        self._priced_at = costs.revision  # of all jobs that wait
        self._weights = weights
        self._waits = waits
        self._prefetch = prefetch
        self._prefetched: tuple[LoraChoice, ...] = ()
        self._publish_position: Callable[[str], None] = lambda _: None
        self._announced: dict[str, int] = {}  # waiting job → the position that its placeholder shows
        self.was_loading = False
        self.is_paused = False
        self.scheduler = scheduler
        self.is_loading = is_loading
        self.loading_s = loading_s
        self.jobs: dict[str, JobRow] = {}
        self.changed = asyncio.Event()

    def on_new_position(self, publish: Callable[[str], None]) -> None:
        """Call ``publish`` with the id of every job whose placeholder must show a new position."""
        self._publish_position = publish

    def add(self, job: JobRow) -> None:
        """Add a queued job; one that waits already keeps its position.

        A job that has lost an attempt may have ended the worker, so it is drawn alone.
        """
        self.jobs[job.id] = job
        waiting = Waiting(
            job_id=job.id,
            person_id=job.person,
            cost=self._cost_of(job.recipe),
            accepted_order=job.accepted_order,
            weight=self._weights.get(job.person, 1),
            pictures=job.recipe.count,
            is_alone=job.attempt > 0,
        )
        self.scheduler.add(waiting)
        self.report_change(job.id)

    def set_paused(self, is_paused: bool) -> None:
        """Draw nothing more, or go on; jobs keep their places."""
        if is_paused != self.is_paused:
            self.is_paused = is_paused
            self.report_change()

    def foresee(self, person: int, recipe: Recipe) -> tuple[int, TimeEstimate | None]:
        """Return how many jobs a new job of this person would have before it, and its wait."""
        if self._priced_at != self._costs.revision:
            self._recost()
        cost, weight = self._cost_of(recipe), self._weights.get(person, 1)
        self.scheduler.add(Waiting(FORESEEN, person, cost, sys.maxsize, weight, recipe.count))
        ahead, wait = self.scheduler.ahead_of(FORESEEN).jobs, self.estimate_wait(FORESEEN)
        self.scheduler.remove(FORESEEN)
        return ahead, wait

    def remove(self, job_id: str) -> None:
        """Remove a job; unknown ids are ignored."""
        self.scheduler.remove(job_id)
        self.jobs.pop(job_id, None)
        self.report_change()

    def merge(self, person: int, into: int) -> None:
        """Give one person's jobs to another."""
        self.scheduler.merge(person, into)
        self.report_change()

    def next(self, headroom: Headroom) -> Decision:
        """Return which job to draw next, by what is known now; whoever takes it removes it from ``jobs``."""
        if self.is_paused:
            return Decision(None, "paused")
        if self._priced_at != self._costs.revision:
            self._recost()
        return self.scheduler.next(headroom, self._need_of)

    def charge_time(self, job_id: str, seconds: float) -> None:
        """Count the time that a job was drawn against its person's next jobs."""
        self.scheduler.update(job_id, seconds)
        self.report_change()

    def estimate_wait(self, job_id: str, *, is_promise: bool = False) -> TimeEstimate | None:
        """Return the time until a job starts; ``is_promise`` if a person reads it for the first time.

        None while nothing was measured, the model still loads, or a host has paused the drawing.
        """
        if self._priced_at != self._costs.revision:
            self._recost()
        work = self.scheduler.work_before(job_id)
        if work is None or self.is_loading() or self.is_paused:
            return None
        least, most = self._costs.estimate_of(work.least_s), self._costs.estimate_of(work.most_s)
        if least is None or most is None:
            return None
        wait = self._waits.correct(work, TimeEstimate(least.least_s, most.most_s))
        if is_promise:
            self._waits.promise(job_id, work, wait)
        return wait

    def report_change(self, joined: str = "") -> None:
        """Wake the drawing loop, prefetch the LoRAs of the next jobs, and publish new positions.

        Only jobs that came near are published, and all near jobs once the model has loaded.

        Args:
            joined: The job that joined with this change; its receipt shows its first position.
        """
        self.changed.set()
        needed: dict[str, LoraChoice] = {}
        for job_id in self.scheduler.queue(PREFETCH_JOBS):
            for lora in self.jobs[job_id].recipe.loras:
                needed.setdefault(lora.sha256, lora)
        loras = tuple(needed.values())[:PREFETCH_LORAS]
        if loras and loras != self._prefetched:
            self._prefetched = loras
            self._prefetch(loras)
        is_loading = self.is_loading()
        has_loaded = self.was_loading and not is_loading
        self.was_loading = is_loading
        self._announced = {job: position for job, position in self._announced.items() if job in self.jobs}
        for job_id in self.scheduler.queue(FAR):
            position = self.scheduler.ahead_of(job_id).jobs
            announced = (*ANNOUNCED_POSITIONS, FAR)[bisect_left(ANNOUNCED_POSITIONS, position)]
            is_nearer = announced < self._announced.get(job_id, FAR)
            if job_id == joined:
                self._announced.setdefault(job_id, announced)
            elif is_nearer:  # other jobs may also move ahead of it; that is not published
                self._announced[job_id] = announced
            if has_loaded or (is_nearer and job_id != joined):
                self._publish_position(job_id)

    def _recost(self) -> None:
        """Give all jobs that wait new costs: the engine has learned that the old ones are wrong."""
        self._priced_at = self._costs.revision
        self.scheduler.recost(lambda job_id: self._cost_of(self.jobs[job_id].recipe))

    def _need_of(self, waiting: Waiting) -> int:
        """Predict what a job needs; nothing while no model is loaded: its plan will fit what is free."""
        return 0 if self.is_loading() else self._cost_of(self.jobs[waiting.job_id].recipe).needed_bytes

    def _cost_of(self, recipe: Recipe) -> Cost:
        """Predict a job. A sheet's pictures are drawn one by one, so the largest of their stacks counts."""
        size, loras = (recipe.width_px, recipe.height_px), recipe.loras
        if recipe.sheet:
            stacks = [cell.loras for cell in recipe.sheet.cells]
            loras = max(stacks, key=lambda stack: (self._extra_bytes(stack), len(stack)))
        extra_bytes = self._extra_bytes(loras) if loras else 0
        return self._costs.predict(
            *size,
            recipe.count,
            len(loras),
            recipe.steps,
            strength=recipe.start.strength if recipe.start else None,
            extra_bytes=extra_bytes,
        )


@dataclass(frozen=True, slots=True)
class _Step:
    """The newest step of a job that is being drawn, and its complete pictures."""

    progress: Progress
    pictures: tuple[Picture, ...] = ()


class ProgressPublisher:
    """Publishes positions and steps to the chats.

    Args:
        every_s: The shortest time between two updates of a placeholder; only the newest status is sent.
    """

    def __init__(self, *, store: Store, queue: JobQueue, every_s: float = PUBLISH_EVERY_S) -> None:
        self._store = store
        self._queue = queue
        self._every_s = every_s
        self._changed = asyncio.Event()
        self._unpublished: dict[str, _Step | None] = {}  # job → its step; None: its position
        self._showing: dict[str, asyncio.Task[None]] = {}
        self._unannounced: deque[str] = deque()
        queue.on_new_position(self._publish_position)

    def publish_step(self, progress: Progress, pictures: tuple[Picture, ...] = ()) -> None:
        """Publish that a step is done (0: the job starts) and ``pictures`` of the job are complete."""
        self._queue.scheduler.progress(progress.job_id, progress.index + progress.step / progress.steps)
        if self._queue.was_loading != self._queue.is_loading():
            self._queue.report_change()  # the model has loaded: positions are published with their waits
        self._unpublished[progress.job_id] = _Step(progress, pictures)
        self._changed.set()

    def announce_positions(self, job_ids: Iterable[str]) -> None:
        """Publish the positions of an earlier run's jobs, a few at a time: their chats do not know them."""
        self._unannounced.extend(job_ids)
        self._changed.set()

    async def stop_updates(self, job_id: str) -> None:
        """Publish nothing more about this job; return when no status of it is in flight."""
        self._unpublished.pop(job_id, None)
        if task := self._showing.get(job_id):
            await asyncio.wait({task})

    async def run(self, chats: Mapping[Platform, ChatOutput]) -> None:
        """Publish until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                for _ in range(min(ANNOUNCED_AT_ONCE, len(self._unannounced))):
                    self._unpublished.setdefault(self._unannounced.popleft(), None)
                if not self._unpublished:
                    await self._changed.wait()
                for job_id in [job_id for job_id in self._unpublished if job_id not in self._showing]:
                    show = self._show(job_id, self._unpublished.pop(job_id), chats)
                    self._showing[job_id] = group.create_task(show, name=f"show {job_id}")
                await asyncio.sleep(self._every_s)

    def _publish_position(self, job_id: str) -> None:
        self._unpublished[job_id] = None
        self._changed.set()

    async def _show(self, job_id: str, step: _Step | None, chats: Mapping[Platform, ChatOutput]) -> None:
        structlog.contextvars.bind_contextvars(job_id=job_id)  # for every line of this task's log
        state = JobState.QUEUED if step is None else JobState.RUNNING
        queue = self._queue
        try:
            job = await self._store.jobs.find(job_id)
            if job is None or job.state != state or not (chat := chats.get(Platform(job.platform))):
                return
            address, is_loading = Address(Platform(job.platform), job.chat_id, job.ref), queue.is_loading()
            status = Status(
                job.id, address, job.locale, job.recipe.count, None, spoiler=job.spoiler,
                is_loading=is_loading, loading_s=queue.loading_s() if is_loading else None,
            )  # fmt: skip
            if step is None:
                position = queue.scheduler.ahead_of(job.id).jobs
                status = replace(status, position=position, wait=queue.estimate_wait(job.id))
            else:
                index, done, steps = step.progress.index, step.progress.step, step.progress.steps
                status = replace(status, index=index, step=done, steps=steps, pictures=step.pictures)
            async with asyncio.timeout(SHOW_TIMEOUT_S):
                await chat.show(status)
        except Exception as error:  # noqa: BLE001 - supervision: a status is tried once, whatever a platform raises
            log.info("status not shown", job_id=job_id, error=type(error).__name__)
        finally:
            self._showing.pop(job_id, None)
