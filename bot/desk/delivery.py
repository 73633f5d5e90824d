"""Deliver the results of ended jobs: in order, again after a failure, and never twice on purpose.

A result is ``sending`` while a chat has it. After a crash or an error it may have arrived: it becomes
``maybe`` and is delivered again to the same message, where a second delivery changes nothing.

One person's results in one chat arrive in the order in which their jobs ended; later results overtake only
one that keeps failing. A slow chat delays no other chat.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import structlog

from bot.desk.files import find_pictures, retry_while_full
from bot.desk.progress import ChatOutput, ProgressPublisher
from bot.desk.queue import ChangeSignal, MonotonicClock, wait_for_change
from bot.desk.recipes import recipe_of_job
from bot.errors import CannotSave
from bot.outcomes import Address, JobResult, JobState, Note, Platform, RetryLater, Undeliverable
from bot.store import Store
from bot.store.rows import ClaimedRow, OutboxState
from engine.request import FailReason

log = structlog.get_logger("bot.desk")

MOST_IN_FLIGHT = 12  # deliveries at once on one platform …
MOST_IN_CHAT = 4  # … of which a slow chat has at most this many
ORDER_WAIT_S = 60.0  # a person's later results wait for one that is due within this time
DELIVER_TIMEOUT_S = 120.0  # four pictures over a slow connection
BACK_OFF_S = 2.0  # doubled after every failure …
MAX_BACK_OFF_S = 300.0  # … up to this
MAX_ATTEMPTS = 300  # about a day; then the result waits for /mine


class OutboxDelivery:
    """Delivers what the outbox holds.

    Args:
        result_ready: Notified when the outbox has a new result.
        clock: UTC milliseconds.
        notes_on: Words of a prompt that the model does not know.
    """

    def __init__(
        self,
        *,
        store: Store,
        result_ready: ChangeSignal,
        progress: ProgressPublisher,
        pictures_dir: Path,
        clock: Callable[[], int],
        notes_on: Callable[[str], tuple[Note, ...]],
    ) -> None:
        self._store = store
        self._notes_on = notes_on
        self._changed = result_ready
        self._progress = progress
        self._pictures_dir = pictures_dir
        self._clock = MonotonicClock(clock)
        self._closing = asyncio.Event()
        self._saved = partial(retry_while_full, is_closing=self._closing.is_set)

    async def recover(self) -> None:
        """After a stop, retry what was being sent; no result waits longer than the longest back-off."""
        latest_ms = self._clock() + int(1_000 * MAX_BACK_OFF_S)
        await self._saved(self._store.outbox.recover)
        await self._saved(lambda: self._store.outbox.limit_waits(latest_ms))

    def close(self) -> None:
        """Deliver what is due, and then let ``run`` return."""
        self._closing.set()
        self._changed.notify()

    def check_now(self) -> None:
        """Look for results that have become due."""
        self._changed.notify()

    async def run(self, chats: Mapping[Platform, ChatOutput]) -> None:
        """Deliver until closed. Results for platforms without a chat wait until there is one."""
        async with asyncio.TaskGroup() as group:
            for platform, chat in chats.items():
                group.create_task(self._dispatch(platform, chat), name=f"deliver {platform}")

    async def _dispatch(self, platform: Platform, chat: ChatOutput) -> None:
        """Claim what is due and deliver it, several results at once, until closed and nothing is due."""
        outbox, in_flight = self._store.outbox, set[asyncio.Task[None]]()
        async with asyncio.TaskGroup() as group:
            try:
                while True:
                    change, now_ms = self._changed.next_change, self._clock()
                    claimed, due_ms = None, None
                    if len(in_flight) < MOST_IN_FLIGHT:
                        limits = {
                            "waited_for_ms": now_ms + int(1_000 * ORDER_WAIT_S),
                            "most_in_chat": MOST_IN_CHAT,
                        }
                        claimed, due_ms = await self._saved(partial(outbox.claim, platform, now_ms, **limits))
                    if claimed:
                        task = group.create_task(self._deliver(claimed, chat), name=f"deliver {claimed.job}")
                        in_flight.add(task)
                        task.add_done_callback(in_flight.discard)
                        task.add_done_callback(lambda _: self._changed.notify())  # later results may go now
                    elif self._closing.is_set() and not in_flight:
                        return
                    else:
                        wait_s = None if due_ms is None else max(0.05, (due_ms - self._clock()) / 1_000)
                        await wait_for_change(change, wait_s)
            except CannotSave:
                log.warning("closing while the disk is full", platform=platform)

    async def _deliver(self, claimed: ClaimedRow, chat: ChatOutput) -> None:
        """Deliver one result, and store how that ended."""
        await self._progress.stop_updates(claimed.job)
        facts = {"job_id": claimed.job, "attempts": claimed.attempts}
        state, wait_s = OutboxState.MAYBE, 0.0
        try:
            result = await self._saved(lambda: self._load_result(claimed.job))
            async with asyncio.timeout(DELIVER_TIMEOUT_S):
                await chat.deliver(result)
        except Undeliverable as reason:
            log.warning("result kept", **facts, reason=str(reason))
            state = OutboxState.KEPT
        except RetryLater as reason:
            log.info("result waits", **facts, reason=str(reason))
            wait_s = reason.after_s
        except Exception as error:  # noqa: BLE001 - supervision: whatever a platform raises, the result is retried
            log.warning("result not delivered", **facts, error=type(error).__name__)
            state = OutboxState.KEPT if claimed.attempts >= MAX_ATTEMPTS else OutboxState.MAYBE
            wait_s = back_off_s(claimed.attempts)
        else:
            log.info("result delivered", **facts)
            state = OutboxState.SENT
        due_ms = self._clock() + int(1_000 * wait_s) if state is OutboxState.MAYBE else 0
        try:
            await self._saved(lambda: self._store.outbox.mark(claimed.job, state, due_ms))
        except CannotSave:
            log.warning("closing while the disk is full: the next start delivers it again", **facts)

    async def _load_result(self, job_id: str) -> JobResult:
        stored = await self._store.outbox.load(job_id)
        if stored is None or (ended_ms := stored.job.ended_ms) is None:
            raise LookupError(f"the outbox holds {job_id}, which has not ended")
        job = stored.job
        pictures = (await find_pictures(stored.pictures, self._pictures_dir, [job_id]))[job_id]
        if pictures.missing:
            log.warning("pictures missing on the disk", job_id=job_id, missing=pictures.missing)
        return JobResult(
            job_id=job.id,
            address=Address(Platform(job.platform), job.chat_id, job.ref),
            user_id=stored.user_id,
            user_name=stored.user_name,
            locale=job.locale,
            private=job.private,
            state=JobState(job.state),
            recipe=recipe_of_job(job),
            pictures=pictures.files,
            missing=pictures.missing,
            price=job.price,
            refund=stored.refund,
            credits_left=stored.credits,
            # A clock may be set back.
            seconds=max(0, ended_ms - (job.started_ms or ended_ms)) / 1_000,
            fail=FailReason(job.fail) if job.fail else None,
            notes=self._notes_on(job.prompt),
        )


def back_off_s(attempts: int) -> float:
    """Return the seconds until a result that failed ``attempts`` times is retried."""
    return min(MAX_BACK_OFF_S, BACK_OFF_S * 2.0 ** min(attempts - 1, 16))
