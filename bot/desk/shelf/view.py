"""What people see of the shelf: its list, page by page, and one LoRA with its preview."""

import asyncio

import structlog

from bot.commands.values import LoraInfo, LoraList
from bot.desk.asking.requests import LoraDefaults
from bot.desk.loras.shelf import LoraShelf, Rule, summary_of
from bot.desk.shelf.listing import list_page
from bot.desk.shelf.lora_folder import LoraFolder
from bot.desk.shelf.preview import PreviewStrips
from bot.outcomes import CommandContext, LoraDetails, LoraFileFacts, LoraListing
from bot.policy.live import LiveRules
from bot.policy.rules import is_host
from engine.errors import EngineError
from engine.shelf import LoraFile

log = structlog.get_logger("bot.desk")

STRIP_S = 120.0  # three small pictures behind a person's job


class ShelfView:
    """Answers from memory, except for a preview that was never drawn."""

    def __init__(
        self,
        *,
        shelf: LoraShelf,
        defaults: LoraDefaults,
        files: LoraFolder,
        strips: PreviewStrips,
        rules: LiveRules,
    ) -> None:
        self._shelf = shelf
        self._defaults = defaults
        self._files = files
        self._strips = strips
        self._rules = rules

    async def list_page(self, command: LoraList, context: CommandContext, may_use: Rule) -> LoraListing:
        """Return one page of the shelf; hosts also see the refused files."""
        refused = self._files.shelf.rejected if is_host(context, self._rules.now) else ()
        default = await self._defaults.of_chat(context, may_use)
        return list_page(
            self._shelf, command, locale=context.locale, default=default, may_use=may_use, refused=refused
        )

    async def describe(self, command: LoraInfo, context: CommandContext, may_use: Rule) -> LoraDetails:
        """Return what is known of one LoRA; without the preview while it cannot be drawn.

        Raises:
            UnknownLora: The shelf has no such LoRA for this person.
        """
        file = self._shelf.find(command.name, may_use)
        if file is None:
            raise self._shelf.unknown(command.name, may_use)
        strip, sidecar = await self._strip_of(file), file.sidecar
        facts = LoraFileFacts(file.bytes, file.rank, file.sha256)
        return LoraDetails(
            lora=summary_of(file),
            kind=sidecar.kind,
            steps=sidecar.steps,
            helpers=tuple(helper.name for helper in sidecar.helpers),
            depicts_person=sidecar.depicts_person,
            is_default=await self._defaults.of_chat(context, may_use) == file.name,
            facts=facts if is_host(context, self._rules.now) else None,
            strip=strip,
        )

    async def _strip_of(self, file: LoraFile) -> bytes:
        """Return the preview of a LoRA; empty if it cannot be drawn soon."""
        try:
            async with asyncio.timeout(STRIP_S):
                return await self._strips.of(file)
        except (EngineError, TimeoutError, OSError) as error:
            log.warning("no preview", lora=file.name, error=type(error).__name__)
            return b""
