"""The files of pictures: which pictures name them, which are loose, and which pictures are due.

A loose file is one that perhaps no picture names. It is stored as such before it is written, and triggers do
so in the transaction in which a picture stops naming it. So every file that a crash leaves without a picture
is found.
"""

import json
from collections.abc import Collection, Sequence
from functools import partial

from bot.store.database import Database
from bot.store.jobs import picture_of_row
from bot.store.rows import PictureForm, PictureRow


class StoredPictures:
    """Queries on picture and loose_file."""

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

        What it named until now becomes loose.
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
        """Store what the file of a picture is; nothing for a picture that has gone or expired meanwhile."""
        await self._query("set_form", job=picture.job, idx=picture.idx, form=form)

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
