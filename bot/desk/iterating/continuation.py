"""From which job a request continues, what it changes of that job, and whether its start picture is there."""

from dataclasses import dataclass

from bot.commands.values import Adopt, Compare, Draft, Draw, DrawRecipe, Enlarge, Vary
from bot.desk.iterating.derivation import Changes, ContinuingCommand, changes_of
from bot.desk.iterating.sources import StartPictures
from bot.desk.people.access import JobAccess
from bot.errors import NoSuchPicture, PersonError, PicturesGone, StartGone
from bot.outcomes import CommandContext, Derivation, Lineage
from bot.store import Store
from bot.store.rows import JobRow
from engine.checkpoint.model import ModelInfo

DrawingCommand = Draw | Compare | Draft | DrawRecipe | ContinuingCommand
"""The commands that make a job."""


@dataclass(frozen=True, slots=True)
class DiskState:
    """What the disk has for a request: free bytes, and the file of the picture with which it begins."""

    available_bytes: int
    has_start: bool = True


NOT_NEEDED = DiskState(0)
"""For commands that make no job."""


class JobContinuation:
    """Answers for one request from which job it continues."""

    def __init__(
        self,
        *,
        store: Store,
        access: JobAccess,
        sources: StartPictures,
        model: ModelInfo,
    ) -> None:
        self._store = store
        self._access = access
        self._sources = sources
        self._model = model

    async def has_start(self, command: DrawRecipe | ContinuingCommand, context: CommandContext) -> bool:
        """Whether the file of the picture with which a request begins is there, or it needs none.

        Call it before the transaction: a slow disk must not hold the write lock.
        """
        if isinstance(command, DrawRecipe):
            job = await self._store.finding.job_of_code(command.code)
            start = job.recipe.start if job is not None else None
        else:
            try:
                earlier = await self._earlier(command, context)
                start = changes_of(command, earlier, self._model).start
            except PersonError:  # ``find`` refuses it too, and that refusal is kept for a repeated event
                return True
        return start is None or await self._sources.exists(start)

    async def find(
        self, command: ContinuingCommand, context: CommandContext, disk: DiskState
    ) -> tuple[JobRow, Changes]:
        """Return the job from which a command continues, and what it changes of that job.

        Raises:
            PersonError: NoSuchJob, NotYours (that job, or that of its start picture, is private, or of
                another chat), NoSuchPicture, PicturesGone, StartGone, AlreadyLarge.
        """
        earlier = await self._earlier(command, context)
        changes = changes_of(command, earlier, self._model)
        if isinstance(command, Vary | Enlarge):
            rows = await self._store.jobs.pictures_of([earlier.id])
            if not rows:
                raise PicturesGone(job_id=earlier.id)
            if command.index not in {row.idx for row in rows}:
                raise NoSuchPicture(job_id=earlier.id, number=command.index + 1, count=len(rows))
        if changes.start is not None and not disk.has_start:
            raise StartGone(job_id=changes.start.job_id, number=changes.start.index + 1)
        if changes.start is not None and changes.seed is None and changes.start.job_id != earlier.id:
            # With another seed it shows more of the picture that the earlier job began with.
            await self._access.require_start(changes.start.job_id, earlier, context)
        return earlier, changes

    async def _earlier(self, command: ContinuingCommand, context: CommandContext) -> JobRow:
        if isinstance(command, Adopt) and not command.job_id:
            return await self._access.require_sheet(context)
        return await self._access.require_visible(command.job_id, context)

    async def lineage_of(self, job_id: str, context: CommandContext) -> Lineage | None:
        """Return that a text comes from this job, if the person may still see the job."""
        try:
            earlier = await self._access.require_visible(job_id, context)
        except PersonError:  # the text is complete without it
            return None
        return Lineage(Derivation.EDITED, earlier.id)
