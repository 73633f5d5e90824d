"""Link identities of several platforms to one person: a code from one chat, typed twice in another.

The owner of the code stays; the other person becomes part of them: history, ledger, waiting jobs and all
granted credits. The linked person keeps one of the two daily allowances. An unlinked identity starts as a new
person whose allowance of today counts as used; everything else stays, except what the identity's tier added.
So linking and unlinking create no credits, give no allowance twice, and save up no more than a day's.

The first time, the code only shows its owner; the second time, it links. So nobody gives their history away
by pasting what a stranger sent. A code belongs to the first account that types it, works once and for ten
minutes, and is issued only where nobody else reads it.
"""

from collections.abc import Callable
from random import Random

import structlog

from bot.commands.reading import new_link_code
from bot.commands.values import Link, Unlink
from bot.desk.people.attempts import AttemptLimits, CodeAttempts
from bot.desk.people.ledger import Ledger
from bot.desk.queue import JobQueue
from bot.errors import AlreadyLinked, BadLinkCode, NotLinked, OwnLinkCode
from bot.outcomes import CommandContext, LinkCode, LinkConfirmation, Linked, Platform, Unlinked
from bot.policy.rules import require_private_chat
from bot.store import Store

log = structlog.get_logger("bot.desk")

CODE_LASTS_MS = 10 * 60_000
# At 40 bits, one account finds a code with one chance in 10^11 a day, all together with one in 10^9.
LIMITS = AttemptLimits(window_ms=10 * 60_000, by_account=5, of_code=10, in_all=1_000)


class AccountLinking:
    """Links and unlinks identities."""

    def __init__(
        self, *, store: Store, ledger: Ledger, queue: JobQueue, clock: Callable[[], int], random: Random
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._queue = queue
        self._clock = clock
        self._random = random
        self._attempts = CodeAttempts(clock, LIMITS, BadLinkCode)

    async def link(self, command: Link, context: CommandContext) -> LinkCode | LinkConfirmation | Linked:
        """Issue a code; or show the owner of a code; or, if it is typed again, link this person to the owner.

        Raises:
            NotAllowed: NotInPublic.
            NotPossible: BadLinkCode, OwnLinkCode, TooManyCodes, AlreadyLinked.
        """
        if not command.code:
            require_private_chat(command, context)
            return await self._issue(context)
        with self._attempts.count_attempt(f"{context.platform}:{context.user_id}", command.code):
            return await self._redeem(command.code, context)

    async def unlink(self, command: Unlink, context: CommandContext) -> Unlinked:
        """Make this identity a new person.

        Raises:
            NotPossible: NotLinked.
        """
        async with self._store.atomic():
            person = await self._store.people.find_or_create(context, self._clock())
            if len(await self._store.links.identities_of(person)) == 1:
                raise NotLinked
            alone = await self._ledger.unlink(context.platform, context.user_id, person)
        log.info("identity unlinked", person=person, alone=alone, platform=context.platform)
        return Unlinked(context.platform)

    async def _issue(self, context: CommandContext) -> LinkCode:
        code, now_ms = new_link_code(self._random), self._clock()
        async with self._store.atomic():
            person = await self._store.people.find_or_create(context, self._clock())
            await self._store.links.add_code(code, person, context.platform, now_ms, now_ms + CODE_LASTS_MS)
        return LinkCode(code, CODE_LASTS_MS // 60_000)

    async def _redeem(self, code: str, context: CommandContext) -> LinkConfirmation | Linked:
        links, typed_by = self._store.links, f"{context.platform}:{context.user_id}"
        async with self._store.atomic():
            found = await links.find_code(code, self._clock())
            person = await self._store.people.find_or_create(context, self._clock())
            if found is None or found.typed_by not in (None, typed_by):
                raise BadLinkCode
            if not found.used:
                await self._require_linkable(person, found.person)
                if found.typed_event in (None, context.event_id):  # the same message again confirms nothing
                    await links.reserve_code(code, typed_by, context.event_id)
                    return LinkConfirmation(code, Platform(found.platform), found.name)
                await self._ledger.link(person, found.person, code)
                self._store.after_commit(lambda: self._queue.merge(person, found.person))
                log.info("people linked", gone=person, stays=found.person)
            identities = await links.identities_of(found.person)
            account = await self._store.people.account(found.person)
        return Linked(tuple(Platform(platform) for platform, _ in identities), account.credits)

    async def _require_linkable(self, gone: int, stays: int) -> None:
        if gone == stays:
            raise OwnLinkCode
        here = {platform for platform, _ in await self._store.links.identities_of(gone)}
        there = {platform for platform, _ in await self._store.links.identities_of(stays)}
        for platform in sorted(here & there):
            raise AlreadyLinked(platform=platform)
