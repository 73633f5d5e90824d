"""Which jobs a person may see and continue from: their own, those drawn openly here, any for a host."""

from bot.errors import NoSheet, NoSuchJob, NotInPublic, NotYours
from bot.outcomes import CommandContext
from bot.policy.live import LiveRules
from bot.policy.rules import is_host
from bot.store import Store
from bot.store.rows import JobRow


def is_open_here(job: JobRow, context: CommandContext) -> bool:
    """Whether everybody in this chat may see the job: it was drawn here, and not in private."""
    here = (context.address.platform, context.address.chat_id)
    return not job.private and (job.platform, job.chat_id) == here


class JobAccess:
    """Finds a job for a person who may see it; an empty id means their newest. Deleted jobs are not found."""

    def __init__(self, *, store: Store, rules: LiveRules) -> None:
        self._store = store
        self._rules = rules

    async def require_visible(self, job_id: str, context: CommandContext) -> JobRow:
        """Return a job from which this person may continue here.

        Raises:
            PersonError: NoSuchJob, or NotYours (the job is private, or of another chat).
        """
        person = await self._store.people.find(context.platform, context.user_id)
        job = await self._find(job_id, person, context)
        if not (job.person == person or is_open_here(job, context) or is_host(context, self._rules.now)):
            raise NotYours(job_id=job.id)
        return job

    async def require_start(self, job_id: str, earlier: JobRow, context: CommandContext) -> None:
        """Return if this person may get new pictures from one that began ``earlier``, a job that they see.

        Whose job it is decides: its person has chosen that picture.

        Raises:
            PersonError: As ``require_visible``, for somebody else.
        """
        if await self._store.people.find(context.platform, context.user_id) != earlier.person:
            await self.require_visible(job_id, context)

    async def require_sheet(self, context: CommandContext) -> JobRow:
        """Return the newest sheet of this person.

        Raises:
            NoSheet: They have no sheet.
        """
        person = await self._store.people.find(context.platform, context.user_id)
        sheet = None if person is None else await self._store.jobs.newest_sheet_of(person)
        if sheet is None:
            raise NoSheet
        return sheet

    async def require_own(self, job_id: str, context: CommandContext, *, or_host: bool = False) -> JobRow:
        """Return a job of this person or, if ``or_host``, any job for a host.

        Raises:
            PersonError: NoSuchJob, or NotYours.
        """
        person = await self._store.people.find(context.platform, context.user_id)
        job = await self._find(job_id, person, context)
        if job.person != person and not (or_host and is_host(context, self._rules.now)):
            raise NotYours(job_id=job.id)
        return job

    async def require_shown(self, job_id: str, context: CommandContext, command: str) -> JobRow:
        """Return a job that everybody who reads the answer may see.

        Raises:
            PersonError: As ``require_visible``, and NotInPublic (a job of another chat, in a group).
        """
        job = await self.require_visible(job_id, context)
        if context.is_group and not is_open_here(job, context):
            raise NotInPublic(command=command)
        return job

    async def _find(self, job_id: str, person: int | None, context: CommandContext) -> JobRow:
        jobs, here = self._store.jobs, context.address
        if job_id:
            job = await jobs.find(job_id)
        elif person is None:
            job = None
        elif context.is_group:
            newest = await jobs.newest_public_in(person, here.platform, here.chat_id, 1)
            job = newest[0] if newest else None
        else:
            newest = await jobs.newest_of(person, 1)
            job = newest[0] if newest else None
        if job is None or job.deleted_ms is not None:
            raise NoSuchJob(job_id=job_id)
        return job
