"""What people always want, and their presets; answered from memory, so that chats may ask at once."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import astuple, replace

import structlog

from bot.commands.flags import nearest, scan
from bot.commands.makers.drawing import read_options
from bot.commands.render import render
from bot.commands.text import join_parts, normalize
from bot.commands.values import Draw, EditPresets, EditSettings, Face, PersonSettings
from bot.desk.iterating.editing import JobEditing
from bot.errors import MissingValue, PersonError, PresetTooLong, TooManyPresets, UnknownPreset
from bot.outcomes import (
    CommandContext,
    FromDefaults,
    PresetDeleted,
    PresetList,
    PresetSaved,
    SavedPreset,
    SettingsShown,
)
from bot.policy.rules import require_private_chat
from bot.store import Store
from bot.store.asking import PersonSettingsRow, PresetRow

log = structlog.get_logger("bot.desk")

MAX_PRESETS = 20  # all fit into a menu of Discord, which shows 25
MAX_PRESET_CHARS = 1_000
_COMMAND = "/sugar"
_NO_OPTIONS = Draw()
_USUAL = PersonSettings()


_Remembered = tuple[dict[int, PersonSettings], defaultdict[int, dict[str, SavedPreset]], dict[str, int]]


class Preferences:
    """The settings and presets of all people.

    Attributes:
        is_loaded: What was stored before this start is known.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(self, *, store: Store, editing: JobEditing, clock: Callable[[], int]) -> None:
        self._store = store
        self._editing = editing
        self._clock = clock
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

    async def _read(self) -> _Remembered:
        settings: dict[int, PersonSettings] = {}
        presets: defaultdict[int, dict[str, SavedPreset]] = defaultdict(dict)
        async with self._store.atomic():
            for row in await self._store.asking.settings():
                settings[row.person] = _settings_of(row)
            for preset in await self._store.asking.presets():
                presets[preset.person][preset.key] = _preset_of(preset)
            return settings, presets, await self._store.people.identities()

    def _apply(self, found: _Remembered) -> None:
        self._settings, self._presets, self._person_of = found
        self.is_loaded = True

    def settings_of(self, context: CommandContext) -> PersonSettings:
        """Return what the person always wants."""
        person = self._person_of.get(f"{context.platform}:{context.user_id}", 0)
        return self._settings.get(person, _USUAL)

    def suggest(self, typed: str, context: CommandContext) -> tuple[str, ...]:
        """Return the names of the person's presets that contain the text."""
        wanted = normalize(typed)
        saved = self._saved_by(context)
        return tuple(preset.name for key, preset in saved.items() if wanted in key)

    def complete(self, draw: Draw, context: CommandContext) -> tuple[Draw, FromDefaults | None]:
        """Return the request with what its preset and the person's settings add, and a note about that.

        Raises:
            UnknownPreset: The person has no such preset.
        """
        name = ""
        if draw.preset:
            preset = self._find(draw.preset, context)
            name, draw = preset.name, _with_preset(draw, preset.options)
        options, used = self.settings_of(context).options, tuple[str, ...]()
        if options != _NO_OPTIONS:
            draw, used = _with_defaults(draw, options)
        return draw, FromDefaults(used, name) if used or name else None

    async def edit_settings(self, command: EditSettings, context: CommandContext) -> SettingsShown:
        """Change and show the person's settings."""
        await self.require_loaded()
        person = await self._store.people.find_or_create(context, self._clock())
        before = self._settings.get(person, _USUAL)
        changed = _changed(before, command)
        if changed != before:
            row = PersonSettingsRow(person, _text_of(changed.options), changed.language, changed.advice)
            await self._store.asking.save_settings(row)
            self._store.after_commit(lambda: self._keep_settings(context, person, changed))
        return SettingsShown(changed, is_changed=changed != before)

    async def edit_presets(
        self, command: EditPresets, context: CommandContext
    ) -> PresetList | PresetSaved | PresetDeleted:
        """Show, save or delete the person's presets.

        Raises:
            PersonError: UnknownPreset, TooManyPresets, PresetTooLong, MissingValue (nothing to save); for a
                job also NoSuchJob, NotYours, NotInPublic.
        """
        require_private_chat(command, context)
        await self.require_loaded()
        person = await self._store.people.find_or_create(context, self._clock())
        saved, key = self._presets.get(person, {}), normalize(command.name)
        if not command.name:
            return PresetList(tuple(saved.values()), MAX_PRESETS)
        if command.delete:
            preset = self._find(command.name, context)
            await self._store.asking.delete_preset(person, key)
            self._store.after_commit(lambda: self._forget_preset(person, key))
            return PresetDeleted(preset.name)
        if not command.job_id and command.options == Draw():
            if key not in saved:
                raise MissingValue(flag=f"/preset {command.name}", example="--size 2:3")
            return PresetList((saved[key],), MAX_PRESETS)
        options = command.options
        if command.job_id:
            job = self._editing.draw_of(await self._editing.find(command.job_id, context))
            options, _ = _with_defaults(options, replace(job, private=None))
        text = _text_of(options)
        if len(text) > MAX_PRESET_CHARS:
            raise PresetTooLong(length=len(text), limit=MAX_PRESET_CHARS)
        if key not in saved and len(saved) >= MAX_PRESETS:
            raise TooManyPresets(limit=MAX_PRESETS)
        await self._store.asking.save_preset(PresetRow(person, key, command.name, text))
        preset = SavedPreset(command.name, options)
        self._store.after_commit(lambda: self._keep_preset(context, person, key, preset))
        return PresetSaved(preset, is_new=key not in saved)

    def _saved_by(self, context: CommandContext) -> dict[str, SavedPreset]:
        person = self._person_of.get(f"{context.platform}:{context.user_id}", 0)
        return self._presets.get(person, {})

    def _find(self, name: str, context: CommandContext) -> SavedPreset:
        saved = self._saved_by(context)
        preset = saved.get(normalize(name))
        if preset is None:
            raise UnknownPreset(name=name, nearest=nearest(name, [one.name for one in saved.values()]))
        return preset

    def _keep_settings(self, context: CommandContext, person: int, settings: PersonSettings) -> None:
        self._person_of[f"{context.platform}:{context.user_id}"] = person
        self._settings[person] = settings

    def _keep_preset(self, context: CommandContext, person: int, key: str, preset: SavedPreset) -> None:
        self._person_of[f"{context.platform}:{context.user_id}"] = person
        self._presets[person][key] = preset

    def _forget_preset(self, person: int, key: str) -> None:
        self._presets[person].pop(key, None)


def _text_of(options: Draw) -> str:
    return render(options).removeprefix(_COMMAND).strip()


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


def _changed(before: PersonSettings, command: EditSettings) -> PersonSettings:
    """Return the settings after the command."""
    options, usual = before.options, _USUAL
    if "lora" in command.reset:
        options = replace(options, loras=())
    names = {name: None for name in ("size", "count", "private", "spoiler") if name in command.reset}
    options = replace(options, **names)  # type: ignore[arg-type]  # all may be None
    options, _ = _with_defaults(command.options, options)
    language = usual.language if "language" in command.reset else before.language
    advice = usual.advice if "advice" in command.reset else before.advice
    return PersonSettings(
        options,
        language if command.language is None else command.language,
        advice if command.advice is None else command.advice,
    )


def _with_defaults(draw: Draw, options: Draw) -> tuple[Draw, tuple[str, ...]]:
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
    completed, _ = _with_defaults(draw, options)
    face = Face(*(own or other for own, other in zip(astuple(draw.face), astuple(options.face), strict=True)))
    return replace(
        completed,
        prompt=join_parts([part for part in (draw.prompt, options.prompt) if part]),
        face=face,
        seed=options.seed if draw.seed is None else draw.seed,
        surprise=draw.surprise or options.surprise,
    )
