"""Accept a job: origin, job, charge and ledger in one transaction, and only then the receipt.

The same message twice, even at the same moment or after a crash, makes one job and two equal receipts.
"""

from collections.abc import Callable
from functools import partial
from random import Random

import structlog

from bot.commands.values import Draw, LoraWish, Reroll
from bot.desk.loras.consent import ConsentLedger
from bot.desk.loras.defaults import LoraDefaults
from bot.desk.loras.habits import LoraHabits
from bot.desk.people.history import is_open_here
from bot.desk.people.ledger import Ledger
from bot.desk.queue import JobQueue
from bot.desk.recipes import Recipes
from bot.errors import Closing, NoDiskSpace, NoPrivateChat, NoSuchJob, NotYours, TooManyWaiting
from bot.monitoring.figures import JOBS_ACCEPTED
from bot.outcomes import Address, CommandContext, DefaultMissing, Note, Platform, Receipt
from bot.policy.rules import Rules, chats_of, is_host, price
from bot.store import Store
from bot.store.rows import NewJob

log = structlog.get_logger("bot.desk")

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: without i, l, o and u, which are misread


def new_job_id(now_ms: int, random: Random) -> str:
    """Return 16 characters that sort by time: nine of milliseconds (until the year 3084), seven random."""
    number = now_ms << 35 | random.getrandbits(35)
    return "".join(_DIGITS[number >> shift & 31] for shift in range(75, -1, -5))


class JobAcceptance:
    """Accepts ``Draw`` and ``Reroll``.

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
        defaults: LoraDefaults,
        consents: ConsentLedger,
        habits: LoraHabits,
        queue: JobQueue,
        rules: Rules,
        clock: Callable[[], int],
        random: Random,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._recipes = recipes
        self._defaults = defaults
        self._consents = consents
        self._habits = habits
        self._queue = queue
        self._rules = rules
        self._clock = clock
        self._random = random
        self._is_closing = False

    def close(self) -> None:
        """Accept no new job from now on."""
        self._is_closing = True

    async def accept(self, command: Draw | Reroll, context: CommandContext, available_bytes: int) -> Receipt:
        """Store and charge a job if its pictures fit into ``available_bytes``, and return its receipt.

        The receipt has no position yet: the queue knows the job only after the commit.

        Raises:
            PersonError: Refused; nothing is charged or stored. For a reroll also NoSuchJob, or NotYours (the
                job is private, or of another chat).
        """
        jobs = self._store.jobs
        async with self._store.atomic():
            if job := await jobs.find_by_origin(context.platform, context.event_id):
                is_repeated, notes = True, self._recipes.find_notes(job.recipe.typed)
                credits_left = (await self._store.people.account(job.person)).credits
            elif self._is_closing:
                raise Closing
            else:
                person = await self._store.people.find_or_create(context, self._clock())
                new_job, notes = await self._new_job(command, context, person)
                job = await jobs.add(new_job, context.event_id, self._rules.max_waiting)
                if job is None:
                    raise TooManyWaiting(limit=self._rules.max_waiting)
                # The largest size that a PNG of these pixels can have.
                size = job.recipe
                needed_bytes = size.count * (3 * size.width_px * size.height_px + 2**16)
                if needed_bytes > available_bytes:
                    raise NoDiskSpace(free_bytes=available_bytes, needed_bytes=needed_bytes)
                is_repeated = False
                credits_left = await self._ledger.charge(job)
                self._store.after_commit(partial(self._queue.add, job))
                if job.recipe.loras:
                    self._store.after_commit(partial(self._habits.note, job, context))
                facts = {"job_id": job.id, "person": job.person, "price": job.price}
                self._store.after_commit(partial(log.info, "job accepted", **facts))
                self._store.after_commit(JOBS_ACCEPTED.labels(job.platform).inc)
        return Receipt(
            job_id=job.id,
            recipe=job.recipe,
            price=job.price,
            credits_left=credits_left,
            position=0,
            repeated=is_repeated,
            address=Address(Platform(job.platform), job.chat_id, job.ref) if is_repeated else None,
            notes=notes,
        )

    async def _new_job(
        self, command: Draw | Reroll, context: CommandContext, person: int
    ) -> tuple[NewJob, tuple[Note, ...]]:
        may_use = partial(self._consents.may_use, context)
        if isinstance(command, Draw):
            found = await self._defaults.find(context, may_use)
            default = found if isinstance(found, LoraWish) else None
            recipe, notes = self._recipes.write(command, default, may_use)
            if isinstance(found, DefaultMissing) and not (command.loras and command.loras[0].name):
                notes = (found, *notes)
            is_private = command.private
        else:
            earlier = await self._store.jobs.find(command.job_id)
            if earlier is None:
                raise NoSuchJob(job_id=command.job_id)
            is_own = earlier.person == person
            if not (is_own or is_open_here(earlier, context) or is_host(context, self._rules)):
                raise NotYours(job_id=earlier.id)
            recipe, notes = self._recipes.rewrite(earlier, may_use)
            is_private = earlier.private
        # In a group, private pictures go to the person's private chat.
        address = context.private_address if is_private and context.is_group else context.address
        if address is None:
            raise NoPrivateChat
        now_ms = self._clock()
        new_job = NewJob(
            id=new_job_id(now_ms, self._random),
            person=person,
            platform=address.platform,
            chat_id=address.chat_id,
            ref=address.ref,
            locale=context.locale,
            private=is_private,
            recipe=recipe,
            price=price(recipe.width_px, recipe.height_px, recipe.count),
            created_ms=now_ms,
            asked_in=chats_of(context),
        )
        return new_job, notes
