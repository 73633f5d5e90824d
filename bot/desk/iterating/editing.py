"""The text that asks for a job again, so that a person changes it instead of typing all of it."""

from bot.commands.reading import NO_LORA
from bot.commands.render import render
from bot.commands.text import normalize
from bot.commands.values import Draw, Edit, LoraWish, PixelSize
from bot.desk.loras.shelf import LoraShelf
from bot.desk.people.access import JobAccess
from bot.errors import ChooseFromSheet
from bot.outcomes import CommandContext, EditableText
from bot.store.rows import JobRow


class JobEditing:
    """Answers ``Edit``."""

    def __init__(self, *, access: JobAccess, shelf: LoraShelf) -> None:
        self._access = access
        self._shelf = shelf

    async def edit(self, command: Edit, context: CommandContext) -> EditableText:
        """Return the text of a job that everybody who reads the answer may see.

        Raises:
            PersonError: NoSuchJob, NotYours, NotInPublic, ChooseFromSheet.
        """
        job = await self._find(command.job_id, context, "edit")
        return EditableText(job.id, render(self.draw_of(job)), job.private)

    async def find(self, job_id: str, context: CommandContext) -> JobRow:
        """Return a job that everybody who reads the answer may see; raises as ``edit``."""
        return await self._find(job_id, context, "preset")

    async def _find(self, job_id: str, context: CommandContext, command: str) -> JobRow:
        job = await self._access.require_shown(job_id, context, command)
        if job.recipe.sheet:
            raise ChooseFromSheet(job_id=job.id)
        return job

    def draw_of(self, job: JobRow) -> Draw:
        """Return the drawing that leads to the job's recipe.

        Trigger words and helpers are left out, because the desk adds them; a recipe without LoRAs says so,
        because the chat may have a default.
        """
        recipe = job.recipe
        known = {lora.name: self._shelf.find(lora.name) for lora in recipe.loras}
        helpers = {
            normalize(helper.name)
            for file in known.values()
            if file is not None
            for helper in file.sidecar.helpers
        }
        chosen = [lora for lora in recipe.loras if normalize(lora.name) not in helpers]
        return Draw(
            prompt=recipe.typed,
            loras=tuple(LoraWish(lora.name, lora.weight) for lora in chosen) or (LoraWish(NO_LORA),),
            size=PixelSize(recipe.width_px, recipe.height_px),
            seed=recipe.seed,
            count=recipe.count,
            private=job.private or None,
            spoiler=job.spoiler or None,
        )
