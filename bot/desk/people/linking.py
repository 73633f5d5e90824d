"""One person over several platforms: a code asked for in one chat and typed twice in another joins the two.

Whose code it was stays that person; the other one becomes part of them: history, ledger, waiting jobs, and
what was granted, in full. Of the daily allowances one is kept, for one person has one. Who parts begins anew,
today's allowance counted as given, and leaves all else behind, but for what a tier had added. So linking and
parting makes no credit, gives no allowance twice, and hoards none beyond a day's.

The first typing says whose code it is, the second joins: nobody gives their history away by pasting what a
stranger sent. A code is its first typer's, works once and for ten minutes, and is asked for where nobody
reads along.
"""

from collections.abc import Callable
from random import Random

import structlog

from bot.commands.reading import new_link_code
from bot.commands.values import Link, Unlink
from bot.desk.people.attempts import LinkAttempts
from bot.desk.people.ledger import Ledger
from bot.desk.queue import JobQueue
from bot.errors import AlreadyLinked, BadLinkCode, NotLinked, OwnLinkCode
from bot.outcomes import CommandContext, LinkAsked, LinkCode, Linked, Platform, Unlinked
from bot.policy.rights import require_alone
from bot.store import Store

log = structlog.get_logger("bot.desk")

CODE_LASTS_MS = 10 * 60_000


class AccountLinking:
    """Joins and parts."""

    def __init__(
        self, *, store: Store, ledger: Ledger, queue: JobQueue, clock: Callable[[], int], random: Random
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._queue = queue
        self._clock = clock
        self._random = random
        self._attempts = LinkAttempts(clock)

    async def link(self, command: Link, context: CommandContext) -> LinkCode | LinkAsked | Linked:
        """Give out a code; or say whose a code is; or, typed again, join this person to them.

        Raises:
            NotAllowed: NotInPublic.
            NotPossible: BadLinkCode, OwnLinkCode, TooManyCodes, AlreadyLinked.
        """
        if not command.code:
            require_alone(command, context)
            return await self._issue(context)
        with self._attempts.trying(f"{context.platform}:{context.user_id}", command.code):
            return await self._redeem(command.code, context)

    async def unlink(self, command: Unlink, context: CommandContext) -> Unlinked:
        """Part the identity that asks from its person.

        Raises:
            NotPossible: NotLinked.
        """
        async with self._store.atomic():
            person = await self._meet(context)
            if len(await self._store.links.identities_of(person)) == 1:
                raise NotLinked
            alone = await self._ledger.part(context.platform, context.user_id, person)
        log.info("identity parted", person=person, alone=alone, platform=context.platform)
        return Unlinked(context.platform)

    async def _issue(self, context: CommandContext) -> LinkCode:
        code, now_ms = new_link_code(self._random), self._clock()
        async with self._store.atomic():
            person = await self._meet(context)
            await self._store.links.add_code(code, person, context.platform, now_ms, now_ms + CODE_LASTS_MS)
        return LinkCode(code, CODE_LASTS_MS // 60_000)

    async def _redeem(self, code: str, context: CommandContext) -> LinkAsked | Linked:
        links, typed_by = self._store.links, f"{context.platform}:{context.user_id}"
        async with self._store.atomic():
            found = await links.find_code(code, self._clock())
            person = await self._meet(context)
            if found is None or found.typed_by not in (None, typed_by):
                raise BadLinkCode
            if not found.used:
                await self._require_joinable(person, found.person)
                if found.typed_event in (
                    None,
                    context.event_id,
                ):  # a message that comes again confirms nothing
                    await links.claim_code(code, typed_by, context.event_id)
                    return LinkAsked(code, Platform(found.platform), found.name)
                await self._ledger.join(person, found.person, code)
                self._store.after_commit(lambda: self._queue.merge(person, found.person))
                log.info("people joined", gone=person, stays=found.person)
            identities = await links.identities_of(found.person)
            account = await self._store.people.account(found.person)
        return Linked(tuple(Platform(platform) for platform, _ in identities), account.credits)

    async def _require_joinable(self, gone: int, stays: int) -> None:
        if gone == stays:
            raise OwnLinkCode
        here = {platform for platform, _ in await self._store.links.identities_of(gone)}
        there = {platform for platform, _ in await self._store.links.identities_of(stays)}
        for platform in sorted(here & there):
            raise AlreadyLinked(platform=platform)

    async def _meet(self, context: CommandContext) -> int:
        return await self._store.people.find_or_create(
            context.platform, context.user_id, context.user_name, context.locale, self._clock()
        )
