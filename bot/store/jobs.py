"""The way of a request: its event in the inbox, its job with pictures, and its result until it is delivered.

``take``, ``requeue`` and ``end`` change a row only if its state, attempt and lease are as expected: a late
answer of an earlier attempt changes nothing.

A loose file is one that perhaps no picture names. It is stored as such before it is written, and triggers do
so in the transaction in which a picture stops naming it. So every file that a crash leaves without a picture
is found.
"""

import json
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from pydantic import TypeAdapter

from bot.outcomes import Derivation, Lineage, Recipe, Sheet, Start
from bot.store.database import Database
from bot.store.rows import (
    EventRow,
    JobRow,
    NewJob,
    OutboxState,
    PictureForm,
    PictureRow,
    ResultRow,
    TakenResult,
)
from engine.request import LoraChoice

URGENT = True
_LISTS = ("loras", "triggers", "asked_in", "prompts")  # columns of job that hold JSON
_SHEET = TypeAdapter(Sheet)
_PICTURES = TypeAdapter(tuple[PictureRow, ...])


class Inbox:
    """Queries on inbox and origin, and the expiry of everything that recognises a repeated event."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._query = partial(database.query, "jobs.sql")

    async def add(self, platform: str, events: Sequence[tuple[str, str]], now_ms: int) -> None:
        """Store raw events (id, payload), all or none; known ids are skipped."""
        async with self._database.atomic():
            for event_id, payload in events:
                await self._query(
                    "add_event", platform=platform, event_id=event_id, payload=payload, now_ms=now_ms
                )

    async def unsettled(self, platform: str) -> tuple[tuple[str, str], ...]:
        """Return the events (id, payload) that are not settled, oldest first."""
        rows = await self._query("unsettled_events", platform=platform)
        return tuple((row["event_id"], row["payload"]) for row in rows)

    async def find(self, platform: str, event_id: str) -> EventRow:
        """Return what became of an event, which need not be known."""
        [row] = await self._query("find_event", platform=platform, event_id=event_id)
        return EventRow(bool(row["is_stored"]), row["answer"], row["job"])

    async def save_answer(self, platform: str, event_id: str, answer: str) -> None:
        """Store the answer to an event; call it in the transaction of the event's effect."""
        await self._query("save_answer", platform=platform, event_id=event_id, answer=answer)

    async def settle(self, platform: str, event_id: str) -> None:
        """Mark an event as answered, and delete its payload and answer."""
        await self._query("settle_event", platform=platform, event_id=event_id)

    async def delete_expired(self, before_ms: int) -> None:
        """Delete what only recognises repeated events, from before this moment.

        That is the ids of settled events, the origins of ended jobs, and the outbox rows of delivered jobs.
        An origin stays as long as its event is in the inbox: after a crash, the event must find its job.
        """
        async with self._database.atomic():
            await self._query("delete_settled_events", before_ms=before_ms)
            await self._query("delete_origins", before_ms=before_ms)
            await self._query("delete_delivered_results", before_ms=before_ms)


class Jobs:
    """Queries on job, origin and picture."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "jobs.sql")

    async def add(self, job: NewJob, event_id: str, most_unfinished: int) -> JobRow | None:
        """Queue a job with its origin, unless its person has ``most_unfinished`` jobs that wait or run.

        Call it in the transaction of its charge.
        """
        values = asdict(job) | {"private": int(job.private), "spoiler": int(job.spoiler)}
        values |= values.pop("recipe")
        del values["start"], values["lineage"]
        start, lineage = job.recipe.start, job.lineage
        values |= {
            "start_job": start and start.job_id,
            "start_index": start and start.index,
            "start_strength": start and start.strength,
            "derivation": lineage and lineage.derivation,
            "parent_job": lineage and lineage.job_id,
            "parent_index": lineage and lineage.index,
        }
        values |= {name: json.dumps(values[name], ensure_ascii=False) for name in _LISTS}
        sheet = job.recipe.sheet
        values["sheet"] = sheet and _SHEET.dump_json(sheet).decode()
        rows = await self._query("add_job", most_unfinished=most_unfinished, **values)
        if not rows:
            return None
        await self._query("add_origin", platform=job.platform, event_id=event_id, job=job.id)
        return job_of_row(rows[0])

    async def find(self, job_id: str) -> JobRow | None:
        """Return one job."""
        rows = await self._query("find_job", id=job_id)
        return job_of_row(rows[0]) if rows else None

    async def find_same(self, person: int, request: str, since_ms: int, now_ms: int) -> JobRow | None:
        """Return the person's newest job of the same request in this time, unless it has no pictures."""
        times = {"since_ms": since_ms, "now_ms": now_ms}
        rows = await self._query("find_same", person=person, request=request, **times)
        return job_of_row(rows[0]) if rows else None

    async def newest_sheet_of(self, person: int) -> JobRow | None:
        """Return the person's newest job that is a sheet."""
        rows = await self._query("newest_sheet_of", person=person)
        return job_of_row(rows[0]) if rows else None

    async def unfinished_of(self, person: int) -> tuple[JobRow, ...]:
        """Return the person's jobs that wait or run, newest first."""
        return tuple(job_of_row(row) for row in await self._query("unfinished_of", person=person))

    async def newest_of(self, person: int, limit: int) -> tuple[JobRow, ...]:
        """Return the person's jobs, newest first."""
        return tuple(job_of_row(row) for row in await self._query("newest_of", person=person, limit=limit))

    async def newest_public_in(
        self, person: int, platform: str, chat_id: str, limit: int
    ) -> tuple[JobRow, ...]:
        """Return the person's jobs of this chat that are not private, newest first."""
        rows = await self._query(
            "newest_public_in", person=person, platform=platform, chat_id=chat_id, limit=limit
        )
        return tuple(job_of_row(row) for row in rows)

    async def newest_with_loras(self, limit: int) -> tuple[JobRow, ...]:
        """Return the newest jobs with LoRAs, in the order of acceptance."""
        return tuple(job_of_row(row) for row in await self._query("newest_with_loras", limit=limit))

    async def in_state(self, state: str) -> tuple[JobRow, ...]:
        """Return all jobs in this state, queued or running, in the order of acceptance."""
        return tuple(job_of_row(row) for row in await self._query("in_state", state=state))

    async def take(self, job_id: str, lease: str, now_ms: int) -> JobRow | None:
        """Start the next attempt of a queued job; None if the job is not queued any more."""
        rows = await self._query("take", id=job_id, lease=lease, now_ms=now_ms)
        return job_of_row(rows[0]) if rows else None

    async def requeue(self, job: JobRow, *, uses_attempt: bool) -> JobRow | None:
        """Queue a running job again; None if a later attempt or its end came first."""
        rows = await self._query(
            "requeue", id=job.id, attempt=job.attempt, lease=job.lease, used_attempts=int(uses_attempt)
        )
        return job_of_row(rows[0]) if rows else None

    async def requeue_leased(self, lease: str) -> None:
        """Queue all running jobs of this lease again; none of their attempts counts."""
        await self._query("requeue_leased", lease=lease)

    async def end(
        self,
        job: JobRow,
        state: str,
        now_ms: int,
        *,
        fail: str | None = None,
        pictures: Sequence[PictureRow] = (),
    ) -> bool:
        """End a job with its pictures, and queue its result; False, with no change, if this attempt is old.

        It stores ``job.started_ms`` too: the caller knows when the drawing really started. Call it in the
        transaction of the refund.
        """
        values = {"state": state, "fail": fail, "started_ms": job.started_ms, "now_ms": now_ms}
        if not await self._query("end", id=job.id, attempt=job.attempt, lease=job.lease, **values):
            return False
        for picture in pictures:
            await self._query("add_picture", **asdict(picture))
        await self._query("add_result", job=job.id)
        return True

    async def request_cancel(self, job_id: str) -> None:
        """Store that a running job must stop, so that a restart does not draw it again."""
        await self._query("request_cancel", id=job_id)

    async def set_address(self, job_id: str, platform: str, chat_id: str, ref: str) -> None:
        """Store where the job's answer is or will be, before all statements that wait.

        People see that message already: after a crash without the address, they would see it twice.
        """
        address = {"platform": platform, "chat_id": chat_id, "ref": ref}
        await self._query("set_address", URGENT, id=job_id, **address)

    async def move_chat(self, platform: str, earlier: str, now: str) -> None:
        """Move a chat's jobs to its new id, and clear their refs: the old message ids are invalid there."""
        await self._query("move_chat", platform=platform, earlier=earlier, now=now)

    async def save_file_id(self, platform: str, job_id: str, index: int, form: str, file_id: str) -> None:
        """Store the platform's file id of a picture that it received as a ``photo`` or a ``document``."""
        await self._query(
            "save_file_id", job=job_id, idx=index, platform=platform, form=form, file_id=file_id
        )

    async def file_ids(self, platform: str, job_ids: Sequence[str], form: str) -> dict[tuple[str, int], str]:
        """Return the platform's file ids of these jobs' pictures, by job and index."""
        rows = await self._query("file_ids", platform=platform, form=form, jobs=json.dumps(list(job_ids)))
        return {(row["job"], int(row["idx"])): row["file_id"] for row in rows}

    async def pictures_of(self, job_ids: Sequence[str]) -> tuple[PictureRow, ...]:
        """Return the pictures of these jobs, ordered by job and index."""
        rows = await self._query("pictures", jobs=json.dumps(list(job_ids)))
        return tuple(picture_of_row(row) for row in rows)


class StoredPictures:
    """Pictures by age and form, and their files; queries on picture and loose_file."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._query = partial(database.query, "pictures.sql")

    async def before(self, before_ms: int, forms: Sequence[PictureForm], most: int) -> tuple[PictureRow, ...]:
        """Return the oldest pictures of these forms of jobs that ended before a time.

        Those that a chat may still ask for, and those with which a waiting job begins, are left out.
        """
        rows = await self._query("before", before_ms=before_ms, forms=json.dumps(forms), most=most)
        return tuple(picture_of_row(row) for row in rows)

    async def with_earlier_names(self, after: str, most: int) -> tuple[PictureRow, ...]:
        """Return the next pictures whose files are not renamed yet, in the order of their names."""
        rows = await self._query("with_earlier_names", after=after, most=most)
        return tuple(picture_of_row(row) for row in rows)

    async def replace(self, picture: PictureRow, form: PictureForm, sha256: str) -> bool:
        """Let a picture name another file, which its caller holds; False if it has changed or gone meanwhile.

        What it named until now becomes loose. An original with which a waiting job begins becomes no preview.
        """
        replaced = await self._query(
            "replace",
            job=picture.job,
            idx=picture.idx,
            form=form,
            sha256=sha256,
            was_sha256=picture.sha256,
            was_name=picture.earlier_name,
        )
        return bool(replaced)

    async def set_form(self, picture: PictureRow, form: PictureForm) -> None:
        """Store what the file of a picture is; nothing for a picture that has changed or gone meanwhile."""
        was = {"was_sha256": picture.sha256, "was_name": picture.earlier_name}
        await self._query("set_form", job=picture.job, idx=picture.idx, form=form, **was)

    async def expire(self, before_ms: int, forms: Sequence[PictureForm], most: int) -> int:
        """Let the oldest of these pictures expire: they name no file any more. Return how many did."""
        async with self._database.atomic():
            due = await self.before(before_ms, forms, most)
            for picture in due:
                await self.replace(picture, PictureForm.EXPIRED, "")
        return len(due)

    async def of_deleted_jobs(self) -> tuple[PictureRow, ...]:
        """Return the pictures of deleted jobs, ordered by job."""
        return tuple(picture_of_row(row) for row in await self._query("of_deleted_jobs"))

    async def forget(self, job_ids: Collection[str]) -> None:
        """Delete the pictures of these jobs; what they named becomes loose."""
        await self._query("forget", jobs=json.dumps(list(job_ids)))

    async def loosen(self, names: Collection[str]) -> None:
        """Store that perhaps no picture names these files."""
        if names:
            await self._query("loosen", names=json.dumps(list(names)))

    async def settle(self, names: Collection[str]) -> None:
        """Store that these files are named by a picture, or gone."""
        await self._query("settle", names=json.dumps(list(names)))

    async def loose(self) -> tuple[str, ...]:
        """Return the files that perhaps no picture names."""
        return tuple(row["name"] for row in await self._query("loose"))

    async def named(self, names: Collection[str]) -> frozenset[str]:
        """Return those of these files that a picture names."""
        return frozenset(row["name"] for row in await self._query("named", names=json.dumps(list(names))))


class Outbox:
    """The results of ended jobs until they are delivered; queries on outbox."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "jobs.sql")

    async def take(
        self, platform: str, now_ms: int, *, waited_for_ms: int, most_in_chat: int
    ) -> tuple[TakenResult | None, int | None]:
        """Take the platform's oldest result that is due and free; it counts as sending until marked.

        A result is not free while an earlier one of the same person in the same chat is being sent or is due
        before ``waited_for_ms``, nor while ``most_in_chat`` results are being sent in its chat.

        Returns:
            The result or, if none was taken, when the next one becomes due (None if all others are due).
        """
        limits = {"waited_for_ms": waited_for_ms, "most_in_chat": most_in_chat}
        if rows := await self._query("take_result", platform=platform, now_ms=now_ms, **limits):
            return TakenResult(**dict(rows[0])), None
        [(due_ms,)] = await self._query("next_due", platform=platform, now_ms=now_ms)
        return None, due_ms

    async def is_sending(self, job_id: str) -> bool:
        """Whether a chat is sending this result now."""
        return bool(await self._query("is_sending", job=job_id))

    async def load(self, job_id: str) -> ResultRow | None:
        """Return what the result of this job consists of; None if there is no such job."""
        rows = await self._query("result", job=job_id)
        if not rows:
            return None
        values = dict(rows[0])
        pictures = _PICTURES.validate_json(values.pop("pictures"))
        beside_job = {name: values.pop(name) for name in ("user_id", "user_name", "refund", "credits")}
        return ResultRow(job_of_row(values), pictures, **beside_job)

    async def mark(self, job_id: str, state: OutboxState, not_before_ms: int = 0) -> None:
        """Store how a delivery ended."""
        await self._query("mark_result", job=job_id, state=state, not_before_ms=not_before_ms)

    async def recover(self) -> None:
        """After a stop, mark what was being sent as possibly delivered."""
        await self._query("recover_sending")

    async def limit_waits(self, latest_ms: int) -> None:
        """Make every result due at ``latest_ms`` at the latest; the clock may have been set back."""
        await self._query("limit_waits", latest_ms=latest_ms)

    async def make_due(self, platform: str, chat_id: str) -> None:
        """Retry the waiting results of a chat at once."""
        await self._query("make_due", platform=platform, chat_id=chat_id)

    async def retry_kept(self, person: int) -> tuple[str, ...]:
        """Make the person's kept results due again, and return the ids of their jobs."""
        return tuple(row["job"] for row in await self._query("retry_kept", person=person))

    async def retry_kept_of_chat(self, person: int, platform: str, chat_id: str) -> tuple[str, ...]:
        """As ``retry_kept``, but only for this chat's jobs that are not private."""
        rows = await self._query("retry_kept_of_chat", person=person, platform=platform, chat_id=chat_id)
        return tuple(row["job"] for row in rows)


def job_of_row(row: sqlite3.Row | dict[str, Any]) -> JobRow:
    """Return a row of the table ``job`` as a value."""
    values = dict(row)
    lists = {name: tuple(json.loads(values.pop(name))) for name in _LISTS}
    loras = tuple([LoraChoice(**lora) for lora in lists["loras"]])
    start = [values.pop(name) for name in ("start_job", "start_index", "start_strength")]
    derivation, *parent = [values.pop(name) for name in ("derivation", "parent_job", "parent_index")]
    names = ("prompt", "typed", "width_px", "height_px", "seed", "count", "steps", "code")
    others = {name: values.pop(name) for name in names}
    sheet = values.pop("sheet")
    others["sheet"] = None if sheet is None else _SHEET.validate_json(sheet)
    values["lineage"] = None if derivation is None else Lineage(Derivation(derivation), *parent)
    values["recipe"] = Recipe(
        loras=loras,
        triggers=lists["triggers"],
        prompts=lists["prompts"],
        start=None if start[0] is None else Start(*start),
        **others,
    )
    values["asked_in"] = lists["asked_in"]
    values |= {name: bool(values[name]) for name in ("private", "spoiler", "cancel_requested")}
    return JobRow(**values)


def picture_of_row(row: sqlite3.Row) -> PictureRow:
    """Return a row of the table ``picture`` as a value."""
    values = dict(row)
    return PictureRow(**values | {"form": PictureForm(values["form"])})
