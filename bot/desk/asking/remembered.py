"""What people always want, and what hosts decided for their chats; answered from memory.

Chats may ask at once. ``ChatProfiles.require`` is asked once for every new job, whatever asked for it;
``rule`` applies the same to lists, suggestions and defaults. ``editing`` changes all of it.
"""

from collections import defaultdict
from dataclasses import astuple, replace
from functools import partial

import structlog

from bot.commands.flags import nearest, scan
from bot.commands.makers.drawing import read_options
from bot.commands.text import join_parts, normalize
from bot.commands.values import ChatProfile, Draw, Face, PersonSettings, PixelSize
from bot.desk.loras.consent import ConsentLedger
from bot.desk.loras.shelf import LoraShelf, Rule
from bot.errors import LoraNotHere, PersonError, SizeOverLimit, UnknownPreset
from bot.outcomes import CommandContext, FromDefaults, Recipe, SavedPreset
from bot.store import Store
from bot.store.asking import ChatProfileRow, PersonSettingsRow, PresetRow
from engine.shelf import LoraFile

log = structlog.get_logger("bot.desk")

NO_PROFILE = ChatProfile()
_NO_OPTIONS = Draw()
USUAL = PersonSettings()

_OfPeople = tuple[dict[int, PersonSettings], defaultdict[int, dict[str, SavedPreset]], dict[str, int]]


class Preferences:
    """The settings and presets of all people.

    Attributes:
        is_loaded: What was stored before this start is known.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.is_loaded = False
        self._person_of: dict[str, int] = {}
        self._settings: dict[int, PersonSettings] = {}
        self._presets: defaultdict[int, dict[str, SavedPreset]] = defaultdict(dict)

    async def load(self) -> None:
        """Read everything; call it at the start."""
        async with self._store.atomic():
            found = await self._read()
            self._store.after_commit(lambda: self._apply(found))

    async def follow_identity(self, context: CommandContext) -> None:
        """Read the two people again between whom this identity has moved, in the transaction of that."""
        if not self.is_loaded:
            await self.load()
            return
        before = self._person_of.get(f"{context.platform}:{context.user_id}")
        now = await self._store.people.find(context.platform, context.user_id)
        people = [person for person in dict.fromkeys((before, now)) if person is not None]
        found = [(person, await self._read_person(person)) for person in people]

        def apply() -> None:
            for person, (settings, presets, identities) in found:
                self._person_of |= dict.fromkeys(identities, person)
                self._settings.pop(person, None)
                self._presets.pop(person, None)
                if settings is not None:
                    self._settings[person] = settings
                if presets:
                    self._presets[person] = presets

        self._store.after_commit(apply)

    async def _read_person(
        self, person: int
    ) -> tuple[PersonSettings | None, dict[str, SavedPreset], tuple[str, ...]]:
        """Return the settings and presets of a person, and their identities; nothing of one who is gone."""
        rows, presets = await self._store.asking.settings(person), await self._store.asking.presets(person)
        identities = await self._store.links.identities_of(person)
        return (
            _settings_of(rows[0]) if rows else None,
            {preset.key: _preset_of(preset) for preset in presets},
            tuple(f"{platform}:{user_id}" for platform, user_id in identities),
        )

    async def require_loaded(self) -> None:
        """Return when everything was read: the first request of a run may come before ``load``."""
        if not self.is_loaded:
            self._apply(await self._read())

    async def _read(self) -> _OfPeople:
        settings: dict[int, PersonSettings] = {}
        presets: defaultdict[int, dict[str, SavedPreset]] = defaultdict(dict)
        async with self._store.atomic():
            for row in await self._store.asking.settings():
                settings[row.person] = _settings_of(row)
            for preset in await self._store.asking.presets():
                presets[preset.person][preset.key] = _preset_of(preset)
            return settings, presets, await self._store.people.identities()

    def _apply(self, found: _OfPeople) -> None:
        self._settings, self._presets, self._person_of = found
        self.is_loaded = True

    def settings_of(self, context: CommandContext) -> PersonSettings:
        """Return what the person always wants."""
        person = self._person_of.get(f"{context.platform}:{context.user_id}", 0)
        return self._settings.get(person, USUAL)

    def suggest(self, typed: str, context: CommandContext) -> tuple[str, ...]:
        """Return the names of the person's presets that contain the text."""
        wanted = normalize(typed)
        saved = self.presets_of(context)
        return tuple(preset.name for key, preset in saved.items() if wanted in key)

    def complete(self, draw: Draw, context: CommandContext) -> tuple[Draw, FromDefaults | None]:
        """Return the request with what its preset and the person's settings add, and a note about that.

        Raises:
            UnknownPreset: The person has no such preset.
        """
        name = ""
        if draw.preset:
            preset = self.find_preset(draw.preset, context)
            name, draw = preset.name, _with_preset(draw, preset.options)
        options, used = self.settings_of(context).options, tuple[str, ...]()
        if options != _NO_OPTIONS:
            draw, used = with_defaults(draw, options)
        return draw, FromDefaults(used, name) if used or name else None

    def presets_of(self, context: CommandContext) -> dict[str, SavedPreset]:
        """Return the person's presets by their names, as compared."""
        person = self._person_of.get(f"{context.platform}:{context.user_id}", 0)
        return self._presets.get(person, {})

    def find_preset(self, name: str, context: CommandContext) -> SavedPreset:
        """Return the person's preset of this name.

        Raises:
            UnknownPreset: The person has no such preset.
        """
        saved = self.presets_of(context)
        preset = saved.get(normalize(name))
        if preset is None:
            raise UnknownPreset(name=name, nearest=nearest(name, [one.name for one in saved.values()]))
        return preset

    def keep_settings(self, context: CommandContext, person: int, settings: PersonSettings) -> None:
        """Remember what the person always wants, which was stored."""
        self._person_of[f"{context.platform}:{context.user_id}"] = person
        self._settings[person] = settings

    def keep_preset(self, context: CommandContext, person: int, key: str, preset: SavedPreset) -> None:
        """Remember a preset, which was stored."""
        self._person_of[f"{context.platform}:{context.user_id}"] = person
        self._presets[person][key] = preset

    def forget_preset(self, person: int, key: str) -> None:
        """Forget a preset, which was deleted."""
        self._presets[person].pop(key, None)


class ChatProfiles:
    """The profiles of all chats; answered from memory.

    Attributes:
        is_loaded: What was stored before this start is known.
    """

    def __init__(self, store: Store, shelf: LoraShelf, consents: ConsentLedger) -> None:
        self._store = store
        self._shelf = shelf
        self._consents = consents
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
        own = self._profiles.get((context.address.platform, context.address.chat_id), NO_PROFILE)
        return self.of_parent(context) if context.parent_chat_id and own == NO_PROFILE else own

    def of_parent(self, context: CommandContext) -> ChatProfile:
        """Return what may be drawn in the chat's parent; everything if it has none."""
        return self._profiles.get((context.address.platform, context.parent_chat_id), NO_PROFILE)

    def rule(self, context: CommandContext) -> Rule:
        """Return which LoRAs this person may use in this chat: its own, and the helpers of those."""
        profile, consent = self.of(context), partial(self._consents.may_use, context)
        return self.rule_of(profile, consent) if profile.loras else consent

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

    async def move_chat(self, platform: str, earlier: str, now: str) -> None:
        """Move the profile of a chat to its new id, in the transaction of the caller."""
        await self._store.profiles.move_chat(platform, earlier, now)
        await self.load()

    def keep(self, context: CommandContext, profile: ChatProfile) -> None:
        """Remember the profile of this chat, which was stored."""
        self._profiles[context.address.platform, context.address.chat_id] = profile

    def rule_of(self, profile: ChatProfile, consent: Rule) -> Rule:
        """Return which LoRAs may be used under this profile and this consent."""
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


def _settings_of(row: PersonSettingsRow) -> PersonSettings:
    return PersonSettings(_options_of(row.options), row.language, row.advice)


def _preset_of(row: PresetRow) -> SavedPreset:
    return SavedPreset(row.name, _options_of(row.options))


def _options_of(text: str) -> Draw:
    try:
        return read_options(scan(text))
    except PersonError as error:  # a version that reads options otherwise
        log.warning("stored options not understood", error=type(error).__name__)
        return Draw()


def with_defaults(draw: Draw, options: Draw) -> tuple[Draw, tuple[str, ...]]:
    """Return the request with the options that it does not give, and the names of those."""
    added: dict[str, object] = {
        name: getattr(options, name)
        for name in ("size", "count", "private", "spoiler")
        if getattr(draw, name) is None and getattr(options, name) is not None
    }
    if options.loras and not draw.loras:
        added["loras"] = options.loras
    elif options.loras and not draw.loras[0].name:  # a weight alone is for the default
        added["loras"] = tuple(replace(lora, weight=draw.loras[0].weight) for lora in options.loras)
    used = ("lora" if name == "loras" else name for name in added)
    return replace(draw, **added), tuple(sorted(used))  # type: ignore[arg-type]


def _with_preset(draw: Draw, options: Draw) -> Draw:
    """Return the request with all that a preset adds; the request's own words come first."""
    completed, _ = with_defaults(draw, options)
    face = Face(*(own or other for own, other in zip(astuple(draw.face), astuple(options.face), strict=True)))
    return replace(
        completed,
        prompt=join_parts([part for part in (draw.prompt, options.prompt) if part]),
        face=face,
        seed=options.seed if draw.seed is None else draw.seed,
        surprise=draw.surprise or options.surprise,
    )
