"""How people find pictures again: the search, favourites, and the codes of recipes."""

import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from functools import partial

from bot.store.database import Database
from bot.store.jobs import job_of_row
from bot.store.rows import JobRow

MOST_SEARCHED = 5_000  # of a person's jobs, or of the hits: more would hold the lock for too long


@dataclass(frozen=True, slots=True)
class SearchWords:
    """What a job is found by; all texts are words with spaces between them.

    Attributes:
        who: Its person, as ``who_of`` writes it.
        pinyin: The syllables of its Chinese characters.
    """

    accepted_order: int
    who: str
    words: str = field(repr=False)
    pinyin: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WordlessJob:
    """A job whose words are not in the search yet; ``triggers`` and ``loras`` are JSON."""

    accepted_order: int
    person: int
    typed: str = field(repr=False)
    triggers: str
    loras: str


@dataclass(frozen=True, slots=True)
class JobPage:
    """Which of a person's jobs are wanted.

    Attributes:
        match: A query of the search; empty for all jobs.
        open_in: Platform and chat, if others read the answer: only jobs that were drawn openly there.
        sent_as: Platform and form: only jobs, except private ones, with pictures that it has in that form.
        most: Without words, only so many of the newest jobs are looked at.
        limit: At most so many, after the first ``offset``.
    """

    person: int
    limit: int
    offset: int = 0
    match: str = ""
    only_favourites: bool = False
    open_in: tuple[str, str] | None = None
    sent_as: tuple[str, str] | None = None
    most: int = MOST_SEARCHED


@dataclass(frozen=True, slots=True)
class SentPictureRow:
    """A picture that a platform has already, with the code of its recipe."""

    job: str
    idx: int
    file_id: str
    typed: str = field(repr=False)
    code: str


def who_of(person: int) -> str:
    """Return the word by which the search knows a person."""
    return f"p{person}"


class FindingQueries:
    """Queries on job_search, favourite, read_settings and earlier_person, and on pages of job."""

    def __init__(self, database: Database) -> None:
        self._query = partial(database.query, "finding.sql")

    async def unindexed(self, limit: int) -> tuple[WordlessJob, ...]:
        """Return the oldest jobs whose words are not in the search."""
        return tuple(WordlessJob(**dict(row)) for row in await self._query("unindexed", limit=limit))

    async def add_words(self, jobs: Sequence[SearchWords]) -> None:
        """Add the words of jobs, all or none."""
        await self._query("add_words", jobs=json.dumps([astuple(job) for job in jobs], ensure_ascii=False))

    async def forget_job(self, job_id: str) -> None:
        """Let nobody find a deleted job any more; call it in the transaction of the deletion."""
        await self._query("delete_words", job=job_id)
        await self._query("forget_favourites", job=job_id)

    async def names_of(self, person: int) -> tuple[str, ...]:
        """Return the words by which the search knows a person: their own, and of those linked to them."""
        earlier = await self._query("earlier_people", person=person)
        return (who_of(person), *(who_of(row["was"]) for row in earlier))

    async def page(self, wanted: JobPage) -> tuple[JobRow, ...]:
        """Return jobs of a person, newest first. Of very many, only the newest are looked at."""
        platform, chat_id = wanted.open_in or ("", "")
        sent_to, form = wanted.sent_as or (platform, "")
        values: dict[str, str | int] = {
            "person": wanted.person,
            "only_open": int(wanted.open_in is not None),
            "platform": sent_to,
            "chat_id": chat_id,
            "form": form,
            "limit": wanted.limit,
            "offset": wanted.offset,
        }
        if wanted.match:
            only_favourites = int(wanted.only_favourites)
            rows = await self._query(
                "matching", match=wanted.match, most=MOST_SEARCHED, only_favourites=only_favourites, **values
            )
        elif wanted.only_favourites:
            rows = await self._query("favourites", **values)
        else:
            rows = await self._query("newest", most=wanted.most, **values)
        return tuple(job_of_row(row) for row in rows)

    async def favourites_of(self, person: int, job_ids: Sequence[str]) -> dict[str, tuple[int, ...]]:
        """Return the indexes of a person's favourite pictures, for those of these jobs that have any."""
        found: dict[str, tuple[int, ...]] = {}
        for row in await self._query("favourites_of", person=person, jobs=json.dumps(list(job_ids))):
            found[row["job"]] = (*found.get(row["job"], ()), int(row["idx"]))
        return found

    async def set_favourite(self, person: int, job_id: str, index: int, now_ms: int, *, is_on: bool) -> None:
        """Make a picture a favourite, or no longer."""
        if is_on:
            await self._query("add_favourite", person=person, job=job_id, idx=index, at_ms=now_ms)
        else:
            await self._query("delete_favourite", person=person, job=job_id, idx=index)

    async def give_code(self, job_id: str, code: str) -> bool:
        """Give a job its code unless it has one."""
        return bool(await self._query("give_code", job=job_id, code=code))

    async def job_of_code(self, code: str) -> JobRow | None:
        """Return the job of a recipe code."""
        rows = await self._query("job_of_code", code=code)
        return job_of_row(rows[0]) if rows else None

    async def add_settings(self, code: str, settings: str, now_ms: int) -> str:
        """Keep settings that were read from a file, and return their code: of equal ones, the first."""
        [row] = await self._query("add_settings", code=code, settings=settings, now_ms=now_ms)
        return str(row["code"])

    async def expire_settings(self, oldest_ms: int) -> None:
        """Delete the settings that were last read from a file before this moment."""
        await self._query("expire_settings", oldest_ms=oldest_ms)

    async def settings_of_code(self, code: str) -> str | None:
        """Return the settings that were read from a file, as JSON."""
        rows = await self._query("settings_of_code", code=code)
        return str(rows[0]["settings"]) if rows else None

    async def sent_pictures(
        self, job_ids: Sequence[str], platform: str, form: str
    ) -> tuple[SentPictureRow, ...]:
        """Return the pictures of these jobs that a platform has as ``form``, except those of private jobs."""
        rows = await self._query(
            "sent_pictures", jobs=json.dumps(list(job_ids)), platform=platform, form=form
        )
        return tuple(SentPictureRow(**dict(row)) for row in rows)
