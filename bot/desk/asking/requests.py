"""What a person asks for: its recipe, who sees the pictures, and whether it was asked for a moment ago.

The LoRA of a request that names none is the default of its chat.
"""

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from hashlib import sha256

from bot.commands.prompts.advice import PATTERNS, AdviceKind
from bot.commands.prompts.face import with_surprises
from bot.commands.reading import NO_LORA, is_default
from bot.commands.text import is_east_asian, normalize
from bot.commands.values import Compare, Draft, Draw, LoraSwitch, LoraWish, Scope
from bot.desk.asking.recipes import Recipes
from bot.desk.asking.remembered import ChatProfiles, Preferences
from bot.desk.loras.shelf import LoraShelf, Rule
from bot.desk.sheets.writing import Sheets
from bot.errors import AlreadyAsked
from bot.outcomes import (
    Address,
    Advice,
    CommandContext,
    DefaultMissing,
    DefaultSkipped,
    FacesMixed,
    FromDefaults,
    LoraSwitched,
    Note,
    Platform,
    Recipe,
    SizeLimited,
)
from bot.store import Store
from bot.store.rows import DefaultLora

SAME_WITHIN_MS = 60_000  # as long as people wonder whether their message has arrived


@dataclass(frozen=True, slots=True)
class AskedPictures:
    """The pictures that a job is to have.

    Attributes:
        request: Hash of what was asked for, and where; empty if the same again is meant.
    """

    recipe: Recipe
    notes: tuple[Note, ...]
    private: bool
    spoiler: bool
    request: str = ""


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
        is_bot, is_reset = command.scope is Scope.BOT, is_default(command.lora.name)
        if is_bot:  # from the store, because the first command of a run may come before ``load``
            stored = await self._store.defaults.of_bot()
            before = stored.lora if stored else self._from_settings
        else:
            before = await self.of_chat(context, may_use)
        default = None if is_reset else self.require(command.lora, may_use)
        await self._save(default, None if is_bot else context.address)
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

    async def _save(self, default: DefaultLora | None, chat: Address | None) -> None:
        """Store or delete the default of a chat; without a chat, that of the bot."""
        match chat, default:
            case None, None:
                await self._store.defaults.reset_bot()
            case None, DefaultLora():
                await self._store.defaults.set_for_bot(default)
            case Address(platform, chat_id), None:
                await self._store.defaults.reset_chat(platform, chat_id)
            case Address(platform, chat_id), DefaultLora():
                await self._store.defaults.set_for_chat(platform, chat_id, default)

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


class DrawRequests:
    """Reads requests; call it in the transaction of the job."""

    def __init__(
        self,
        *,
        store: Store,
        recipes: Recipes,
        sheets: Sheets,
        defaults: LoraDefaults,
        profiles: ChatProfiles,
        preferences: Preferences,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._recipes = recipes
        self._sheets = sheets
        self._defaults = defaults
        self._profiles = profiles
        self._preferences = preferences
        self._clock = clock

    async def read(
        self, command: Draw | Compare | Draft, context: CommandContext, person: int
    ) -> AskedPictures:
        """Return the pictures that the person asks for.

        Raises:
            PersonError: As ``Recipes.write``; AlreadyAsked.
        """
        if not self._preferences.is_loaded:
            await self._preferences.require_loaded()
        may_use = self._profiles.rule(context)
        found = await self._defaults.find(context, may_use)
        default = found if isinstance(found, LoraWish) else None
        request = await self._require_new(command, context, person, default)
        asked = command if isinstance(command, Draw) else command.draw
        draw, own = asked, tuple[Note, ...]()
        if asked.preset or self._preferences.settings_of(context).options != Draw():
            draw, from_defaults = self._preferences.complete(asked, context)
            if from_defaults is not None:
                draw, own = self._without_missing_lora(asked, draw, from_defaults, may_use)
        if draw.surprise:
            draw = _with_face(draw, context.locale)
        limit = self._profiles.of(context).limit
        if limit is not None and (smaller := self._recipes.within(draw.size, limit)) is not None:
            draw = replace(draw, size=smaller)
            own = (*own, SizeLimited(smaller.width_px, smaller.height_px))
        if isinstance(command, Draw):
            recipe, notes = self._recipes.write(draw, default, may_use)
        else:
            recipe, notes = self._sheets.write(command.with_draw(draw), default, may_use)
        if isinstance(found, DefaultMissing) and not (draw.loras and draw.loras[0].name):
            notes = (found, *notes)
        notes = (*own, *notes)
        kinds = [kind for kind, pattern in PATTERNS.items() if pattern.search(recipe.typed)]
        if draw.negative:
            kinds = [AdviceKind.NEGATIVE, *kinds]
        if FacesMixed in map(type, notes):
            kinds = [*kinds, AdviceKind.FACES]
        if kinds:
            notes = await self._with_advice(notes, kinds, context, person)
        return AskedPictures(recipe, notes, bool(draw.private), bool(draw.spoiler), request)

    def _without_missing_lora(
        self, command: Draw, completed: Draw, note: FromDefaults, may_use: Rule
    ) -> tuple[Draw, tuple[Note, ...]]:
        """Leave out a LoRA that the person always wants and cannot use here; return what to note."""
        missing = self._recipes.find_missing(completed.loras, may_use) if "lora" in note.settings else ""
        if not missing:
            return completed, (note,)
        settings = tuple(name for name in note.settings if name != "lora")
        rest = (replace(note, settings=settings),) if settings or note.preset else ()
        return replace(completed, loras=command.loras), (*rest, DefaultSkipped(missing))

    async def _with_advice(
        self, notes: tuple[Note, ...], kinds: Sequence[AdviceKind], context: CommandContext, person: int
    ) -> tuple[Note, ...]:
        """Add the advice that the person has not read before, unless they want no advice."""
        new = set()
        if self._preferences.settings_of(context).advice:
            now_ms, give = self._clock(), self._store.asking.give_advice
            new = {kind for kind in kinds if await give(person, kind, now_ms)}
        kept = (note for note in notes if not isinstance(note, FacesMixed) or AdviceKind.FACES in new)
        return (*kept, *(Advice(kind) for kind in kinds if kind in new and kind is not AdviceKind.FACES))

    async def _require_new(
        self, command: Draw | Compare | Draft, context: CommandContext, person: int, default: LoraWish | None
    ) -> str:
        """Return what identifies the request, if the person did not ask for the same here a moment ago.

        It is empty if the person means the same again. Whoever names a seed wants exactly that picture. With
        another default the same words mean another picture. A message to the terminal waits for its pictures,
        so a second one is no impatience.

        Raises:
            AlreadyAsked: The pictures are on their way, or just arrived.
        """
        draw = command if isinstance(command, Draw) else command.draw
        if draw.again or draw.seed is not None or context.platform is Platform.CONSOLE:
            return ""
        place = f"{context.address.platform}:{context.address.chat_id}"
        asked = replace(command, edited_from="") if isinstance(command, Draw) else command
        words = f"{type(command).__name__} {astuple(asked)} {draw.size}"
        request = sha256(f"{place} {default} {words}".encode()).hexdigest()[:32]
        if command.dry:
            return request
        now_ms = self._clock()
        same = await self._store.jobs.find_same(person, request, now_ms - SAME_WITHIN_MS, now_ms)
        if same is not None:
            raise AlreadyAsked(job_id=same.id, seconds=max(1, (now_ms - same.created_ms) // 1_000))
        return request


def _with_face(command: Draw, locale: str) -> Draw:
    """Return the command with a wildcard in each empty slot, in the language of its prompt."""
    if command.prompt:
        locale = "zh-CN" if is_east_asian(command.prompt) else "en"
    return replace(command, face=with_surprises(command.face, locale))
