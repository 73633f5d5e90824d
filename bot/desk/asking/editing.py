"""``/settings``, ``/preset`` and ``/profile``: people and hosts change what is remembered."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial

import structlog

from bot.commands.render import render
from bot.commands.text import normalize
from bot.commands.values import (
    ChatProfile,
    Draw,
    EditPresets,
    EditProfile,
    EditSettings,
    LoraWish,
    PersonSettings,
)
from bot.desk.asking.recipes import Recipes
from bot.desk.asking.remembered import NO_PROFILE, USUAL, ChatProfiles, Preferences, with_defaults
from bot.desk.asking.requests import LoraDefaults
from bot.desk.iterating.editing import JobEditing
from bot.desk.loras.consent import ConsentLedger
from bot.desk.loras.shelf import LoraShelf, Rule
from bot.errors import MissingValue, PresetTooLong, TooManyPresets
from bot.outcomes import (
    CommandContext,
    PresetDeleted,
    PresetList,
    PresetSaved,
    ProfileShown,
    SavedPreset,
    SettingsShown,
)
from bot.policy.rules import require_private_chat
from bot.store import Store
from bot.store.asking import ChatProfileChange, ChatProfileRow, PersonSettingsRow, PresetRow

log = structlog.get_logger("bot.desk")

MAX_PRESETS = 20  # all fit into a menu of Discord, which shows 25
MAX_PRESET_CHARS = 1_000
_COMMAND = "/sugar"


class PreferenceEditing:
    """Changes and shows the settings and presets of people.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        shelf: LoraShelf,
        recipes: Recipes,
        preferences: Preferences,
        editing: JobEditing,
        profiles: ChatProfiles,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._recipes = recipes
        self._preferences = preferences
        self._editing = editing
        self._profiles = profiles
        self._clock = clock

    async def edit_settings(self, command: EditSettings, context: CommandContext) -> SettingsShown:
        """Change and show the person's settings.

        Raises:
            UnknownLora: The shelf has no such LoRA for this person; nothing is changed.
        """
        await self._preferences.require_loaded()
        await self._profiles.require_loaded()
        self._require_usable(command.options.loras, context)
        person = await self._store.people.find_or_create(context, self._clock())
        before = self._preferences.settings_of(context)
        changed = _changed(before, command)
        if changed != before:
            row = PersonSettingsRow(person, _text_of(changed.options), changed.language, changed.advice)
            await self._store.asking.save_settings(row)
            self._store.after_commit(lambda: self._preferences.keep_settings(context, person, changed))
        return SettingsShown(changed, is_changed=changed != before)

    async def edit_presets(
        self, command: EditPresets, context: CommandContext
    ) -> PresetList | PresetSaved | PresetDeleted:
        """Show, save or delete the person's presets.

        Raises:
            PersonError: UnknownPreset, TooManyPresets, PresetTooLong, MissingValue (nothing to save);
                UnknownLora, LorasJoined, as for a drawing; for a job also NoSuchJob, NotYours, NotInPublic.
        """
        require_private_chat(command, context)
        await self._preferences.require_loaded()
        await self._profiles.require_loaded()
        person = await self._store.people.find_or_create(context, self._clock())
        saved, key = self._preferences.presets_of(context), normalize(command.name)
        if not command.name:
            return PresetList(tuple(saved.values()), MAX_PRESETS)
        if command.delete:
            preset = self._preferences.find_preset(command.name, context)
            await self._store.asking.delete_preset(person, key)
            self._store.after_commit(lambda: self._preferences.forget_preset(person, key))
            return PresetDeleted(preset.name)
        if not command.job_id and command.options == Draw():
            if key not in saved:
                raise MissingValue(flag=f"/preset {command.name}", example="--size 2:3")
            return PresetList((saved[key],), MAX_PRESETS)
        return await self._save_preset(command, context, person, is_new=key not in saved)

    async def _save_preset(
        self, command: EditPresets, context: CommandContext, person: int, *, is_new: bool
    ) -> PresetSaved:
        options, key = command.options, normalize(command.name)
        self._require_usable(options.loras, context)
        if command.job_id:  # its LoRAs are not looked for: they may be for the chat of the job alone
            job = self._editing.draw_of(await self._editing.find(command.job_id, context))
            options, _ = with_defaults(options, replace(job, private=None))
        text = _text_of(options)
        if len(text) > MAX_PRESET_CHARS:
            raise PresetTooLong(length=len(text), limit=MAX_PRESET_CHARS)
        if is_new and len(self._preferences.presets_of(context)) >= MAX_PRESETS:
            raise TooManyPresets(limit=MAX_PRESETS)
        await self._store.asking.save_preset(PresetRow(person, key, command.name, text))
        preset = SavedPreset(command.name, options)
        self._store.after_commit(lambda: self._preferences.keep_preset(context, person, key, preset))
        return PresetSaved(preset, is_new=is_new)

    def _require_usable(self, loras: Sequence[LoraWish], context: CommandContext) -> None:
        may_use = self._profiles.rule(context)
        if missing := self._recipes.find_missing(loras, may_use):
            raise self._shelf.unknown(missing, may_use)


class ProfileEditing:
    """Changes and shows the profiles of chats.

    Args:
        clock: UTC milliseconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        shelf: LoraShelf,
        profiles: ChatProfiles,
        defaults: LoraDefaults,
        consents: ConsentLedger,
        clock: Callable[[], int],
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._profiles = profiles
        self._defaults = defaults
        self._consents = consents
        self._clock = clock

    async def edit(self, command: EditProfile, context: CommandContext) -> ProfileShown:
        """Change and show the profile of this chat, and record the change; its parent's stays.

        Raises:
            UnknownLora: The shelf has no such LoRA for this person; nothing is changed.
        """
        profiles, consent = self._profiles, partial(self._consents.may_use, context)
        await profiles.require_loaded()
        before, own = profiles.of(context), profiles.of(replace(context, parent_chat_id=""))
        usual = profiles.of_parent(context)
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
        found = await self._defaults.find(context, profiles.rule_of(changed, consent))
        default = found.name if isinstance(found, LoraWish) else ""
        return ProfileShown(changed, default, is_changed=changed != before)

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
            self._clock(), platform, context.user_id, chat_id, _profile_text(before), _profile_text(after)
        )
        await self._store.profiles.record(change)
        self._store.after_commit(partial(self._profiles.keep, context, after))
        log.info("chat profile changed", platform=platform, chat_id=chat_id)

    def _name_of(self, typed: str, consent: Rule) -> str:
        found = self._shelf.find_wish(LoraWish(typed), consent)
        if found is None:
            raise self._shelf.unknown(typed, consent)
        return found[0].name


def _text_of(options: Draw) -> str:
    return render(options).removeprefix(_COMMAND).strip()


def _changed(before: PersonSettings, command: EditSettings) -> PersonSettings:
    """Return the settings after the command."""
    options, usual = before.options, USUAL
    if "lora" in command.reset:
        options = replace(options, loras=())
    names = {name: None for name in ("size", "count", "private", "spoiler") if name in command.reset}
    options = replace(options, **names)  # type: ignore[arg-type]  # all may be None
    options, _ = with_defaults(command.options, options)
    language = usual.language if "language" in command.reset else before.language
    advice = usual.advice if "advice" in command.reset else before.advice
    return PersonSettings(
        options,
        language if command.language is None else command.language,
        advice if command.advice is None else command.advice,
    )


def _profile_text(profile: ChatProfile) -> str:
    return json.dumps(asdict(profile), ensure_ascii=False)
