"""From a request to an accepted job: its recipe, its transaction, and only then its receipt.

A recipe fixes the LoRAs (found and pinned), size, seed and final prompt. The transaction stores origin, job,
charge and ledger. The same message twice, even at the same moment or after a crash, makes one job and two
equal receipts.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random

import structlog

from bot.commands.table import ENTRY_OF
from bot.commands.values import Compare, Draft, Draw, DrawRecipe
from bot.desk.asking.recipes import Recipes
from bot.desk.asking.remembered import NO_PROFILE, ChatProfiles
from bot.desk.asking.requests import AskedPictures, DrawRequests
from bot.desk.finding.drawing import RecipeDrawings
from bot.desk.hosting.pausing import Pausing
from bot.desk.iterating.continuation import NOT_NEEDED, DiskState, DrawingCommand, JobContinuation
from bot.desk.loras.habits import LoraHabits
from bot.desk.people.ledger import Ledger
from bot.desk.queue import JobQueue
from bot.desk.sheets.writing import Sheets
from bot.errors import (
    Closing,
    Draining,
    NoCreditsLeft,
    NoDiskSpace,
    NoPrivateChat,
    NotInPublic,
    PersonError,
    TooManyWaiting,
)
from bot.monitoring.figures import JOBS_ACCEPTED
from bot.outcomes import (
    Address,
    CommandContext,
    DryRun,
    Note,
    Platform,
    Receipt,
    ServiceMode,
    SizeChanged,
)
from bot.pictures.sheet import size_of_sheet
from bot.policy.live import LiveRules
from bot.policy.rules import chats_of, owns_machine, price
from bot.store import Store
from bot.store.rows import NewJob

log = structlog.get_logger("bot.desk")

MOST_OF_OWNER = 100  # jobs that the owner of the machine may have waiting
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: without i, l, o and u, which are misread


def new_job_id(now_ms: int, random: Random) -> str:
    """Return 16 characters that sort by time: nine of milliseconds (until the year 3084), seven random."""
    number = now_ms << 35 | random.getrandbits(35)
    return "".join([_DIGITS[number >> shift & 31] for shift in range(75, -1, -5)])


class _RolledBack(Exception):
    """A dry run has read everything that it wrote."""


class JobAcceptance:
    """Accepts every command that makes a job.

    Args:
        clock: UTC milliseconds.
        random: Generates job ids.
    """

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        recipes: Recipes,
        sheets: Sheets,
        requests: DrawRequests,
        profiles: ChatProfiles,
        habits: LoraHabits,
        continuation: JobContinuation,
        drawings: RecipeDrawings,
        queue: JobQueue,
        pausing: Pausing,
        rules: LiveRules,
        clock: Callable[[], int],
        random: Random,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._recipes = recipes
        self._sheets = sheets
        self._requests = requests
        self._profiles = profiles
        self._habits = habits
        self._continuation = continuation
        self._drawings = drawings
        self._queue = queue
        self._pausing = pausing
        self._rules = rules
        self._clock = clock
        self._random = random
        self._is_closing = False

    def close(self) -> None:
        """Accept no new job from now on."""
        self._is_closing = True

    async def accept(self, command: DrawingCommand, context: CommandContext, disk: DiskState) -> Receipt:
        """Store and charge a job if the disk has what it needs, and return its receipt.

        Call it in a transaction. The receipt has no position yet: the queue knows the job after the commit.

        Raises:
            PersonError: Refused; nothing is charged or stored. What continues from a job also
                raises as ``JobContinuation.find``.
        """
        if self._is_closing:
            raise Closing
        new_job, notes, limit = await self._new_job(command, context, disk)
        job = await self._store.jobs.add(new_job, context.event_id, limit)
        if job is None:
            raise TooManyWaiting(limit=limit)
        # The largest size that a PNG of these pixels can have.
        size = job.recipe
        needed_bytes = size.count * (3 * size.width_px * size.height_px + 2**16)
        if size.sheet:
            needed_bytes += 3 * math.prod(size_of_sheet(size))
        if needed_bytes > disk.available_bytes:
            raise NoDiskSpace(free_bytes=disk.available_bytes, needed_bytes=needed_bytes)
        credits_left = await self._ledger.charge(job)
        self._store.after_commit(partial(self._queue.add, job))
        if job.recipe.loras:
            self._store.after_commit(partial(self._habits.note, job, context))
        facts = {"job_id": job.id, "person": job.person, "price": job.price}
        self._store.after_commit(partial(log.info, "job accepted", **facts))
        self._store.after_commit(JOBS_ACCEPTED.labels(job.platform).inc)
        return Receipt(job.id, job.recipe, job.price, credits_left, 0, notes=notes, lineage=job.lineage)

    async def repeat(self, job_id: str) -> Receipt:
        """Return the receipt of a job again, because its event came again."""
        job = await self._store.jobs.find(job_id)
        if job is None:
            raise LookupError(f"an event made {job_id}, which is not stored")
        return Receipt(
            job_id=job.id,
            recipe=job.recipe,
            price=job.price,
            credits_left=(await self._store.people.account(job.person)).credits,
            position=0,
            repeated=True,
            address=Address(Platform(job.platform), job.chat_id, job.ref) if job.deleted_ms is None else None,
            notes=self._recipes.find_notes(job.recipe),
            lineage=job.lineage,
        )

    async def foresee(self, command: Draw | Compare | Draft | DrawRecipe, context: CommandContext) -> DryRun:
        """Return what the request would be now; nothing is stored.

        Raises:
            PersonError: It would be refused.
        """
        disk = NOT_NEEDED
        if isinstance(command, DrawRecipe):
            disk = replace(disk, has_start=await self._continuation.has_start(command, context))
        try:
            async with self._store.atomic():
                new_job, notes, limit = await self._new_job(command, context, disk)
                unfinished = await self._store.jobs.unfinished_of(new_job.person)
                account = await self._ledger.renew(new_job.person)
                ahead, wait = self._queue.foresee(new_job.person, new_job.recipe)
                raise _RolledBack
        except _RolledBack:
            pass
        if len(unfinished) >= limit:
            raise TooManyWaiting(limit=limit)
        if account.credits < new_job.price:
            facts = {"credits": account.credits, "renews_at_s": account.renews_at_s}
            raise NoCreditsLeft(price=new_job.price, **facts)
        return DryRun(
            recipe=new_job.recipe,
            price=new_job.price,
            credits_left=account.credits - new_job.price,
            position=ahead,
            wait=wait,
            is_loading=self._queue.is_loading(),
            loading_s=self._queue.loading_s(),
            notes=(*self._pausing.notes, *notes),
        )

    async def price_of(self, code: str, context: CommandContext) -> int | None:
        """Return what the recipe of a code costs this person; None if they cannot draw it now."""
        command = DrawRecipe(code)
        has_start = await self._continuation.has_start(command, context)
        try:
            asked = await self._drawings.read(command, context, has_start=has_start)
        except PersonError:
            return None
        return 0 if owns_machine(context, self._rules.now) else price(asked.recipe)

    async def _new_job(
        self, command: DrawingCommand, context: CommandContext, disk: DiskState
    ) -> tuple[NewJob, tuple[Note, ...], int]:
        """Return the job, what to say about it, and how many jobs of this person may wait at once."""
        if self._pausing.now.mode is ServiceMode.DRAINING:
            raise Draining(reason=self._pausing.now.reason)
        person = await self._store.people.find_or_create(context, self._clock())
        if not self._profiles.is_loaded:
            await self._profiles.require_loaded()
        if isinstance(command, Draw | Compare | Draft):
            asked = await self._requests.read(command, context, person)
            edits = (command if isinstance(command, Draw) else command.draw).edited_from
            lineage = await self._continuation.lineage_of(edits, context) if edits else None
        elif isinstance(command, DrawRecipe):
            asked = await self._drawings.read(command, context, has_start=disk.has_start)
            lineage = None
        else:
            earlier, changes = await self._continuation.find(command, context, disk)
            may_use = self._profiles.rule(context)
            is_sheet = earlier.recipe.sheet is not None and changes.lineage.index is None
            writer: Recipes | Sheets = self._sheets if is_sheet else self._recipes
            recipe, notes = writer.rewrite(earlier, changes, may_use)
            asked = AskedPictures(recipe, notes, earlier.private, earlier.spoiler)
            lineage = changes.lineage
        if self._profiles.of(context) != NO_PROFILE:
            self._profiles.require(asked.recipe, context)
        # In a group, private pictures go to the person's private chat.
        address = context.private_address if asked.private and context.is_group else context.address
        wished = isinstance(command, DrawRecipe) and command.private
        if address is None and (wished or isinstance(command, Draw | Compare | Draft)):
            raise NoPrivateChat
        if address is None:  # it continues from private pictures, for which the chat looks up no address
            raise NotInPublic(command=ENTRY_OF[type(command)].name)
        asked_size = ""
        for note in asked.notes:
            if isinstance(note, SizeChanged):
                asked_size = note.requested
        now_ms, credits, most_waiting = self._clock(), price(asked.recipe), self._rules.now.max_waiting
        if owns_machine(context, self._rules.now):
            credits, most_waiting = 0, max(most_waiting, MOST_OF_OWNER)
        new_job = NewJob(
            id=new_job_id(now_ms, self._random),
            person=person,
            platform=address.platform,
            chat_id=address.chat_id,
            ref=address.ref,
            locale=context.locale,
            private=asked.private,
            recipe=asked.recipe,
            price=credits,
            created_ms=now_ms,
            asked_in=chats_of(context),
            spoiler=asked.spoiler,
            request=asked.request,
            asked_ref="" if address is context.address else context.address.ref,
            lineage=lineage,
            asked_size=asked_size,
        )
        return new_job, asked.notes, most_waiting
