"""Finds the person whom a host means: by a mention, an id, the id of a job, or a name."""

from dataclasses import dataclass

from bot.commands.reading import subject_of
from bot.commands.text import clean
from bot.errors import BadSubject, UnknownPerson
from bot.outcomes import CommandContext, Who
from bot.store import Store
from bot.store.hosting.identities import IdentityRow


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a host means.

    Attributes:
        who: As the host reads it.
        identities: All of the person, as ``platform:user_id``; one that never wrote has only the named one.
        person: None for one that never wrote.
    """

    who: Who
    identities: tuple[str, ...]
    person: int | None


class Subjects:
    """Finds people. A name counts if exactly one person on the host's platform has it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, typed: str, context: CommandContext) -> Subject:
        """Return the person.

        Raises:
            UnknownPerson: Nobody is meant, or several may be.
        """
        try:
            identity = subject_of(typed, context.platform)
        except BadSubject:
            return await self._find_by_job_or_name(typed, context)
        platform, _, user_id = identity.partition(":")
        person = await self._store.people.find(platform, user_id)
        return await self._subject(person, identity) if person else Subject(Who(identity), (identity,), None)

    async def of_person(self, person: int, platform: str) -> Who:
        """Return a person as a host sees them: under their identity on this platform, if they have one."""
        rows = await self._store.identities.of([person])
        return who_of(rows, platform)

    async def _find_by_job_or_name(self, typed: str, context: CommandContext) -> Subject:
        name = clean(typed).strip().lstrip("#＃@")
        job = await self._store.jobs.find(name)
        person = job.person if job else await self._store.identities.named(context.platform, name)
        if person is None:
            raise UnknownPerson(text=typed)
        return await self._subject(person, f"{job.platform if job else context.platform}:")

    async def _subject(self, person: int, identity: str) -> Subject:
        rows = await self._store.identities.of([person])
        shown = [row for row in rows if f"{row.platform}:{row.user_id}" == identity]
        who = who_of(shown or rows, identity.partition(":")[0])
        return Subject(who, tuple(f"{row.platform}:{row.user_id}" for row in rows), person)


def who_of(rows: tuple[IdentityRow, ...] | list[IdentityRow], platform: str) -> Who:
    """Return one of a person's identities, that of the platform if there is one."""
    row = next((each for each in rows if each.platform == platform), rows[0])
    return Who(f"{row.platform}:{row.user_id}", row.name)
