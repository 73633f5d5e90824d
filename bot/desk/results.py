"""How a job ends or waits again, and how its result is delivered.

A job ends in one transaction: state, pictures, refund and result, fenced by its attempt. A second end (a late
worker, a cancel beside a finish) changes nothing. Every method of ``JobCompletion`` may be repeated when the
disk was full.

Results are delivered in order, again after a failure, and never twice on purpose. A result is ``sending``
while a chat has it. After a crash or an error it may have arrived: it becomes ``maybe`` and is delivered
again to the same message, where a second delivery changes nothing. One person's results in one chat arrive in
the order in which their jobs ended; later results overtake only one that keeps failing. A slow chat delays no
other chat.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import structlog

from bot.desk.files import (
    LogLimiter,
    LooseFiles,
    file_name,
    find_pictures,
    name_pictures,
    retry_while_full,
    save_pictures,
)
from bot.desk.people.ledger import Ledger
from bot.desk.queue import JobQueue, MonotonicClock, ProgressPublisher
from bot.desk.sheets.picture import draw_sheet
from bot.errors import CannotSave
from bot.monitoring.figures import DELIVERIES, JOBS_ENDED, JOBS_REFUNDED, PICTURES
from bot.outcomes import (
    Address,
    ChatOutput,
    JobResult,
    JobState,
    Note,
    Offers,
    Platform,
    Recipe,
    RetryLater,
    SizeChanged,
    Undeliverable,
)
from bot.store import Store
from bot.store.database import run_to_completion
from bot.store.rows import JobRow, OutboxState, PictureRow, TakenResult
from engine.backoff import Backoff
from engine.durable import is_disk_full
from engine.request import Failed, FailReason, Finished, Picture, Stopped

log = structlog.get_logger("bot.desk")

MAX_ATTEMPTS = 3  # a job that ended the worker this often would end it again
MOST_IN_FLIGHT = 12  # deliveries at once on one platform …
MOST_IN_CHAT = 4  # … of which a slow chat has at most this many
ORDER_WAIT_S = 60.0  # a person's later results wait for one that is due within this time
DELIVER_TIMEOUT_S = 120.0  # four pictures over a slow connection
BACK_OFF = Backoff((2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0))
MOST_LACKS = 10  # of memory that are remembered
MAX_DELIVERIES = 300  # about a day; then the result waits for /mine


class JobCompletion:
    """Records how taken jobs end, or puts them back into the queue.

    Args:
        loose_files: Keeps what is written until its rows are stored.
        result_ready: By platform, set when the outbox has a new result.
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        queue: JobQueue,
        loose_files: LooseFiles,
        result_ready: Mapping[Platform, asyncio.Event],
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._queue = queue
        self._loose_files = loose_files
        self._clock = clock
        self._full = LogLimiter("disk full: drawn pictures were lost and refunded")
        self._result_ready = result_ready
        self.memory_lacks_ms: deque[int] = deque(maxlen=MOST_LACKS)

    async def end(
        self,
        job: JobRow,
        state: JobState,
        *,
        fail: FailReason | None = None,
        pictures: Sequence[PictureRow] = (),
    ) -> int | None:
        """End ``job`` as it was taken (or, never taken, as it waited).

        The files of ``pictures`` are on the disk and held; the missing pictures of ``job.recipe.count`` are
        refunded.

        Returns:
            The refund; None, with nothing changed, when this attempt of the job no longer counts.
        """
        async with self._store.atomic():
            if not await self._store.jobs.end(job, state, self._clock(), fail=fail, pictures=pictures):
                log.warning("late end refused", job_id=job.id, attempt=job.attempt, state=state)
                self._loose_files.changed.set()
                return None
            drawn = [row.idx for row in pictures if row.idx < job.recipe.count]  # not a sheet's own
            if drawn and job.recipe.loras:
                await self._note_uses(job, drawn)
            missing = job.recipe.count - len(drawn)
            is_cancelled = state is JobState.CANCELLED
            refund = await self._ledger.refund(job, missing, is_cancelled=is_cancelled) if missing else 0
            if job.state == JobState.QUEUED:  # a drawn job has left the queue when its time was charged
                self._store.after_commit(lambda: self._queue.remove(job.id))
            self._store.after_commit(self._result_ready[Platform(job.platform)].set)
            reason = "" if fail is None else fail.value
            self._store.after_commit(JOBS_ENDED.labels(job.platform, state.value, reason).inc)
            self._store.after_commit(partial(PICTURES.inc, len(drawn)))
            if refund:
                self._store.after_commit(JOBS_REFUNDED.labels(job.platform).inc)
            if fail is FailReason.OUT_OF_MEMORY:
                self._store.after_commit(partial(self.memory_lacks_ms.append, self._clock()))
        log.info("job ended", job_id=job.id, state=state, pictures=len(drawn), fail=fail, refund=refund)
        return refund

    async def _note_uses(self, job: JobRow, drawn: Sequence[int]) -> None:
        """Store how many of these pictures were drawn with each LoRA of the job."""
        sheet = job.recipe.sheet
        for lora in job.recipe.loras:
            used = sheet.pictures_with(lora.sha256).intersection(drawn) if sheet else drawn
            if used:
                await self._store.consents.add_uses(job.id, [lora], len(used), self._clock())

    async def record_answer(
        self,
        job: JobRow,
        answer: Finished | Stopped | Failed,
        drawn: Sequence[Picture],
        is_closing: Callable[[], bool],
    ) -> None:
        """End the job by the renderer's answer; requeue it unharmed if our own stop interrupted it."""
        if isinstance(answer, Stopped) and is_closing() and not await self._is_cancelled(job):
            await self.requeue(job, uses_attempt=False)
            return
        async with self._saving(job, drawn) as pictures:
            if pictures is None:
                await self.end(job, JobState.FAILED, fail=FailReason.DISK_FULL)
                return
            state = JobState.FAILED
            fail: FailReason | None = None
            match answer:
                case Finished() if (
                    len([row for row in pictures if row.idx < job.recipe.count]) == job.recipe.count
                ):
                    state = JobState.DONE
                case Finished():
                    log.error("finished without every picture", job_id=job.id, pictures=len(pictures))
                    fail = FailReason.WORKER_ERROR
                case Failed(reason=fail, detail=detail):
                    log.warning("job failed", job_id=job.id, reason=fail, detail=detail)
                case Stopped():
                    state = JobState.CANCELLED
            await self.end(job, state, fail=fail, pictures=pictures)

    async def fail(self, job: JobRow) -> None:
        """End a job after an unexpected error, with a full refund."""
        await self.end(job, JobState.FAILED, fail=FailReason.WORKER_ERROR)

    async def refuse(self, job_id: str) -> None:
        """End a waiting job that can never fit the card."""
        if (job := await self._store.jobs.find(job_id)) and job.state == JobState.QUEUED:
            await self.end(job, JobState.FAILED, fail=FailReason.OUT_OF_MEMORY)

    async def use_attempt(self, job: JobRow, drawn: Sequence[Picture]) -> None:
        """Requeue a job whose worker or process ended while it was drawn; end it after its last attempt."""
        if job.attempt < MAX_ATTEMPTS or await self._is_cancelled(job):
            await self.requeue(job, uses_attempt=True)
            return
        fail = FailReason.WORKER_ERROR
        try:
            async with self._saving(job, drawn) as pictures:
                await self.end(job, JobState.FAILED, fail=fail, pictures=pictures or ())
        except CannotSave:
            raise
        except Exception:  # supervision: the job must end, and the others must be drawn
            log.exception("what was drawn of a job is lost", job_id=job.id)
            await self.end(job, JobState.FAILED, fail=fail)

    async def requeue(self, job: JobRow, *, uses_attempt: bool) -> None:
        """Put a taken job back into the queue; nothing changes when this attempt no longer counts."""
        async with self._store.atomic():
            if queued := await self._store.jobs.requeue(job, uses_attempt=uses_attempt):
                await self.enqueue(queued.id)

    async def enqueue(self, job_id: str) -> None:
        """Add a job to the queue if it waits; end it if its cancel was requested while it was drawn."""
        async with self._store.atomic():
            queued = await self._store.jobs.find(job_id)
            if queued is None or queued.state != JobState.QUEUED:
                return
            if queued.cancel_requested:
                await self.end(queued, JobState.CANCELLED)
            else:
                self._store.after_commit(lambda: self._queue.add(queued))

    @contextlib.asynccontextmanager
    async def _saving(
        self, job: JobRow, drawn: Sequence[Picture]
    ) -> AsyncIterator[tuple[PictureRow, ...] | None]:
        """Write the pictures, and keep their files while the block stores their rows; None: the disk is full.

        None of a withdrawn LoRA are written: its job has ended without them.
        """
        if job.recipe.loras and drawn and await self._is_withdrawn(job):
            drawn = []
        if job.recipe.sheet and drawn:
            drawn = [*drawn, await asyncio.to_thread(draw_sheet, job.recipe, drawn, job.locale)]
        pictures: tuple[PictureRow, ...] | None = await asyncio.to_thread(name_pictures, job.id, drawn)
        folder = self._loose_files.folder
        async with self._loose_files.holding([file_name(row) for row in pictures or ()]):
            try:
                contents = [picture.png for picture in drawn]
                await run_to_completion(asyncio.to_thread(save_pictures, pictures or (), contents, folder))
            except OSError as error:
                if not is_disk_full(error):
                    raise
                self._full.error(job_id=job.id, folder=str(folder))
                self._loose_files.changed.set()
                pictures = None
            yield pictures

    async def _is_withdrawn(self, job: JobRow) -> bool:
        stored = await self._store.jobs.find(job.id)
        return stored is not None and stored.fail == FailReason.LORA_WITHDRAWN

    async def _is_cancelled(self, job: JobRow) -> bool:
        stored = await self._store.jobs.find(job.id)
        return stored is not None and stored.cancel_requested


class OutboxDelivery:
    """Delivers what the outbox holds.

    Args:
        result_ready: By platform, set when the outbox has a new result or one may have become due.
        clock: UTC milliseconds.
        find_notes: Words of a prompt that the model does not know; None for a model that knows all.
        offers_of: What the controls of a job's pictures offer where they are delivered.
    """

    def __init__(
        self,
        *,
        store: Store,
        result_ready: Mapping[Platform, asyncio.Event],
        progress: ProgressPublisher,
        pictures_dir: Path,
        clock: Callable[[], int],
        find_notes: Callable[[Recipe], tuple[Note, ...]] | None,
        offers_of: Callable[[JobRow], Offers],
    ) -> None:
        self._store = store
        self._find_notes = find_notes
        self._offers_of = offers_of
        self._changed = result_ready
        self._progress = progress
        self._pictures_dir = pictures_dir
        self._clock = MonotonicClock(clock)
        self._closing = asyncio.Event()
        self._saved = partial(retry_while_full, is_closing=self._closing.is_set)

    async def recover(self) -> None:
        """After a stop, retry what was being sent; no result waits longer than the longest back-off."""
        latest_ms = self._clock() + int(1_000 * BACK_OFF.longest_s)
        await self._saved(self._store.outbox.recover)
        await self._saved(lambda: self._store.outbox.limit_waits(latest_ms))

    def close(self) -> None:
        """Deliver what is due, and then let ``run`` return."""
        self._closing.set()
        for changed in self._changed.values():
            changed.set()

    async def run(self, chats: Mapping[Platform, ChatOutput]) -> None:
        """Deliver until closed. Results for platforms without a chat wait until there is one."""
        async with asyncio.TaskGroup() as group:
            for platform, chat in chats.items():
                group.create_task(self._dispatch(platform, chat), name=f"deliver {platform}")

    async def _dispatch(self, platform: Platform, chat: ChatOutput) -> None:
        """Take what is due and deliver it, several results at once, until closed and nothing is due."""
        outbox, changed, in_flight = self._store.outbox, self._changed[platform], set[asyncio.Task[None]]()
        async with asyncio.TaskGroup() as group:
            try:
                while True:
                    changed.clear()
                    in_flight = {task for task in in_flight if not task.done()}
                    now_ms, taken, due_ms = self._clock(), None, None
                    if len(in_flight) < MOST_IN_FLIGHT:
                        waited_for_ms = now_ms + int(1_000 * ORDER_WAIT_S)
                        limits = {"waited_for_ms": waited_for_ms, "most_in_chat": MOST_IN_CHAT}
                        taken, due_ms = await self._saved(partial(outbox.take, platform, now_ms, **limits))
                    if taken:
                        delivery = self._deliver(taken, chat, changed)
                        in_flight.add(group.create_task(delivery, name=f"deliver {taken.job}"))
                    elif self._closing.is_set() and not in_flight:
                        return
                    else:
                        wait_s = None if due_ms is None else max(0.05, (due_ms - self._clock()) / 1_000)
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(wait_s):
                                await changed.wait()
            except CannotSave:
                log.warning("closing while the disk is full", platform=platform)

    async def _deliver(self, taken: TakenResult, chat: ChatOutput, changed: asyncio.Event) -> None:
        """Deliver one result, store how that ended, and set ``changed``."""
        structlog.contextvars.bind_contextvars(job_id=taken.job)  # also for what the chat logs
        await self._progress.stop_updates(taken.job)
        facts = {"job_id": taken.job, "attempts": taken.attempts}
        state, wait_s, given_up = OutboxState.MAYBE, 0.0, OutboxState.KEPT
        try:
            result = await self._saved(partial(self._load_result, taken.job))
            if result.is_deleted:
                given_up = OutboxState.SENT  # /mine has nothing to bring
            async with asyncio.timeout(DELIVER_TIMEOUT_S):
                await chat.deliver(result)
        except Undeliverable as reason:
            state = given_up
            said = "result kept" if state is OutboxState.KEPT else "result dropped"
            log.warning(said, **facts, reason=str(reason))
        except RetryLater as reason:
            log.info("result waits", **facts, reason=str(reason))
            wait_s = reason.after_s
        except Exception as error:  # noqa: BLE001 - supervision: whatever a platform raises, the result is retried
            log.warning("result not delivered", **facts, error=type(error).__name__)
            state = given_up if taken.attempts >= MAX_DELIVERIES else OutboxState.MAYBE
            wait_s = BACK_OFF.pause_s(taken.attempts)
        else:
            log.info("result delivered", **facts)
            state = OutboxState.SENT
        DELIVERIES.labels("again" if state is OutboxState.MAYBE else state.value).inc()
        due_ms = self._clock() + int(1_000 * wait_s) if state is OutboxState.MAYBE else 0
        try:
            await self._saved(partial(self._store.outbox.mark, taken.job, state, due_ms))
        except CannotSave:
            log.warning("closing while the disk is full: the next start delivers it again", **facts)
        finally:
            changed.set()  # later results may go now

    async def _load_result(self, job_id: str) -> JobResult:
        stored = await self._store.outbox.load(job_id)
        if stored is None or (ended_ms := stored.job.ended_ms) is None:
            raise LookupError(f"the outbox holds {job_id}, which has not ended")
        job, is_deleted = stored.job, stored.job.deleted_ms is not None
        rows = () if is_deleted else stored.pictures
        found = await asyncio.to_thread(find_pictures, rows, self._pictures_dir, [job], must_check=True)
        pictures = found[job_id]
        missing = pictures.missing + len(pictures.damaged)
        if missing:
            log.warning("pictures missing on the disk", job_id=job_id, missing=missing)
        size = job.recipe.sheet or job.recipe
        changed = (SizeChanged(job.asked_size, size.width_px, size.height_px),) if job.asked_size else ()
        return JobResult(
            job_id=job.id,
            address=Address(Platform(job.platform), job.chat_id, job.ref),
            user_id=stored.user_id,
            user_name=stored.user_name,
            locale=job.locale,
            private=job.private,
            spoiler=job.spoiler,
            state=JobState(job.state),
            recipe=job.recipe,
            pictures=pictures.files,
            missing=missing,
            price=job.price,
            refund=stored.refund,
            credits_left=stored.credits,
            # A clock may be set back.
            seconds=max(0, ended_ms - (job.started_ms or ended_ms)) / 1_000,
            fail=FailReason(job.fail) if job.fail else None,
            notes=(*changed, *(self._find_notes(job.recipe) if self._find_notes else ())),
            lineage=job.lineage,
            offers=self._offers_of(job),
            cells=tuple(row.idx for row in rows if row.idx < job.recipe.count) if job.recipe.sheet else (),
            is_deleted=is_deleted,
        )
