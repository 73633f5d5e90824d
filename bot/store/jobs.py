"""Jobs, the messages that made them, and their pictures: the state machine's few moves.

``claim``, ``put_back`` and ``end`` change a row only from the state, the try and the lease they name, so a
late answer of an earlier try changes nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

from bot.store.database import Database
from bot.store.rows import JobRow, NewJob, PictureRow, job_of, loras_json


class Jobs:
    """Queries on job, origin and picture."""

    def __init__(self, database: Database) -> None:
        self._ask = partial(database.rows, "jobs.sql")
        self._ask_first = partial(database.urgent_rows, "jobs.sql")

    async def of_origin(self, platform: str, event_id: str) -> JobRow | None:
        """The job this very message made before."""
        rows = await self._ask("job_of_origin", platform=platform, event_id=event_id)
        return job_of(rows[0]) if rows else None

    async def add(self, job: NewJob, event_id: str) -> JobRow:
        """Queue a job with its origin; belongs inside ``atomic`` with its charge."""
        values = asdict(job) | {"loras": loras_json(job.loras), "private": int(job.private)}
        [row] = await self._ask("add_job", **values)
        await self._ask("add_origin", platform=job.platform, event_id=event_id, job=job.id)
        return job_of(row)

    async def find(self, job_id: str) -> JobRow | None:
        """One job."""
        rows = await self._ask("job", id=job_id)
        return job_of(rows[0]) if rows else None

    async def unended_of(self, person: int) -> tuple[JobRow, ...]:
        """The person's jobs that wait or run, newest first."""
        return tuple(job_of(row) for row in await self._ask("unended_of_person", person=person))

    async def count_unended(self, person: int) -> int:
        """How many of the person's jobs wait or run."""
        [(count,)] = await self._ask("count_unended", person=person)
        return int(count)

    async def newest_of(self, person: int, limit: int) -> tuple[JobRow, ...]:
        """The person's jobs, newest first."""
        return tuple(job_of(row) for row in await self._ask("newest_of_person", person=person, limit=limit))

    async def newest_open_in(
        self, person: int, platform: str, chat_id: str, limit: int
    ) -> tuple[JobRow, ...]:
        """The person's jobs of this chat that everybody there may see, newest first."""
        rows = await self._ask(
            "newest_open_in", person=person, platform=platform, chat_id=chat_id, limit=limit
        )
        return tuple(job_of(row) for row in rows)

    async def in_state(self, state: str) -> tuple[JobRow, ...]:
        """All jobs in this state, in the order of acceptance."""
        return tuple(job_of(row) for row in await self._ask("in_state", state=state))

    async def claim(self, job_id: str, lease: str, now_ms: int) -> JobRow | None:
        """Begin the next try of a queued job; None when it does not wait any more."""
        rows = await self._ask("claim", id=job_id, lease=lease, now_ms=now_ms)
        return job_of(rows[0]) if rows else None

    async def put_back(self, job: JobRow, *, uses_attempt: bool) -> JobRow | None:
        """Queue a running job again; None when this try is no longer the one that counts."""
        rows = await self._ask(
            "put_back", id=job.id, attempt=job.attempt, lease=job.lease, used_attempts=int(uses_attempt)
        )
        return job_of(rows[0]) if rows else None

    async def put_back_leased(self, lease: str) -> None:
        """Queue every job again that runs under this lease, its try not counted."""
        await self._ask("put_back_leased", lease=lease)

    async def end(
        self,
        job: JobRow,
        state: str,
        now_ms: int,
        *,
        fail: str | None = None,
        pictures: Sequence[PictureRow] = (),
    ) -> bool:
        """End a job with its pictures; False, and nothing changed, when this try no longer counts.

        ``job.started_ms`` is stored, too: the caller knows since when it was really drawn.
        """
        values = {"state": state, "fail": fail, "started_ms": job.started_ms, "now_ms": now_ms}
        if not await self._ask("end", id=job.id, attempt=job.attempt, lease=job.lease, **values):
            return False
        for picture in pictures:
            await self._ask("add_picture", **asdict(picture))
        return True

    async def request_cancel(self, job_id: str) -> None:
        """Note that a running job shall stop, so that a restart does not draw it again."""
        await self._ask("request_cancel", id=job_id)

    async def readdress(self, job_id: str, platform: str, chat_id: str, ref: str) -> None:
        """Store where the job's answer stands or shall go, before anything else that waits to be stored.

        It tells what people see already: after a crash in between they would see it twice.
        """
        await self._ask_first("readdress", id=job_id, platform=platform, chat_id=chat_id, ref=ref)

    async def move_chat(self, platform: str, earlier: str, now: str) -> None:
        """Give a chat's jobs to its new id. Message ids of the earlier one mean nothing there, so refs go."""
        await self._ask("move_chat", platform=platform, earlier=earlier, now=now)

    async def keep_file_id(self, platform: str, job_id: str, index: int, form: str, file_id: str) -> None:
        """Store how a platform names a picture it was sent, as a ``photo`` or a ``document``."""
        await self._ask("keep_file_id", job=job_id, idx=index, platform=platform, form=form, file_id=file_id)

    async def file_ids(self, platform: str, job_ids: Sequence[str], form: str) -> dict[tuple[str, int], str]:
        """How a platform names the pictures of these jobs, by job and index."""
        rows = await self._ask("file_ids", platform=platform, form=form, jobs=json.dumps(list(job_ids)))
        return {(row["job"], int(row["idx"])): row["file_id"] for row in rows}

    async def pictures_of(self, job_ids: Sequence[str]) -> tuple[PictureRow, ...]:
        """The pictures of these jobs, by job and index."""
        rows = await self._ask("pictures", jobs=json.dumps(list(job_ids)))
        return tuple(PictureRow(**dict(row)) for row in rows)
