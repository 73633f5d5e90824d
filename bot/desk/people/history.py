"""The files of a person's jobs, and the credits left."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from bot.commands.values import Original
from bot.desk.files import find_pictures
from bot.desk.people.access import JobAccess
from bot.desk.people.ledger import Ledger, TierMembership
from bot.errors import OriginalsExpired, PicturesDamaged, PicturesGone
from bot.outcomes import CommandContext, CreditBalance, Originals
from bot.policy.live import LiveRules
from bot.policy.rules import owns_machine
from bot.store import Store


class HistoryQueries:
    """Answers ``/quota``, and finds a job's files."""

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        tiers: TierMembership,
        pictures_dir: Path,
        access: JobAccess,
        rules: LiveRules,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._tiers = tiers
        self._pictures_dir = pictures_dir
        self._access = access
        self._rules = rules
        self._clock = clock

    async def find_originals(self, command: Original, context: CommandContext) -> Originals:
        """Return the files of the person's own job, one drawn openly in this chat, or any job for a host.

        Raises:
            PersonError: NoSuchJob, NotYours, NotInPublic (a job of another chat, requested in a group),
                OriginalsExpired, PicturesGone or PicturesDamaged.
        """
        async with self._store.atomic():
            job = await self._access.require_shown(command.job_id, context, "mine")
            rows = await self._store.jobs.pictures_of([job.id])
        found = await asyncio.to_thread(find_pictures, rows, self._pictures_dir, [job], must_check=True)
        pictures = found[job.id]
        if pictures.previews:
            raise OriginalsExpired(job_id=job.id)
        if not pictures.files:
            raise PicturesDamaged(job_id=job.id) if pictures.damaged else PicturesGone(job_id=job.id)
        return Originals(job.id, pictures.files, job.spoiler, len(pictures.damaged))

    async def read_balance(self, context: CommandContext) -> CreditBalance:
        """Return the credits that the person has today."""
        async with self._store.atomic():
            person = await self._store.people.find_or_create(context, self._clock())
            account = await self._ledger.renew(person)
            daily = (await self._tiers.entitlement_of(account)).daily_credits
        owns = owns_machine(context, self._rules.now)
        return CreditBalance(account.credits, daily, account.renews_at_s, is_unlimited=owns)
