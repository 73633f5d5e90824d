"""Recipes by their codes: whose settings a code means, as text, and whether they can still be drawn.

A code shows the settings of its job to whoever has it: passing it on is the person's own act. It shows no
picture. Drawing goes through ``JobAcceptance``, under the rules of the chat and the person who draws.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

from pydantic import TypeAdapter

from bot.commands.finding.codes import new_recipe_code
from bot.commands.prompts.alternatives import escape
from bot.commands.reading import NO_LORA
from bot.commands.render import render
from bot.commands.values import Draw, LoraWish, PixelSize, ShowRecipe
from bot.desk.iterating.editing import JobEditing
from bot.desk.loras.consent import ConsentLedger
from bot.desk.loras.shelf import HASH_MARK, LoraShelf, Rule
from bot.desk.people.access import JobAccess
from bot.errors import ChooseFromSheet, UnknownRecipe
from bot.outcomes import CommandContext, RecipeShown
from bot.store import Store
from bot.store.rows import JobRow
from engine.request import LoraChoice


@dataclass(frozen=True, slots=True)
class KeptSettings:
    """Settings that were read from a file, with the files of the shelf that its LoRAs are."""

    prompt: str = field(repr=False)
    loras: tuple[LoraChoice, ...] = ()
    size_px: tuple[int, int] | None = None
    seed: int | None = None

    def to_draw(self, *, by_hash: bool) -> Draw:
        """Return the drawing of these settings; its LoRAs named for people, or by their exact files."""
        wishes = tuple(
            LoraWish(f"{HASH_MARK}{lora.sha256}" if by_hash else lora.name, lora.weight)
            for lora in self.loras
        )
        size = PixelSize(*self.size_px) if self.size_px else None
        return Draw(
            prompt=escape(self.prompt), loras=wishes or (LoraWish(NO_LORA),), size=size, seed=self.seed
        )


_KEPT = TypeAdapter(KeptSettings)


class RecipeBook:
    """Finds and shows recipes by code, and keeps settings under a code.

    Args:
        clock: UTC milliseconds.
        random: Makes codes; a SystemRandom.
    """

    def __init__(
        self,
        *,
        store: Store,
        access: JobAccess,
        editing: JobEditing,
        shelf: LoraShelf,
        consents: ConsentLedger,
        clock: Callable[[], int],
        random: Random,
    ) -> None:
        self._store = store
        self._access = access
        self._editing = editing
        self._shelf = shelf
        self._consents = consents
        self._clock = clock
        self._random = random

    async def find(self, code: str) -> JobRow | KeptSettings:
        """Return what a code means.

        Raises:
            UnknownRecipe: Nothing.
        """
        if (job := await self._store.finding.job_of_code(code)) is not None:
            return job
        settings = await self._store.finding.settings_of_code(code)
        if settings is None:
            raise UnknownRecipe(code=code)
        return _KEPT.validate_json(settings)

    async def show(self, command: ShowRecipe, context: CommandContext) -> RecipeShown:
        """Return the recipe of a code, or of a job that everybody who reads the answer may see.

        Raises:
            PersonError: UnknownRecipe; of a job NoSuchJob, NotYours, NotInPublic, ChooseFromSheet.
        """
        may_use = partial(self._consents.may_use, context)
        if command.code:
            found = await self.find(command.code)
        else:
            found = await self._access.require_shown(command.job_id, context, "recipe")
            if found.recipe.sheet:
                raise ChooseFromSheet(job_id=found.id)
        if isinstance(found, KeptSettings):
            text, loras = render(found.to_draw(by_hash=False)), found.loras
            return RecipeShown(command.code, text, self.gone(loras, may_use))
        job = await self.with_code(found)
        text = render(replace(self._editing.draw_of(job), private=None, spoiler=None))
        return RecipeShown(job.recipe.code, text, self.gone(job.recipe.loras, may_use))

    async def with_code(self, job: JobRow) -> JobRow:
        """Return the job with its code; one without gets it now, and a sheet has none."""
        if job.recipe.code or job.recipe.sheet:
            return job
        code = new_recipe_code(self._random)
        if not await self._store.finding.give_code(job.id, code):
            return await self._store.jobs.find(job.id) or job
        return replace(job, recipe=replace(job.recipe, code=code))

    async def keep(self, settings: KeptSettings) -> str:
        """Keep settings and return their code."""
        text = _KEPT.dump_json(settings).decode()
        return await self._store.finding.add_settings(new_recipe_code(self._random), text, self._clock())

    def gone(self, loras: Sequence[LoraChoice], may_use: Rule) -> tuple[str, ...]:
        """Return the names of those of these LoRAs whose exact file this person cannot use any more."""
        return tuple(
            lora.name for lora in loras if self._shelf.find(f"{HASH_MARK}{lora.sha256}", may_use) is None
        )
