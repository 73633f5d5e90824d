"""A person's newest jobs with their pictures, and the credits left."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from bot.commands.values import Mine, Original
from bot.desk.files import SavedPictures, find_pictures
from bot.desk.people.access import JobAccess, is_open_here
from bot.desk.people.ledger import Ledger, TierMembership
from bot.desk.queue import JobQueue
from bot.errors import PicturesGone
from bot.outcomes import (
    CommandContext,
    CreditBalance,
    History,
    HistoryEntry,
    JobState,
    Originals,
    Platform,
)
from bot.store import Store
from bot.store.rows import JobRow

MOST_ENTRIES = 50


class HistoryQueries:
    """Answers ``/mine`` and ``/quota``, and finds a job's files."""

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        tiers: TierMembership,
        queue: JobQueue,
        pictures_dir: Path,
        result_ready: Mapping[Platform, asyncio.Event],
        access: JobAccess,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._tiers = tiers
        self._queue = queue
        self._pictures_dir = pictures_dir
        self._result_ready = result_ready
        self._access = access
        self._clock = clock

    async def list_jobs(self, command: Mine, context: CommandContext) -> History:
        """Return the person's newest jobs, and deliver again what could not be delivered, to this chat.

        In a group, the answer contains only jobs that were drawn openly in that group.
        """
        limit = max(1, min(command.limit, MOST_ENTRIES))
        async with self._store.atomic():
            person = await self._store.people.find_or_create(context, self._clock())
            jobs = await self._store.jobs.newest_of(person, limit)
            hidden = 0
            if context.is_group:
                hidden = sum(not is_open_here(job, context) for job in jobs)
                address = context.address
                jobs = await self._store.jobs.newest_public_in(
                    person, address.platform, address.chat_id, limit
                )
            await self._retry_kept(person, context)
            job_ids = [job.id for job in jobs]
            rows = await self._store.jobs.pictures_of(job_ids)
        files = await find_pictures(rows, self._pictures_dir, job_ids)
        return History(tuple(_entry(job, self._state(job), files[job.id]) for job in jobs), hidden)

    async def find_originals(self, command: Original, context: CommandContext) -> Originals:
        """Return the files of the person's own job, one drawn openly in this chat, or any job for a host.

        Raises:
            PersonError: NoSuchJob, NotYours, NotInPublic (a job of another chat, requested in a group), or
                PicturesGone.
        """
        async with self._store.atomic():
            job = await self._access.require_shown(command.job_id, context, "mine")
            rows = await self._store.jobs.pictures_of([job.id])
        pictures = (await find_pictures(rows, self._pictures_dir, [job.id]))[job.id]
        if not pictures.files:
            raise PicturesGone(job_id=job.id)
        return Originals(job.id, pictures.files, job.spoiler)

    async def read_balance(self, context: CommandContext) -> CreditBalance:
        """Return the credits that the person has today."""
        async with self._store.atomic():
            person = await self._store.people.find_or_create(context, self._clock())
            account = await self._ledger.renew(person)
            daily = (await self._tiers.entitlement_of(person)).daily_credits
        return CreditBalance(account.credits, daily, account.renews_at_s)

    def _state(self, job: JobRow) -> JobState:
        """The state to display: a claimed job that waits in the renderer behind another counts as queued."""
        state = JobState(job.state)
        return (
            JobState.QUEUED
            if state is JobState.RUNNING and self._queue.scheduler.ahead_of(job.id).jobs
            else state
        )

    async def _retry_kept(self, person: int, context: CommandContext) -> None:
        outbox, address = self._store.outbox, context.address
        if context.is_group:
            kept = await outbox.retry_kept_of_chat(person, address.platform, address.chat_id)
        else:
            kept = await outbox.retry_kept(person)
        for job_id in kept:
            # Without a ref it becomes a new message: the old one is out of reach, this one shows the list.
            await self._store.jobs.set_address(job_id, context.address.platform, context.address.chat_id, "")
        if kept:
            self._store.after_commit(self._result_ready[context.platform].set)


def _entry(job: JobRow, state: JobState, pictures: SavedPictures) -> HistoryEntry:
    return HistoryEntry(
        job_id=job.id,
        state=state,
        recipe=job.recipe,
        pictures=pictures.files,
        missing=pictures.missing,
        spoiler=job.spoiler,
        lineage=job.lineage,
    )
