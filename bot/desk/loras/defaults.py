"""The default LoRAs that hosts switch."""

from bot.commands.reading import NO_LORA, is_default
from bot.commands.text import normalize
from bot.commands.values import LoraSwitch, LoraWish, Scope
from bot.desk.loras.shelf import LoraShelf, Rule
from bot.outcomes import CommandContext, DefaultMissing, LoraSwitched
from bot.store import Store
from bot.store.rows import DefaultLora


class LoraDefaults:
    """The LoRA of a request that names none: the default of the chat, its parent, the bot, or the settings.

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

    async def find(self, context: CommandContext, may_use: Rule) -> LoraWish | DefaultMissing | None:
        """Return the default of this chat; None for none, also if it is not for this person to use."""
        address = context.address
        stored = await self._store.defaults.of(address.platform, address.chat_id, context.parent_chat_id)
        wish = LoraWish(stored.lora, stored.weight) if stored else LoraWish(self._from_settings)
        if not wish.name:
            return None
        # One that is being checked counts, so that its picture is refused rather than drawn without it.
        is_there = self._shelf.find(wish.name, may_use) or self._shelf.find_checking(wish.name, may_use)
        if is_there:
            return wish
        has_left = not (self._shelf.find(wish.name) or self._shelf.find_checking(wish.name))
        return DefaultMissing() if has_left else None

    async def of_chat(self, context: CommandContext, may_use: Rule) -> str:
        """Return the name of the chat's default as this person sees it; empty for none."""
        default = await self.find(context, may_use)
        return default.name if isinstance(default, LoraWish) else ""

    async def switch(self, command: LoraSwitch, context: CommandContext, may_use: Rule) -> LoraSwitched:
        """Change a default, in the transaction of the caller. Waiting jobs keep their LoRAs.

        Raises:
            UnknownLora: The shelf has no such LoRA, or not for this host; the default stays.
        """
        defaults, address = self._store.defaults, context.address
        is_bot, is_reset = command.scope is Scope.BOT, is_default(command.lora.name)
        if is_bot:  # from the store, because the first command of a run may come before ``load``
            stored = await defaults.of_bot()
            before = stored.lora if stored else self._from_settings
        else:
            before = await self.of_chat(context, may_use)
        default = None if is_reset else self.require(command.lora, may_use)
        match is_bot, default:
            case True, None:
                await defaults.reset_bot()
            case False, None:
                await defaults.reset_chat(address.platform, address.chat_id)
            case True, DefaultLora():
                await defaults.set_for_bot(default)
            case False, DefaultLora():
                await defaults.set_for_chat(address.platform, address.chat_id, default)
        if is_bot:
            name = self._from_settings if default is None else default.lora
            self._store.after_commit(lambda: self._set_of_bot(name))
        if default is None:
            of_settings = LoraWish(self._from_settings)
            found = of_settings if is_bot else await self.find(context, may_use)
            now = found if isinstance(found, LoraWish) else LoraWish("")
            weight = self._weight_of(now)
            return LoraSwitched(now.name, weight, command.scope, before=before, is_reset=True)
        return LoraSwitched(default.lora, default.weight, command.scope, before=before)

    def _set_of_bot(self, name: str) -> None:
        self.of_bot = name

    def _weight_of(self, wish: LoraWish) -> float:
        file = self._shelf.find(wish.name) if wish.name else None
        return wish.weight if wish.weight is not None else file.weight if file else 0.0

    def require(self, wish: LoraWish, may_use: Rule) -> DefaultLora:
        """Return the default that this wish sets.

        Raises:
            UnknownLora: The shelf has no such LoRA for this person.
        """
        if normalize(wish.name) == NO_LORA:
            return DefaultLora("", 0.0)
        if (found := self._shelf.find_wish(wish, may_use)) is None:
            raise self._shelf.unknown(wish.name, may_use)
        file, weight = found
        return DefaultLora(file.name, file.weight if weight is None else weight)
