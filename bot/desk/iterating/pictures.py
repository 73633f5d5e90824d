"""One picture of a batch alone, with all its controls."""

from pathlib import Path

from bot.commands.values import Pick
from bot.desk.files import find_pictures
from bot.desk.people.access import JobAccess
from bot.errors import NoSuchPicture, PicturesGone
from bot.outcomes import CommandContext, PickedPicture
from bot.store import Store


class PicturePicking:
    """Answers ``Pick``."""

    def __init__(self, *, store: Store, access: JobAccess, pictures_dir: Path) -> None:
        self._store = store
        self._access = access
        self._pictures_dir = pictures_dir

    async def pick(self, command: Pick, context: CommandContext) -> PickedPicture:
        """Return one picture of a job that everybody who reads the answer may see. It costs nothing.

        Raises:
            PersonError: NoSuchJob, NotYours, NotInPublic, NoSuchPicture, or PicturesGone.
        """
        async with self._store.atomic():
            job = await self._access.require_shown(command.job_id, context, "pick")
            rows = await self._store.jobs.pictures_of([job.id])
        if not rows:
            raise PicturesGone(job_id=job.id)
        if command.index not in {row.idx for row in rows}:
            raise NoSuchPicture(job_id=job.id, number=command.index + 1, count=len(rows))
        found = (await find_pictures(rows, self._pictures_dir, [job.id]))[job.id]
        picture = next((file for file in found.files if file.index == command.index), None)
        if picture is None:
            raise PicturesGone(job_id=job.id)
        return PickedPicture(job.id, picture, job.recipe.alone(command.index), job.private, job.spoiler)
