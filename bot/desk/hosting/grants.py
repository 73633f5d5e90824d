"""Grant credits: at once, or a number a day; take them back. Each is a ledger row that names the host."""

from collections.abc import Callable

from bot.commands.values import GrantCredits
from bot.desk.hosting.audit import HostAudit
from bot.desk.hosting.subjects import Subject, Subjects
from bot.desk.people.ledger import Ledger
from bot.errors import NeverWrote, NothingToTake
from bot.outcomes import CommandContext, CreditsGranted, DailyCreditsGranted
from bot.policy.rules import require_private_chat
from bot.store import Store
from bot.store.rows import LedgerKind

DAY_MS = 86_400_000


class Grants:
    """Carries out ``GrantCredits``, in the transaction of the event.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        subjects: Subjects,
        audit: HostAudit,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._subjects = subjects
        self._audit = audit
        self._clock = clock

    async def grant(
        self, command: GrantCredits, context: CommandContext
    ) -> CreditsGranted | DailyCreditsGranted:
        """Add credits, or take them back as far as there are any; with days, set the credits of each day.

        Raises:
            PersonError: UnknownPerson, NeverWrote, NothingToTake, NotInPublic.
        """
        require_private_chat(command, context)
        subject = await self._subjects.find(command.person, context)
        if subject.person is None:
            raise NeverWrote(who=subject.who.identity)
        async with self._store.atomic():
            if command.days is None:
                return await self._grant_once(command, subject, subject.person, context)
            return await self._grant_daily(command, subject, subject.person, context)

    async def _grant_once(
        self, command: GrantCredits, subject: Subject, person: int, context: CommandContext
    ) -> CreditsGranted:
        before = (await self._ledger.renew(person)).credits
        moved = max(command.credits, -before)
        if not moved:
            raise NothingToTake(who=subject.who.identity)
        by = f"{context.platform}:{context.user_id}"
        await self._store.people.move_credits(person, LedgerKind.GRANT, moved, self._clock(), decided_by=by)
        await self._audit.note(context, "grant", subject.who.identity, credits=moved)
        return CreditsGranted(subject.who, moved, before + moved)

    async def _grant_daily(
        self, command: GrantCredits, subject: Subject, person: int, context: CommandContext
    ) -> DailyCreditsGranted:
        now_ms, days = self._clock(), command.days or 0
        until_ms = now_ms + days * DAY_MS
        if days and command.credits > 0:
            by = f"{context.platform}:{context.user_id}"
            await self._store.grants.set_daily(person, command.credits, until_ms, now_ms, by)
        elif not await self._store.grants.end_daily(person):
            raise NothingToTake(who=subject.who.identity)
        is_given = bool(days) and command.credits > 0
        facts = {"daily": command.credits if is_given else 0, "until_ms": until_ms if is_given else None}
        await self._audit.note(context, "grant", subject.who.identity, **facts)
        until_s = until_ms // 1_000 if is_given else None
        return DailyCreditsGranted(subject.who, command.credits if is_given else 0, until_s)
