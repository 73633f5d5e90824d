"""Keeps the search up to date: it adds the words of new jobs some seconds after they are accepted.

So acceptance costs nothing more, and jobs from before there was a search are added the same way. What is
missing is what is newer than the newest job in the search, so a crash loses nothing.
"""

import asyncio

import structlog

from bot.desk.finding.words import words_of
from bot.errors import CannotSave
from bot.store import Store
from bot.store.finding.queries import SearchWords, WordlessJob, who_of

log = structlog.get_logger("bot.desk")

EVERY_S = 30.0
BATCH_JOBS = 100  # a transaction of 3 ms
MOST_BATCHES_OF_SEARCH = 5  # that a person waits for; after an update, the loop adds the rest


class SearchIndex:
    """Adds the words of jobs to the search."""

    def __init__(self, store: Store, *, every_s: float = EVERY_S) -> None:
        self._store = store
        self._every_s = every_s
        self._lock = asyncio.Lock()  # two tasks must not add the same jobs

    async def run(self) -> None:
        """Add the words of all jobs, and then of new ones, until cancelled."""
        while True:
            try:
                while await self._add_batch():
                    pass
            except CannotSave:
                log.warning("search waits: nothing can be saved")
            except Exception:  # supervision: a fault of the search must not end the bot
                log.exception("search not updated")
            await asyncio.sleep(self._every_s)

    async def catch_up(self) -> None:
        """Add the words of the jobs that were accepted since the last time, if they are few.

        Call it outside a transaction.
        """
        for _ in range(MOST_BATCHES_OF_SEARCH):
            if not await self._add_batch():
                return

    async def _add_batch(self) -> bool:
        """Add the words of the oldest jobs that are missing; False if none or only few were left."""
        async with self._lock:
            missing = await self._store.finding.unindexed(BATCH_JOBS)
            if missing:
                await self._store.finding.add_words(await asyncio.to_thread(_words_of_jobs, missing))
        return len(missing) == BATCH_JOBS


def _words_of_jobs(jobs: tuple[WordlessJob, ...]) -> list[SearchWords]:
    return [
        SearchWords(job.accepted_order, who_of(job.person), *words_of(job.typed, job.triggers, job.loras))
        for job in jobs
    ]
