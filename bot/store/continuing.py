"""What happens to a job after its end: it is published, deleted or reported.

Call every method that changes something in the transaction of the work that it belongs to.
"""

from functools import partial

from bot.store.database import Database
from bot.store.rows import ReportRow


class EndedJobs:
    """Queries on jobs that have ended, and on job_report."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "continuing.sql")

    async def publish(self, job_id: str, platform: str, chat_id: str, ref: str) -> None:
        """Make a job's pictures open to a chat, and queue them for it."""
        await self._query("publish", job=job_id, platform=platform, chat_id=chat_id, ref=ref)
        await self._query("deliver_again", job=job_id)

    async def delete(self, job_id: str, now_ms: int) -> None:
        """Delete a job's text and mark its pictures as to be deleted; it is not delivered any more."""
        await self._query("delete_job", job=job_id, now_ms=now_ms)
        await self._query("withhold_result", job=job_id)

    async def jobs_with_messages(self) -> tuple[str, ...]:
        """Return the deleted jobs that messages of chats still show."""
        return tuple(row["id"] for row in await self._query("jobs_with_messages"))

    async def add_report(self, job_id: str, person: int, now_ms: int) -> None:
        """Store that a person reports a job; a second report of the same person changes nothing."""
        await self._query("add_report", job=job_id, person=person, now_ms=now_ms)

    async def count_reports(self, job_id: str, person: int, since_ms: int) -> tuple[int, bool]:
        """Return how many jobs a person reported since a moment, and whether they ever reported this one."""
        [row] = await self._query("count_reports", job=job_id, person=person, since_ms=since_ms)
        return int(row["since"]), bool(row["same"])

    async def newest_reports(self, limit: int) -> tuple[ReportRow, ...]:
        """Return the jobs that people reported last, without those that were deleted since."""
        return tuple(ReportRow(**dict(row)) for row in await self._query("newest_reports", limit=limit))
