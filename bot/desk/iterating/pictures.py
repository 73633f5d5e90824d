"""One picture of a batch alone, with all its controls."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.commands.values import Pick
from bot.desk.files import find_pictures
from bot.desk.people.access import JobAccess
from bot.errors import ChooseFromSheet, NoSuchPicture, PicturesDamaged, PicturesGone
from bot.outcomes import CommandContext, Offers, PickedPicture, PictureFile
from bot.policy.rules import chats_of
from bot.store import Store
from bot.store.rows import JobRow, PictureRow


class PicturePicking:
    """Answers ``Pick``."""

    def __init__(
        self,
        *,
        store: Store,
        access: JobAccess,
        pictures_dir: Path,
        offers_of: Callable[[JobRow, Sequence[str]], Offers],
    ) -> None:
        self._store = store
        self._access = access
        self._pictures_dir = pictures_dir
        self._offers_of = offers_of

    async def pick(self, command: Pick, context: CommandContext) -> PickedPicture:
        """Return one picture of a job that everybody who reads the answer may see. It costs nothing.

        Raises:
            PersonError: NoSuchJob, NotYours, NotInPublic, NoSuchPicture, PicturesGone, or
                PicturesDamaged.
        """
        async with self._store.atomic():
            job = await self._access.require_shown(command.job_id, context, "pick")
            rows = await self._store.jobs.pictures_of([job.id])
        if job.recipe.sheet:
            raise ChooseFromSheet(job_id=job.id)
        if not rows:
            raise PicturesGone(job_id=job.id)
        if command.index not in {row.idx for row in rows}:
            raise NoSuchPicture(job_id=job.id, number=command.index + 1, count=len(rows))
        return PickedPicture(
            job.id,
            await self._find_file(job, rows, command.index),
            job.recipe.alone(command.index),
            is_private=job.private,
            spoiler=job.spoiler,
            offers=self._offers_of(job, chats_of(context)),
        )

    async def _find_file(self, job: JobRow, rows: Sequence[PictureRow], index: int) -> PictureFile:
        all_found = await asyncio.to_thread(find_pictures, rows, self._pictures_dir, [job], must_check=True)
        found = all_found[job.id]
        if index in found.damaged:
            raise PicturesDamaged(job_id=job.id)
        file = next((file for file in found.files if file.index == index), None)
        if file is None:
            raise PicturesGone(job_id=job.id)
        return file
