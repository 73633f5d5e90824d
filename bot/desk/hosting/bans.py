"""Exclude people, and let them come back. Their unfinished jobs end, refunded; hosts are never excluded."""

from collections.abc import Callable

from bot.commands.values import BanPerson, UnbanPerson
from bot.desk.cancellation import JobCancellation
from bot.desk.hosting.audit import HostAudit
from bot.desk.hosting.permissions import Permissions
from bot.desk.hosting.subjects import Subjects
from bot.errors import HostNotBanned, NotBanned
from bot.outcomes import BanListing, BanShown, CommandContext, PersonBanned, PersonUnbanned, Who
from bot.policy.live import LiveRules
from bot.policy.rules import is_host_identity, require_private_chat
from bot.store import Store
from bot.store.hosting.permissions import PermissionKind


class Bans:
    """Carries out ``BanPerson`` and ``UnbanPerson``, in the transaction of the event.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        rules: LiveRules,
        permissions: Permissions,
        subjects: Subjects,
        cancellation: JobCancellation,
        audit: HostAudit,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._rules = rules
        self._permissions = permissions
        self._subjects = subjects
        self._cancellation = cancellation
        self._audit = audit
        self._clock = clock

    async def ban(self, command: BanPerson, context: CommandContext) -> PersonBanned | BanListing:
        """Exclude a person under all their identities; without one, list who is excluded.

        Raises:
            PersonError: UnknownPerson, HostNotBanned; NotInPublic for the list.
        """
        if not command.person:
            require_private_chat(command, context)
            return await self._list(context)
        subject = await self._subjects.find(command.person, context)
        if any(is_host_identity(identity, self._rules.now) for identity in subject.identities):
            raise HostNotBanned(who=subject.who.identity)
        now_ms = self._clock()
        until_ms = None if command.duration_s is None else now_ms + 1_000 * command.duration_s
        async with self._store.atomic():
            for identity in subject.identities:
                await self._permissions.save(
                    PermissionKind.BAN, identity, context, until_ms=until_ms, reason=command.reason
                )
            jobs = await self._store.jobs.unfinished_of(subject.person) if subject.person else ()
            for job in jobs:
                await self._cancellation.end(job)
            facts = {"until_ms": until_ms, "reason": command.reason, "ended": len(jobs)}
            await self._audit.note(context, "ban", subject.who.identity, **facts)
        until_s = None if until_ms is None else until_ms // 1_000
        return PersonBanned(BanShown(subject.who, until_s, command.reason), len(jobs))

    async def unban(self, command: UnbanPerson, context: CommandContext) -> PersonUnbanned:
        """Let a person use the bot again, under all their identities.

        Raises:
            PersonError: UnknownPerson, NotBanned.
        """
        subject = await self._subjects.find(command.person, context)
        async with self._store.atomic():
            found = [
                await self._permissions.delete(PermissionKind.BAN, identity)
                for identity in subject.identities
            ]
            if not any(found):
                raise NotBanned(who=subject.who.identity)
            await self._audit.note(context, "unban", subject.who.identity)
        return PersonUnbanned(subject.who)

    async def _list(self, context: CommandContext) -> BanListing:
        now_ms, shown = self._clock(), []
        for ban in self._rules.now.bans.values():
            if ban.until_ms is not None and ban.until_ms <= now_ms:
                continue
            platform, _, user_id = ban.name.partition(":")
            person = await self._store.people.find(platform, user_id)
            who = Who(ban.name) if person is None else await self._subjects.of_person(person, platform)
            shown.append(BanShown(who, None if ban.until_ms is None else ban.until_ms // 1_000, ban.reason))
        return BanListing(tuple(shown))
