"""Take a job on: origin, job, charge and ledger in one transaction, and only then the receipt.

The same message twice, even at the same moment or after a crash, makes one job and two equal receipts.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random

import structlog

from bot.commands.values import Draw, Reroll
from bot.desk.files import require_space
from bot.desk.history import is_open_here
from bot.desk.loras import LoraDefaults
from bot.desk.people.ledger import Ledger
from bot.desk.queue import JobQueue
from bot.desk.recipes import Recipes, recipe_of_job
from bot.errors import Closing, NoPrivateChat, NoSuchJob, NotYours, TooManyWaiting
from bot.outcomes import Address, CommandContext, Note, Platform, Receipt, Recipe
from bot.policy.price import price
from bot.policy.rights import is_host
from bot.policy.rules import Rules
from bot.store import Store
from bot.store.rows import JobRow, NewJob

log = structlog.get_logger("bot.desk")

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread

Wanted = tuple[Recipe, tuple[Note, ...], bool]  # and whether only the person sees it


def new_job_id(now_ms: int, random: Random) -> str:
    """Sixteen characters that sort by time: nine of milliseconds (good to the year 3084), seven of chance."""
    number = now_ms << 35 | random.getrandbits(35)
    return "".join(_DIGITS[number >> shift & 31] for shift in range(75, -1, -5))


class JobAcceptance:
    """The way in."""

    def __init__(
        self,
        *,
        store: Store,
        ledger: Ledger,
        recipes: Recipes,
        defaults: LoraDefaults,
        line: JobQueue,
        rules: Rules,
        clock: Callable[[], int],
        random: Random,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._recipes = recipes
        self._defaults = defaults
        self._line = line
        self._rules = rules
        self._clock = clock
        self._random = random
        self._closing = False

    def close(self) -> None:
        """From now on take no new job."""
        self._closing = True

    async def draw(self, command: Draw, context: CommandContext, room_bytes: int) -> Receipt:
        """Accept new pictures for which the disk has ``room_bytes``; ``with_turn`` adds the queue position.

        Raises:
            PersonError: Refused; nothing was charged or stored.
        """

        async def wanted(person: int) -> Wanted:
            return *self._recipes.of_draw(command, await self._defaults.of(context)), command.private

        return await self._accept(context, wanted, room_bytes)

    async def reroll(self, command: Reroll, context: CommandContext, room_bytes: int) -> Receipt:
        """Accept an earlier job again, with a new seed, at this person's expense.

        Raises:
            PersonError: NoSuchJob, NotYours (it was private, or made elsewhere), or as ``draw``.
        """

        async def wanted(person: int) -> Wanted:
            job = await self._store.jobs.find(command.job_id)
            if job is None:
                raise NoSuchJob(job_id=command.job_id)
            if not (job.person == person or is_open_here(job, context) or is_host(context, self._rules)):
                raise NotYours(job_id=job.id)
            return *self._recipes.again(job), job.private

        return await self._accept(context, wanted, room_bytes)

    async def _accept(
        self, context: CommandContext, wanted: Callable[[int], Awaitable[Wanted]], room_bytes: int
    ) -> Receipt:
        jobs = self._store.jobs
        async with self._store.atomic():
            if earlier := await jobs.find_by_origin(context.platform, context.event_id):
                credits_left = (await self._store.people.account(earlier.person)).credits
                notes = self._recipes.word_notes(earlier.prompt)
                return self._receipt(earlier, credits_left, notes, repeated=True)
            if self._closing:
                raise Closing
            person = await self._store.people.find_or_create(
                context.platform, context.user_id, context.user_name, context.locale, self._clock()
            )
            recipe, notes, private = await wanted(person)
            address = _where_the_answer_goes(context, private)
            if await jobs.count_unfinished(person) >= self._rules.max_waiting:
                raise TooManyWaiting(limit=self._rules.max_waiting)
            require_space(recipe.width_px, recipe.height_px, recipe.count, room_bytes)
            job = await jobs.add(self._new_job(person, context, address, recipe, private), context.event_id)
            credits_left = await self._ledger.charge(job)
            self._store.after_commit(lambda: self._joins(job))
        return self._receipt(job, credits_left, notes, repeated=False)

    def with_turn(self, receipt: Receipt) -> Receipt:
        """The receipt with its job's turn, which the line knows only once the job is committed."""
        line, job_id = self._line, receipt.job_id
        return replace(
            receipt, position=line.position(job_id), wait=line.wait(job_id), is_loading=line.is_loading()
        )

    def _joins(self, job: JobRow) -> None:
        self._line.add(job)
        log.info(
            "job accepted",
            job_id=job.id,
            person=job.person,
            price=job.price,
            position=self._line.position(job.id),
        )

    def _new_job(
        self, person: int, context: CommandContext, address: Address, recipe: Recipe, private: bool
    ) -> NewJob:
        now_ms = self._clock()
        return NewJob(
            id=new_job_id(now_ms, self._random),
            person=person,
            platform=address.platform,
            chat_id=address.chat_id,
            ref=address.ref,
            locale=context.locale,
            private=private,
            prompt=recipe.prompt,
            loras=recipe.loras,
            width_px=recipe.width_px,
            height_px=recipe.height_px,
            seed=recipe.seed,
            count=recipe.count,
            steps=recipe.steps,
            price=price(recipe.width_px, recipe.height_px, recipe.count),
            created_ms=now_ms,
        )

    def _receipt(self, job: JobRow, credits_left: int, notes: tuple[Note, ...], *, repeated: bool) -> Receipt:
        return Receipt(
            job_id=job.id,
            recipe=recipe_of_job(job),
            price=job.price,
            credits_left=credits_left,
            position=0,
            repeated=repeated,
            address=Address(Platform(job.platform), job.chat_id, job.ref) if repeated else None,
            notes=notes,
        )


def _where_the_answer_goes(context: CommandContext, private: bool) -> Address:
    """The chat that asks; for private pictures that a group is asked for, the person's private chat.

    Raises:
        NoPrivateChat: The bot cannot write there.
    """
    if not (private and context.is_group):
        return context.address
    if context.private_address is None:
        raise NoPrivateChat
    return context.private_address
