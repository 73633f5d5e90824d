"""``/mine``: pages of a person's jobs, by words and favourites; favourites; the pictures for inline mode.

In a group, a page contains only jobs that were drawn openly in that group, and says how many it leaves out.
Each page needs no other one, so its buttons work after a restart; new jobs move older ones to later pages.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bot.commands.values import Favourite, Mine
from bot.desk.files import SavedPictures, find_pictures
from bot.desk.finding.indexing import SearchIndex
from bot.desk.finding.recipes import RecipeBook
from bot.desk.finding.words import cut_search, query_of
from bot.desk.people.access import JobAccess, is_open_here
from bot.desk.queue import JobQueue
from bot.errors import NoSuchPicture, NotYours, PicturesGone
from bot.outcomes import (
    CommandContext,
    FavouriteSet,
    History,
    HistoryEntry,
    JobState,
    OwnPicture,
    Platform,
)
from bot.store import Store
from bot.store.finding.queries import JobPage
from bot.store.rows import JobRow

PAGE_JOBS = 5
INLINE_JOBS = 25  # at most 50 pictures are shown, and most jobs have one


class PictureHistory:
    """Answers ``Mine`` and ``Favourite``, and the searches of inline mode.

    Args:
        clock: UTC milliseconds.
        result_ready: By platform, set when a kept result is to be delivered again.
        taken: Returns the jobs that this run has taken.
    """

    def __init__(
        self,
        *,
        store: Store,
        index: SearchIndex,
        book: RecipeBook,
        access: JobAccess,
        queue: JobQueue,
        pictures_dir: Path,
        result_ready: Mapping[Platform, asyncio.Event],
        clock: Callable[[], int],
        taken: Callable[[], Sequence[JobRow]],
    ) -> None:
        self._store = store
        self._index = index
        self._book = book
        self._access = access
        self._queue = queue
        self._pictures_dir = pictures_dir
        self._result_ready = result_ready
        self._clock = clock
        self._taken = taken

    async def list_jobs(self, command: Mine, context: CommandContext) -> History:
        """Return one page of the person's jobs, and deliver kept results again, to this chat."""
        search = cut_search(command.search)
        if search:
            await self._index.catch_up()
        async with self._store.atomic():
            person = await self._store.people.find_or_create(context, self._clock())
            jobs, hidden = await self._page(person, command, search, context)
            has_more = len(jobs) > PAGE_JOBS
            jobs = [await self._book.with_code(job) for job in jobs[:PAGE_JOBS]]
            await self._retry_kept(person, context)
            job_ids = [job.id for job in jobs]
            favourites = await self._store.finding.favourites_of(person, job_ids)
            rows = await self._store.jobs.pictures_of(job_ids)
        files = await asyncio.to_thread(find_pictures, rows, self._pictures_dir, jobs)
        entries = tuple(
            _entry(job, self._state(job), files[job.id], favourites.get(job.id, ())) for job in jobs
        )
        return History(entries, hidden, command.page, has_more, search, command.favourites)

    async def _page(
        self, person: int, command: Mine, search: str, context: CommandContext
    ) -> tuple[Sequence[JobRow], int]:
        """Return the jobs of a page and one more, and how many are left out for the others who read it."""
        match = query_of(search, await self._store.finding.names_of(person)) if search else ""
        if search and not match:
            return (), 0
        wanted = JobPage(
            person=person,
            limit=PAGE_JOBS + 1,
            offset=(command.page - 1) * PAGE_JOBS,
            match=match,
            only_favourites=command.favourites,
        )
        jobs = await self._store.finding.page(wanted)
        if not context.is_group:
            return jobs, 0
        hidden = sum(not is_open_here(job, context) for job in jobs[:PAGE_JOBS])
        here = (str(context.address.platform), context.address.chat_id)
        return await self._store.finding.page(replace(wanted, open_in=here)), hidden

    async def set_favourite(self, command: Favourite, context: CommandContext) -> FavouriteSet:
        """Make pictures of the person's own job favourites, or no longer.

        Raises:
            PersonError: NoSuchJob, NotYours, NoSuchPicture, PicturesGone (the job has none).
        """
        async with self._store.atomic():
            person = await self._store.people.find_or_create(context, self._clock())
            job = await self._access.require_visible(command.job_id, context)
            if job.person != person:
                raise NotYours(job_id=job.id)
            known = [row.idx for row in await self._store.jobs.pictures_of([job.id])]
            if not known:
                raise PicturesGone(job_id=job.id)
            if command.index is not None and command.index not in known:
                raise NoSuchPicture(job_id=job.id, number=command.index + 1, count=len(known))
            for index in known if command.index is None else [command.index]:
                await self._store.finding.set_favourite(
                    person, job.id, index, self._clock(), is_on=command.on
                )
        return FavouriteSet(job.id, command.index, command.on)

    async def find_own(
        self, search: str, context: CommandContext, form: str, page: int = 1
    ) -> tuple[OwnPicture, ...]:
        """Return the person's pictures that the platform has as ``form``, newest first, without private ones.

        Args:
            search: Words, as in ``Mine``; empty for the newest.
            context: Who asks.
            form: ``photo`` or ``document``.
            page: Each covers ``INLINE_JOBS`` jobs.
        """
        wanted = cut_search(search)
        if wanted:
            await self._index.catch_up()
        async with self._store.atomic():
            person = await self._store.people.find(context.platform, context.user_id)
            if person is None:
                return ()
            match = query_of(wanted, await self._store.finding.names_of(person)) if wanted else ""
            if wanted and not match:
                return ()
            offset, sent_as = (page - 1) * INLINE_JOBS, (str(context.platform), form)
            found = JobPage(person, INLINE_JOBS, offset, match, sent_as=sent_as)
            jobs = await self._store.finding.page(found)
            sent = await self._store.finding.sent_pictures([job.id for job in jobs], context.platform, form)
        return tuple(OwnPicture(each.job, each.idx, each.file_id, each.typed, each.code) for each in sent)

    def _state(self, job: JobRow) -> JobState:
        """The state to display: a taken job that is not drawn counts as queued.

        It waits in the renderer behind another, or an earlier run has taken it and was killed.
        """
        state = JobState(job.state)
        if state is not JobState.RUNNING:
            return state
        is_ours = any(taken.id == job.id for taken in self._taken())
        return state if is_ours and not self._queue.scheduler.ahead_of(job.id).jobs else JobState.QUEUED

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


def _entry(
    job: JobRow, state: JobState, pictures: SavedPictures, favourites: tuple[int, ...]
) -> HistoryEntry:
    return HistoryEntry(
        job_id=job.id,
        state=state,
        recipe=job.recipe,
        pictures=pictures.files,
        missing=pictures.missing,
        favourites=favourites,
        spoiler=job.spoiler,
        lineage=job.lineage,
        previews=pictures.previews,
    )
