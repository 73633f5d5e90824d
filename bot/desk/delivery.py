"""Bring ended jobs to their people: in order, again after a failure, and never twice on purpose.

A result is ``sending`` while a chat has it. What a crash or an error interrupts may have arrived: it becomes
``maybe`` and is tried again at the same message, where a second time changes nothing.

One person's results in one chat arrive in the order in which their jobs ended; only one that keeps failing is
overtaken. A slow chat holds up no other.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

import structlog

from bot.desk.completion import JobCompletion
from bot.desk.files import saved
from bot.desk.history import saved_pictures
from bot.desk.progress import ProgressPublisher
from bot.desk.queue import MonotonicClock, wait_for_change
from bot.desk.recipes import recipe_of_job
from bot.errors import CannotSave
from bot.outcomes import Address, JobResult, JobState, Note, Platform, RetryLater, Undeliverable
from bot.store import Store
from bot.store.rows import ClaimedRow, OutboxState
from engine.request import FailReason

Result = TypeVar("Result")

log = structlog.get_logger("bot.desk")

MOST_IN_FLIGHT = 12  # deliveries at once on one platform …
MOST_IN_CHAT = 4  # … of which one chat, however slowly it takes them, has no more than this
ORDER_WAIT_S = 60.0  # a result that waits no longer than this is waited for by the person's later ones
DELIVER_TIMEOUT_S = 120.0  # four pictures on a slow line
BACK_OFF_S = 2.0  # doubled at every failure …
MAX_BACK_OFF_S = 300.0  # … up to this
MAX_ATTEMPTS = 300  # about a day; then the result waits for /mine


class Delivers(Protocol):
    """A chat, from this side."""

    async def deliver(self, result: JobResult) -> None:
        """Bring an ended job to its person; Undeliverable: never; NotNow: then; any other error: later."""


class ResultDelivery:
    """The way out."""

    def __init__(
        self,
        *,
        store: Store,
        completion: JobCompletion,
        board: ProgressPublisher,
        pictures_dir: Path,
        clock: Callable[[], int],
        notes_on: Callable[[str], tuple[Note, ...]],
    ) -> None:
        self._store = store
        self._notes_on = notes_on
        self._changed_signal = completion.posted
        self._board = board
        self._pictures_dir = pictures_dir
        self._clock = MonotonicClock(clock)
        self._closing = False

    async def recover(self) -> None:
        """After a stop: what was being sent is tried again, and nothing later than the longest back-off."""
        latest_ms = self._clock() + int(1_000 * MAX_BACK_OFF_S)
        await self._saved(self._store.outbox.recover)
        await self._saved(lambda: self._store.outbox.limit_waits(latest_ms))

    def close(self) -> None:
        """Deliver what is due, and then let ``run`` return."""
        self._closing = True
        self._changed_signal.change()

    def look(self) -> None:
        """Results may be due that were not."""
        self._changed_signal.change()

    async def run(self, chats: Mapping[Platform, Delivers]) -> None:
        """Deliver until closed. Results for platforms without a chat wait until there is one."""
        async with asyncio.TaskGroup() as group:
            for platform, chat in chats.items():
                group.create_task(self._dispatch(platform, chat), name=f"deliver {platform}")

    async def _dispatch(self, platform: Platform, chat: Delivers) -> None:
        """Claim what is due and deliver it, several results at once, until closed and nothing is due."""
        in_flight: set[asyncio.Task[None]] = set()

        def landed(task: asyncio.Task[None]) -> None:
            in_flight.discard(task)
            self._changed_signal.change()  # what waited for it may go now

        async with asyncio.TaskGroup() as group:
            with _closing_unsaved(platform):
                while True:
                    change, now_ms = self._changed_signal.next_change(), self._clock()
                    if claimed := await self._claim(platform, now_ms, len(in_flight)):
                        task = group.create_task(self._deliver(claimed, chat), name=f"deliver {claimed.job}")
                        in_flight.add(task)
                        task.add_done_callback(landed)
                    elif self._closing and not in_flight:
                        return
                    else:
                        await wait_for_change(change, await self._wait_s(platform, now_ms))

    async def _claim(self, platform: Platform, now_ms: int, in_flight: int) -> ClaimedRow | None:
        if in_flight >= MOST_IN_FLIGHT:
            return None
        waited_for_ms = now_ms + int(1_000 * ORDER_WAIT_S)
        return await self._saved(
            lambda: self._store.outbox.claim(
                platform, now_ms, waited_for_ms=waited_for_ms, most_in_chat=MOST_IN_CHAT
            )
        )

    async def _wait_s(self, platform: Platform, now_ms: int) -> float | None:
        due_ms = await self._saved(lambda: self._store.outbox.next_due_ms(platform, now_ms))
        return None if due_ms is None else max(0.05, (due_ms - self._clock()) / 1_000)

    async def _saved(self, work: Callable[[], Awaitable[Result]]) -> Result:
        return await saved(work, lambda: self._closing)

    async def _mark(self, claimed: ClaimedRow, state: OutboxState, due_ms: int = 0) -> None:
        await self._saved(lambda: self._store.outbox.mark(claimed.job, state, due_ms))

    async def _deliver(self, claimed: ClaimedRow, chat: Delivers) -> None:
        with _closing_unsaved(claimed.job):
            await self._try(claimed, chat)

    async def _try(self, claimed: ClaimedRow, chat: Delivers) -> None:
        await self._board.silence(claimed.job)
        facts = {"job_id": claimed.job, "attempts": claimed.attempts}
        try:
            result = await self._saved(lambda: self._result(claimed.job))
            async with asyncio.timeout(DELIVER_TIMEOUT_S):
                await chat.deliver(result)
        except Undeliverable as reason:
            log.warning("parcel kept", **facts, reason=str(reason))
            await self._mark(claimed, OutboxState.KEPT)
        except RetryLater as reason:
            log.info("parcel waits", **facts, reason=str(reason))
            await self._mark(claimed, OutboxState.MAYBE, self._clock() + int(1_000 * reason.after_s))
        except Exception as error:  # noqa: BLE001 - desk loop: whatever a platform raises, the result is tried again
            log.warning("parcel not delivered", **facts, error=type(error).__name__)
            await self._try_later(claimed)
        else:
            log.info("parcel delivered", **facts)
            await self._mark(claimed, OutboxState.SENT)

    async def _try_later(self, claimed: ClaimedRow) -> None:
        if claimed.attempts >= MAX_ATTEMPTS:
            await self._mark(claimed, OutboxState.KEPT)
            return
        due_ms = self._clock() + int(1_000 * back_off_s(claimed.attempts))
        await self._mark(claimed, OutboxState.MAYBE, due_ms)

    async def _result(self, job_id: str) -> JobResult:
        async with self._store.atomic():
            job = await self._store.jobs.find(job_id)
            if job is None or job.ended_ms is None:
                raise LookupError(f"the outbox holds {job_id}, which has not ended")
            person = await self._store.outbox.details(job_id)
        pictures = (await saved_pictures(self._store, self._pictures_dir, [job_id]))[job_id]
        if pictures.missing:
            log.warning("pictures missing on the disk", job_id=job_id, missing=pictures.missing)
        return JobResult(
            job_id=job.id,
            address=Address(Platform(job.platform), job.chat_id, job.ref),
            user_id=person.user_id,
            user_name=person.user_name,
            locale=job.locale,
            private=job.private,
            state=JobState(job.state),
            recipe=recipe_of_job(job),
            pictures=pictures.files,
            missing=pictures.missing,
            price=job.price,
            refund=person.refund,
            credits_left=person.credits,
            seconds=max(0, job.ended_ms - (job.started_ms or job.ended_ms))
            / 1_000,  # a clock may be set back
            fail=FailReason(job.fail) if job.fail else None,
            notes=self._notes_on(job.prompt),
        )


@contextlib.contextmanager
def _closing_unsaved(what: str) -> Iterator[None]:
    """End the block where we close and the disk takes nothing: the next start finds a result on its way."""
    try:
        yield
    except CannotSave:
        log.warning("closing on a disk that takes nothing", delivering=what)


def back_off_s(attempts: int) -> float:
    """Seconds until a result that failed ``attempts`` times is tried again."""
    return min(MAX_BACK_OFF_S, BACK_OFF_S * 2.0 ** min(attempts - 1, 16))
