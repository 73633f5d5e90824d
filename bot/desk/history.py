"""What a person has: the newest jobs with their pictures, and the credits left."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.commands.values import Mine, Original
from bot.desk.people.ledger import Ledger
from bot.desk.people.tiers import TierMembership
from bot.desk.queue import ChangeSignal, JobQueue
from bot.desk.recipes import recipe_of_job
from bot.errors import NoSuchJob, NotInPublic, NotYours, PicturesGone
from bot.outcomes import (
    CommandContext,
    CreditBalance,
    History,
    HistoryEntry,
    JobState,
    Originals,
    PictureFile,
)
from bot.policy.rights import is_host
from bot.policy.rules import Rules
from bot.store import Store
from bot.store.rows import JobRow

MOST_ENTRIES = 50


@dataclass(frozen=True, slots=True)
class SavedPictures:
    """A job's pictures that are on the disk, in order, and how many are not any more."""

    files: tuple[PictureFile, ...]
    missing: int


async def saved_pictures(store: Store, pictures_dir: Path, jobs: list[str]) -> dict[str, SavedPictures]:
    """The pictures of these jobs by job id. Call it outside a transaction: it looks at the disk."""
    rows = await store.jobs.pictures_of(jobs)

    def look() -> dict[str, SavedPictures]:
        found = {}
        for job_id in jobs:
            files = [
                PictureFile(index=row.idx, seed=row.seed, path=pictures_dir / row.file_name)
                for row in rows
                if row.job == job_id
            ]
            there = tuple(file for file in files if file.path.is_file())
            found[job_id] = SavedPictures(there, len(files) - len(there))
        return found

    return await asyncio.to_thread(look)


def is_open_here(job: JobRow, context: CommandContext) -> bool:
    """Whether everybody in the visitor's chat may see the job: it was drawn there, and not in private."""
    here = (context.address.platform, context.address.chat_id)
    return not job.private and (job.platform, job.chat_id) == here


class HistoryQueries:
    """Answers ``/mine`` and ``/quota``, and finds a job's files."""

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        tiers: TierMembership,
        line: JobQueue,
        pictures_dir: Path,
        posted: ChangeSignal,
        rules: Rules,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._tiers = tiers
        self._line = line
        self._pictures_dir = pictures_dir
        self._posted = posted
        self._rules = rules
        self._clock = clock

    async def mine(self, command: Mine, context: CommandContext) -> History:
        """The person's newest jobs. What could not be delivered is sent again, to the chat that asks.

        Where others read the answer, it holds only what was drawn openly in that very chat.
        """
        limit = max(1, min(command.limit, MOST_ENTRIES))
        async with self._store.atomic():
            person = await self._meet(context)
            jobs = await self._store.jobs.newest_of(person, limit)
            hidden = 0
            if context.is_group:
                hidden = sum(not is_open_here(job, context) for job in jobs)
                address = context.address
                jobs = await self._store.jobs.newest_public_in(
                    person, address.platform, address.chat_id, limit
                )
            await self._send_kept(person, context)
        files = await saved_pictures(self._store, self._pictures_dir, [job.id for job in jobs])
        return History(tuple(_entry(job, self._state(job), files[job.id]) for job in jobs), hidden)

    async def original(self, command: Original, context: CommandContext) -> Originals:
        """The files of a job: one's own, one that was drawn openly in this chat, or any for a host.

        Raises:
            PersonError: NoSuchJob, NotYours, NotInPublic (one's own, in a group that did not see it drawn)
                or PicturesGone.
        """
        async with self._store.atomic():
            person = await self._meet(context)
            job = await self._store.jobs.find(command.job_id)
            if job is None:
                raise NoSuchJob(job_id=command.job_id)
            if not (job.person == person or is_open_here(job, context) or is_host(context, self._rules)):
                raise NotYours(job_id=job.id)
            if context.is_group and not is_open_here(job, context):
                raise NotInPublic(command="mine")
        pictures = (await saved_pictures(self._store, self._pictures_dir, [job.id]))[job.id]
        if not pictures.files:
            raise PicturesGone(job_id=job.id)
        return Originals(job.id, pictures.files)

    async def quota(self, context: CommandContext) -> CreditBalance:
        """What the person may still draw today."""
        async with self._store.atomic():
            person = await self._meet(context)
            account = await self._ledger.renew(person)
            daily = (await self._tiers.of(person)).daily_credits
        return CreditBalance(account.credits, daily, account.renews_at_s)

    def _state(self, job: JobRow) -> JobState:
        """As a person sees it: what lies ready behind the drawn job is claimed, and waits all the same."""
        state = JobState(job.state)
        return JobState.QUEUED if state is JobState.RUNNING and self._line.position(job.id) else state

    async def _meet(self, context: CommandContext) -> int:
        return await self._store.people.find_or_create(
            context.platform, context.user_id, context.user_name, context.locale, self._clock()
        )

    async def _send_kept(self, person: int, context: CommandContext) -> None:
        outbox, address = self._store.outbox, context.address
        if context.is_group:
            kept = await outbox.retry_kept_of_chat(person, address.platform, address.chat_id)
        else:
            kept = await outbox.retry_kept(person)
        for job_id in kept:
            # Without a ref it is a new message: the old one is out of reach, this visit's shows the list.
            await self._store.jobs.set_address(job_id, context.address.platform, context.address.chat_id, "")
        if kept:
            self._store.after_commit(self._posted.change)


def _entry(job: JobRow, state: JobState, pictures: SavedPictures) -> HistoryEntry:
    return HistoryEntry(
        job_id=job.id,
        state=state,
        created_at_ms=job.created_ms,
        recipe=recipe_of_job(job),
        pictures=pictures.files,
        missing=pictures.missing,
    )
