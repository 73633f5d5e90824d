"""Credits that one person gives another: two ledger rows, so that none appear or vanish.

Only what others gave or hosts granted may be given: neither the daily allowance, nor what is saved of it. So
further accounts bring nobody more credits.
"""

from collections.abc import Callable

import structlog

from bot.commands.reading import subject_of
from bot.commands.text import clean
from bot.commands.values import GiveCredits
from bot.desk.hosting.subjects import who_of
from bot.desk.people.ledger import Ledger
from bot.errors import BadSubject, NeverWrote, NothingToGive, OwnRecipient, UnknownRecipient
from bot.outcomes import CommandContext, CreditsGiven
from bot.store import Store
from bot.store.rows import LedgerKind

log = structlog.get_logger("bot.desk")


class Gifts:
    """Carries out ``GiveCredits``, in the transaction of the event.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(self, *, store: Store, ledger: Ledger, clock: Callable[[], int]) -> None:
        self._store = store
        self._ledger = ledger
        self._clock = clock

    async def give(self, command: GiveCredits, context: CommandContext) -> CreditsGiven:
        """Move credits to another person.

        Raises:
            PersonError: UnknownRecipient, NeverWrote, OwnRecipient, NothingToGive.
        """
        people = self._store.people
        async with self._store.atomic():
            giver = await people.find_or_create(context, self._clock())
            recipient = await self._recipient(command.person, context)
            if recipient == giver:
                raise OwnRecipient
            before = (await self._ledger.renew(giver)).credits
            most = await self._ledger.transferable(giver)
            if command.credits > most:
                raise NothingToGive(limit=most)
            await self._ledger.renew(recipient)
            by = f"{context.platform}:{context.user_id}"
            for person, credits in ((giver, -command.credits), (recipient, command.credits)):
                await people.move_credits(person, LedgerKind.GRANT, credits, self._clock(), decided_by=by)
            facts = {"giver": giver, "recipient": recipient, "credits": command.credits}
            self._store.after_commit(lambda: log.info("credits given", **facts))
            who = who_of(await self._store.identities.of([recipient]), context.platform)
        return CreditsGiven(who, command.credits, before - command.credits)

    async def _recipient(self, typed: str, context: CommandContext) -> int:
        try:
            identity = subject_of(typed, context.platform)
        except BadSubject:
            name = clean(typed).strip().lstrip("@")
            named = await self._store.identities.named(context.platform, name)
            if named is None:
                raise UnknownRecipient(text=typed) from None
            return named
        platform, _, user_id = identity.partition(":")
        person = await self._store.people.find(platform, user_id)
        if person is None:
            raise NeverWrote(who=identity)
        return person
