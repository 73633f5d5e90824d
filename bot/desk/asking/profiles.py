"""What hosts decide for a chat: its default LoRA, and what may be drawn there: LoRAs, largest size, language.

``ChatProfiles.require`` is asked once for every new job, whatever asked for it. ``rule`` applies the same to
lists, suggestions and defaults.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial

import structlog

from bot.commands.reading import NO_LORA, is_default
from bot.commands.text import normalize
from bot.commands.values import ChatProfile, EditProfile, LoraSwitch, LoraWish, PixelSize, Scope
from bot.desk.loras.consent import ConsentLedger
from bot.desk.loras.shelf import LoraShelf, Rule
from bot.errors import LoraNotHere, SizeOverLimit
from bot.outcomes import CommandContext, DefaultMissing, LoraSwitched, ProfileShown, Recipe
from bot.store import Store
from bot.store.asking import ChatProfileChange, ChatProfileRow
from bot.store.rows import DefaultLora
from engine.shelf import LoraFile

log = structlog.get_logger("bot.desk")

NO_PROFILE = ChatProfile()


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


class ChatProfiles:
    """The profiles of all chats; answered from memory.

    Attributes:
        is_loaded: What was stored before this start is known.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        shelf: LoraShelf,
        defaults: LoraDefaults,
        consents: ConsentLedger,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._defaults = defaults
        self._consents = consents
        self._clock = clock
        self.is_loaded = False
        self._profiles: dict[tuple[str, str], ChatProfile] = {}

    async def load(self) -> None:
        """Read everything; call it at the start, and when a chat has moved."""
        async with self._store.atomic():
            profiles = await self._read()
            self._store.after_commit(lambda: self._apply(profiles))

    async def require_loaded(self) -> None:
        """Return when everything was read: the first request of a run may come before ``load``."""
        if not self.is_loaded:
            self._apply(await self._read())

    async def _read(self) -> dict[tuple[str, str], ChatProfile]:
        rows = await self._store.profiles.all()
        return {(row.platform, row.chat_id): _profile_of(row) for row in rows}

    def _apply(self, profiles: dict[tuple[str, str], ChatProfile]) -> None:
        self._profiles, self.is_loaded = profiles, True

    def of(self, context: CommandContext) -> ChatProfile:
        """Return what may be drawn in this chat; if it has no profile of its own, what may in its parent."""
        platform, parent = context.address.platform, context.parent_chat_id
        own = self._profiles.get((platform, context.address.chat_id), NO_PROFILE)
        return self._profiles.get((platform, parent), own) if parent and own == NO_PROFILE else own

    def rule(self, context: CommandContext) -> Rule:
        """Return which LoRAs this person may use in this chat: its own, and the helpers of those."""
        profile, consent = self.of(context), partial(self._consents.may_use, context)
        return self._rule_of(profile, consent) if profile.loras else consent

    def require(self, recipe: Recipe, context: CommandContext) -> None:
        """Return when these pictures may be drawn in this chat.

        Raises:
            NotAllowed: LoraNotHere, SizeOverLimit.
        """
        profile = self.of(context)
        allowed = self._with_helpers(profile)
        cells = recipe.sheet.cells if recipe.sheet else ()
        for lora in (*recipe.loras, *(lora for cell in cells for lora in cell.loras)):
            if allowed and normalize(lora.name) not in allowed:
                raise LoraNotHere(name=lora.name)
        limit, size = profile.limit, recipe.sheet or recipe
        if limit is not None and size.width_px * size.height_px > limit.width_px * limit.height_px:
            facts = {"width_px": size.width_px, "height_px": size.height_px}
            raise SizeOverLimit(**facts, limit=(limit.width_px, limit.height_px))

    async def edit(self, command: EditProfile, context: CommandContext) -> ProfileShown:
        """Change and show the profile of this chat, and record the change; its parent's stays.

        Raises:
            UnknownLora: The shelf has no such LoRA for this person; nothing is changed.
        """
        await self.require_loaded()
        consent = partial(self._consents.may_use, context)
        before, own = self.of(context), self.of(replace(context, parent_chat_id=""))
        platform, parent = context.address.platform, context.parent_chat_id
        usual = self._profiles.get((platform, parent), NO_PROFILE) if parent else NO_PROFILE
        changed = replace(before, **{name: getattr(usual, name) for name in command.reset})
        if command.loras is not None:
            changed = replace(changed, loras=tuple(self._name_of(name, consent) for name in command.loras))
        if command.limit is not None:
            changed = replace(changed, limit=command.limit)
        if command.language is not None:
            changed = replace(changed, language=command.language)
        kept = changed if changed != usual else NO_PROFILE  # what equals the parent's follows it
        if kept != own and command != EditProfile():
            await self._save(before, kept, context)
        found = await self._defaults.find(context, self._rule_of(changed, consent))
        default = found.name if isinstance(found, LoraWish) else ""
        return ProfileShown(changed, default, is_changed=changed != before)

    async def move_chat(self, platform: str, earlier: str, now: str) -> None:
        """Move the profile of a chat to its new id, in the transaction of the caller."""
        await self._store.profiles.move_chat(platform, earlier, now)
        await self.load()

    async def _save(self, before: ChatProfile, after: ChatProfile, context: CommandContext) -> None:
        platform, chat_id = str(context.address.platform), context.address.chat_id
        limit = after.limit
        row = ChatProfileRow(
            platform,
            chat_id,
            after.loras,
            limit.width_px if limit else None,
            limit.height_px if limit else None,
            after.language,
        )
        await self._store.profiles.save(row)
        change = ChatProfileChange(
            self._clock(), platform, context.user_id, chat_id, _text_of(before), _text_of(after)
        )
        await self._store.profiles.record(change)

        def keep() -> None:
            self._profiles[platform, chat_id] = after

        self._store.after_commit(keep)
        log.info("chat profile changed", platform=platform, chat_id=chat_id)

    def _name_of(self, typed: str, consent: Rule) -> str:
        found = self._shelf.find_wish(LoraWish(typed), consent)
        if found is None:
            raise self._shelf.unknown(typed, consent)
        return found[0].name

    def _rule_of(self, profile: ChatProfile, consent: Rule) -> Rule:
        allowed = self._with_helpers(profile)

        def may_use(file: LoraFile) -> bool:
            return (not allowed or normalize(file.name) in allowed) and consent(file)

        return may_use

    def _with_helpers(self, profile: ChatProfile) -> frozenset[str]:
        """Return the names, as compared, of a profile's LoRAs and of their helpers; empty for all."""
        names = {normalize(name) for name in profile.loras}
        files = [file for name in profile.loras if (file := self._shelf.find(name)) is not None]
        return frozenset(names | {normalize(each.name) for file in files for each in file.sidecar.helpers})


def _profile_of(row: ChatProfileRow) -> ChatProfile:
    size = None if row.width_px is None or row.height_px is None else PixelSize(row.width_px, row.height_px)
    return ChatProfile(row.loras, size, row.language)


def _text_of(profile: ChatProfile) -> str:
    return json.dumps(asdict(profile), ensure_ascii=False)
