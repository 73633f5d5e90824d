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

from bot.commands.reading import NO_LORA
from bot.commands.render import size_text
from bot.commands.text import ComposedPrompt, compose_prompt, normalize
from bot.commands.values import Draw, LoraWish, PixelSize, Ratio, Repeat, Reroll, Size
from bot.desk.loras.consent import ConsentLedger
from bot.desk.loras.defaults import LoraDefaults
from bot.desk.loras.habits import LoraHabits
from bot.desk.loras.shelf import LoraShelf, Rule, for_everybody
from bot.desk.loras.stacks import NO_STACK, Chosen, Stack, build_stack, repeat_stack
from bot.desk.people.access import JobAccess
from bot.desk.people.ledger import Ledger
from bot.desk.queue import JobQueue
from bot.errors import (
    Closing,
    EmptyPrompt,
    NoDiskSpace,
    NoPrivateChat,
    PromptTooLong,
    ShapeNotAllowed,
    SizeNotAllowed,
    TooManyWaiting,
)
from bot.monitoring.figures import JOBS_ACCEPTED
from bot.outcomes import (
    Address,
    CommandContext,
    DefaultMissing,
    Note,
    Platform,
    Receipt,
    Recipe,
    SizeChanged,
    UnknownWords,
)
from bot.policy.rules import Rules, chats_of, price
from bot.store import Store
from bot.store.rows import JobRow, NewJob
from engine.checkpoint.model import ModelInfo
from engine.checkpoint.prompt_tokens import PromptLength
from engine.demo.vocabulary import read_prompt

log = structlog.get_logger("bot.desk")

SAME_SHAPE = 1.05  # nobody sees a picture that is so many times wider than requested
NEAR_SHAPE = 1.25  # drawn, with a note; shapes further away are refused
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: without i, l, o and u, which are misread


def new_job_id(now_ms: int, random: Random) -> str:
    """Return 16 characters that sort by time: nine of milliseconds (until the year 3084), seven random."""
    number = now_ms << 35 | random.getrandbits(35)
    return "".join(_DIGITS[number >> shift & 31] for shift in range(75, -1, -5))


class Recipes:
    """Writes recipes for this shelf and model.

    Args:
        measure: Counts the tokens of a prompt; None if only the worker can.
    """

    def __init__(
        self,
        *,
        shelf: LoraShelf,
        model: ModelInfo,
        random: Random,
        measure: Callable[[str], PromptLength] | None = None,
    ) -> None:
        self._shelf = shelf
        self._model = model
        self._random = random
        self._measure = measure

    def write(
        self, draw: Draw, default: LoraWish | None, may_use: Rule = for_everybody
    ) -> tuple[Recipe, tuple[Note, ...]]:
        """Return the recipe of ``draw``, with ``default`` if it names no LoRA, and notes about differences.

        Raises:
            NotUnderstood: EmptyPrompt, PromptTooLong, TooManyLoras, StackTooStrong, StepsDiffer.
            NotPossible: UnknownLora, StepsNotPossible, SizeNotAllowed, ShapeNotAllowed.
        """
        wishes = draw.loras or ((default,) if default else ())
        if wishes and not wishes[0].name:  # a weight without a name is for the default, if there is one
            wishes = (replace(default, weight=wishes[0].weight),) if default else ()
        if any(normalize(wish.name) == NO_LORA for wish in wishes):
            wishes = ()
        stack = NO_STACK
        if wishes:
            chosen = self._choose(wishes, may_use)
            stack = build_stack(chosen, self._shelf.find, model_steps=self._model.steps)
        prompt = compose_prompt(draw.prompt.strip(), draw.face, stack.triggers)
        if not prompt.final:
            raise EmptyPrompt
        return self._complete(prompt, stack, draw.size, seed=draw.seed, count=draw.count)

    def rewrite(
        self, job: JobRow, may_use: Rule = for_everybody, *, seed: int | None = None
    ) -> tuple[Recipe, tuple[Note, ...]]:
        """Return the job's recipe with this or a new seed and the present file of each LoRA, and notes.

        Raises:
            NotUnderstood: PromptTooLong; the model reads less than the one of the first time.
            NotPossible: The shelf or the model has changed: UnknownLora, SizeNotAllowed.
        """
        old = job.recipe
        chosen = self._choose(tuple(LoraWish(lora.name, lora.weight) for lora in old.loras), may_use)
        files = [file for file, _ in chosen]
        stack = repeat_stack(files, old.loras, model_steps=self._model.steps)
        size = PixelSize(old.width_px, old.height_px)
        prompt = ComposedPrompt(old.prompt, old.typed, old.triggers)
        return self._complete(prompt, stack, size, seed=seed, count=old.count)

    def find_notes(self, typed: str) -> tuple[Note, ...]:
        """Return what the built-in model does not know of what was typed; nothing for another model."""
        if not self._model.is_built_in:
            return ()
        reading = read_prompt(typed)
        words = (UnknownWords(reading.words, reading.is_blank),) if reading.words else ()
        return (*reading.features, *words)

    def _complete(
        self,
        prompt: ComposedPrompt,
        stack: Stack,
        size: Size | None,
        *,
        seed: int | None,
        count: int,
    ) -> tuple[Recipe, tuple[Note, ...]]:
        final = prompt.final
        if self._measure is not None and (length := self._measure(final)).tokens > length.limit:
            raise PromptTooLong(tokens=length.tokens, limit=length.limit, excess=length.excess_chars)
        (width_px, height_px), changes = self._fit(size)
        seed = self._random.getrandbits(32) if seed is None else seed
        recipe = Recipe(
            prompt=final,
            loras=stack.loras,
            width_px=width_px,
            height_px=height_px,
            seed=seed,
            count=count,
            steps=stack.steps or self._model.steps,
            typed=prompt.typed,
            triggers=prompt.triggers,
        )
        return recipe, (*stack.notes, *changes, *self.find_notes(prompt.typed))

    def _choose(self, wishes: tuple[LoraWish, ...], may_use: Rule) -> list[Chosen]:
        """Return the files of the LoRAs that a person named. Of two weights the last counts."""
        chosen: dict[str, Chosen] = {}
        for wish in wishes:
            if (found := self._shelf.find_wish(wish, may_use)) is None:
                raise self._shelf.unknown(wish.name, may_use)
            chosen[found[0].name] = found
        return list(chosen.values())

    def _fit(self, size: Size | None) -> tuple[tuple[int, int], tuple[Note, ...]]:
        """Return the size to draw, and a note if it differs from the requested one.

        Raises:
            SizeNotAllowed, ShapeNotAllowed: The model draws no similar size.
        """
        match size:
            case None:
                return (self._model.native_width_px, self._model.native_height_px), ()
            case Ratio(width, height):
                fitted = self._model.fit(width, height)
                times = math.exp(abs(math.log(fitted[0] / fitted[1] / (width / height))))
                if times > NEAR_SHAPE:
                    raise ShapeNotAllowed(shape=size_text(size), nearest=(fitted,))
                return fitted, (SizeChanged(size_text(size), *fitted),) if times > SAME_SHAPE else ()
            case PixelSize(width_px, height_px):
                if self._model.allows(width_px, height_px):
                    return (width_px, height_px), ()
                nearest = self._model.nearest(width_px, height_px)
                for near in nearest:
                    if max(abs(near[0] - width_px), abs(near[1] - height_px)) < self._model.multiple_px:
                        return near, (SizeChanged(size_text(size), *near),)
                raise SizeNotAllowed(width_px=width_px, height_px=height_px, nearest=nearest)


class JobAcceptance:
    """Accepts ``Draw``, ``Reroll`` and ``Repeat``.

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
        access: JobAccess,
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
        self._access = access
        self._queue = queue
        self._rules = rules
        self._clock = clock
        self._random = random
        self._is_closing = False

    def close(self) -> None:
        """Accept no new job from now on."""
        self._is_closing = True

    async def accept(
        self, command: Draw | Reroll | Repeat, context: CommandContext, available_bytes: int
    ) -> Receipt:
        """Store and charge a job if its pictures fit into ``available_bytes``, and return its receipt.

        The receipt has no position yet: the queue knows the job only after the commit.

        Raises:
            PersonError: Refused; nothing is charged or stored. What continues from a job also
                raises NoSuchJob, or NotYours (that job is private, or of another chat).
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
        self, command: Draw | Reroll | Repeat, context: CommandContext, person: int
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
            earlier = await self._access.require_visible(command.job_id, context)
            seed = earlier.recipe.seed if isinstance(command, Repeat) else None
            recipe, notes = self._recipes.rewrite(earlier, may_use, seed=seed)
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
