"""The default LoRAs that hosts switch."""

from bot.commands.reading import NO_LORA
from bot.commands.text import normalize
from bot.commands.values import LoraSwitch, LoraWish, Scope
from bot.desk.loras.shelf import LoraShelf, Rule
from bot.outcomes import CommandContext, LoraListing, LoraSwitched
from bot.store import Store
from bot.store.rows import DefaultLora


class LoraDefaults:
    """The LoRA of a request that names none: the chat's default, else the bot's, else that of the settings.

    Attributes:
        of_bot: The default of chats without their own; empty for none. Valid once ``load`` has returned.
    """

    def __init__(self, *, store: Store, shelf: LoraShelf, from_settings: str) -> None:
        self._store = store
        self._shelf = shelf
        self._from_settings = "" if normalize(from_settings) == NO_LORA else from_settings
        self.of_bot = self._from_settings

    async def load(self) -> None:
        """Load the default that hosts switched before this start."""
        if stored := await self._store.defaults.of_bot():
            self.of_bot = stored.lora

    async def find(self, context: CommandContext, may_use: Rule) -> LoraWish | None:
        """Return the default of this chat; None for none, also if it is not for this person to use."""
        address = context.address
        stored = await self._store.defaults.of(address.platform, address.chat_id)
        wish = LoraWish(stored.lora, stored.weight) if stored else LoraWish(self._from_settings)
        return wish if wish.name and self._shelf.find(wish.name, may_use) else None

    async def show(self, context: CommandContext, may_use: Rule) -> LoraListing:
        """Return what this person may use of the shelf, with the default of this chat."""
        default = await self.find(context, may_use)
        return LoraListing(loras=self._shelf.summaries(may_use), default=default.name if default else "")

    async def switch(self, command: LoraSwitch, context: CommandContext, may_use: Rule) -> LoraSwitched:
        """Change a default. Waiting jobs keep the LoRA they were accepted with.

        Raises:
            UnknownLora: The shelf has no such LoRA, or not for this host; the default stays.
        """
        default = self._require(command.lora, may_use)
        if command.scope is Scope.BOT:
            async with self._store.atomic():
                await self._store.defaults.set_for_bot(default)
                self._store.after_commit(lambda: self._set_of_bot(default.lora))
        else:
            await self._store.defaults.set_for_chat(
                context.address.platform, context.address.chat_id, default
            )
        return LoraSwitched(lora=default.lora, weight=default.weight, scope=command.scope)

    def _set_of_bot(self, name: str) -> None:
        self.of_bot = name

    def _require(self, wish: LoraWish, may_use: Rule) -> DefaultLora:
        if normalize(wish.name) == NO_LORA:
            return DefaultLora("", 0.0)
        if (file := self._shelf.find(wish.name, may_use)) is None:
            raise self._shelf.unknown(wish.name, may_use)
        return DefaultLora(file.name, file.weight if wish.weight is None else wish.weight)
