"""What happens to a job after its end: messages show it, it is published, deleted or reported.

Call every method that changes something in the transaction of the work that it belongs to.
"""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

from bot.outcomes import PictureMessage, Platform
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
        """Delete a job's text and mark its pictures as to be deleted.

        A result on its way stays, so that the message that shows the job's progress gets an end.
        """
        await self._query("delete_job", job=job_id, now_ms=now_ms)
        await self._query("drop_kept_result", job=job_id)

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


class PictureMessages:
    """Which pictures the messages of a chat show; queries on picture_message."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._query = partial(database.query, "continuing.sql")

    async def add(self, messages: Sequence[PictureMessage]) -> None:
        """Store messages, all or none; a known message now shows another picture."""
        async with self._database.atomic():
            for each in messages:
                await self._query("save_message", **asdict(each))

    async def find(self, platform: str, chat_id: str, message_id: str) -> PictureMessage | None:
        """Return what a message shows; None if it shows no picture that is known."""
        rows = await self._query("find_message", platform=platform, chat_id=chat_id, message_id=message_id)
        return PictureMessage(**dict(rows[0])) if rows else None

    async def of_job(self, job_id: str, platform: str | None = None) -> tuple[PictureMessage, ...]:
        """Return the messages that show a job, on one platform or on all."""
        rows = [dict(row) for row in await self._query("messages_of_job", job_id=job_id, platform=platform)]
        return tuple(PictureMessage(**row | {"platform": Platform(row["platform"])}) for row in rows)

    async def forget(self, messages: Sequence[PictureMessage]) -> None:
        """Delete what is known of these messages: they are gone, or stay for ever."""
        async with self._database.atomic():
            for each in messages:
                await self._query("forget_message", **asdict(each))

    async def forget_chat(self, platform: str, chat_id: str) -> None:
        """Delete what is known of a chat's messages: they have other ids now."""
        await self._query("forget_chat_messages", platform=platform, chat_id=chat_id)
