"""Draws recipes: from a code to the pictures that a job is to have, under the rules of whoever draws."""

from functools import partial

from bot.commands.values import DrawRecipe
from bot.desk.asking.recipes import Recipes
from bot.desk.asking.remembered import Preferences
from bot.desk.asking.requests import AskedPictures
from bot.desk.finding.recipes import KeptSettings, RecipeBook
from bot.desk.loras.consent import ConsentLedger
from bot.errors import RecipeLoraGone, StartGone
from bot.outcomes import CommandContext


class RecipeDrawings:
    """Reads the requests that name a recipe; for a job, in its transaction."""

    def __init__(
        self, *, book: RecipeBook, recipes: Recipes, consents: ConsentLedger, preferences: Preferences
    ) -> None:
        self._book = book
        self._recipes = recipes
        self._consents = consents
        self._preferences = preferences

    async def read(self, command: DrawRecipe, context: CommandContext, *, has_start: bool) -> AskedPictures:
        """Return the pictures of a recipe: those of a job exactly, with the same files and seed.

        What was drawn in private or hidden is not shown to others by its code; else the command says whether
        it is, and where it does not, the settings of whoever draws.

        Raises:
            PersonError: UnknownRecipe, RecipeLoraGone, StartGone; as ``Recipes.repeat`` and
                ``Recipes.write``.
        """
        if not self._preferences.is_loaded:
            await self._preferences.require_loaded()
        always = self._preferences.settings_of(context).options
        private = bool(always.private if command.private is None else command.private)
        spoiler = bool(always.spoiler if command.spoiler is None else command.spoiler)
        may_use = partial(self._consents.may_use, context)
        found = await self._book.find(command.code)
        loras = found.loras if isinstance(found, KeptSettings) else found.recipe.loras
        if gone := self._book.gone(loras, may_use):
            raise RecipeLoraGone(names=gone, code=command.code)
        if isinstance(found, KeptSettings):
            recipe, notes = self._recipes.write(found.to_draw(by_hash=True), None, may_use)
            return AskedPictures(recipe, notes, private, spoiler)
        if (start := found.recipe.start) is not None and not has_start:
            raise StartGone(job_id=start.job_id, number=start.index + 1)
        recipe, notes = self._recipes.repeat(found.recipe, may_use)
        return AskedPictures(recipe, notes, found.private or private, found.spoiler or spoiler)
