"""What texts and menus of ``/settings``, ``/preset`` and ``/profile`` ask for; errors as in ``grammar``."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from bot.commands.flags import Scan, scan
from bot.commands.makers.drawing import chosen_of, read_options, read_switch
from bot.commands.reading import MAX_WORD_CHARS, OptionValue, language_of, preset_name_of, size_of, words_of
from bot.commands.table import SUGAR_OPTIONS, Option
from bot.commands.table.asking import PRESET_OPTIONS, PROFILE_OPTIONS, SETTINGS_OPTIONS
from bot.commands.text import clean, normalize
from bot.commands.values import PROFILE, SETTINGS, Command, EditPresets, EditProfile, EditSettings, Ratio
from bot.errors import BadSetting, BadSize
from bot.languages import typed_forms

_RESET_WORDS = frozenset(form for word in ("reset", "重置", "恢复默认") for form in typed_forms(word))
_ALL_WORDS = frozenset(form for word in ("all", "全部", "所有") for form in typed_forms(word))
_NOT_IN_A_PRESET = ("preset", "dry", "again")
_SAVED = tuple(
    option for option in SUGAR_OPTIONS if option.name not in _NOT_IN_A_PRESET and not option.typed_only
)
_PRESET_FLAGS = (*_SAVED, *(option for option in PRESET_OPTIONS if option.name in ("job", "delete")))


def _by_word(options: Sequence[Option], names: Sequence[str]) -> dict[str, str]:
    """Return the name of each option in ``names``, in this order, by each of its spellings."""
    found = {option.name: option.spellings for option in options}
    return {normalize(word): name for name in names for word in found[name]}


_SETTING_OF = _by_word(SETTINGS_OPTIONS, SETTINGS)
_PROFILE_OF = _by_word(PROFILE_OPTIONS, PROFILE)


def settings_of(typed: str = "", options: Mapping[str, OptionValue] = MappingProxyType({})) -> EditSettings:
    """Return the ``/settings`` of a text, or of the options of a menu.

    Raises:
        NotUnderstood: A value is invalid; BadSetting: there is no such setting to reset.
    """
    found, chosen = scan(clean(typed), SETTINGS_OPTIONS), chosen_of(options)
    values = {flag.option.name: flag.value for flag in found.flags} | chosen
    return EditSettings(
        options=replace(read_options(found, chosen), prompt=""),
        language=language_of(values["language"]) if "language" in values else None,
        advice=read_switch("advice", values),
        reset=_reset_of(found, chosen, _SETTING_OF),
    )


def is_reset(typed: str) -> bool:
    """Whether a text begins as one that resets settings."""
    return normalize(typed.split()[0]) in _RESET_WORDS


def _reset_of(found: Scan, chosen: Mapping[str, str], known: Mapping[str, str]) -> tuple[str, ...]:
    """Return what a text or a menu resets: names among the values of ``known``, all of them without a name.

    Raises:
        BadSetting: The text asks for something else, or for an unknown name.
    """
    words = found.prompt.replace(",", " ").replace("，", " ").split()
    if words and normalize(words[0]) not in _RESET_WORDS:
        raise BadSetting(text=found.prompt)
    names = [*words[1:], *chosen.get("reset", "").replace(",", " ").split()]
    if not words and not names:
        return ()
    every = tuple(dict.fromkeys(known.values()))
    wanted = [normalize(name) for name in names if normalize(name) not in _RESET_WORDS]
    if not wanted or any(name in _ALL_WORDS for name in wanted):
        return every
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise BadSetting(text=unknown[0])
    return tuple(name for name in every if name in {known[name] for name in wanted})


def profile_of(typed: str = "", options: Mapping[str, OptionValue] = MappingProxyType({})) -> EditProfile:
    """Return the ``/profile`` of a text, or of the options of a menu.

    Raises:
        NotUnderstood: A value is invalid, BadSize also for a shape without pixels; BadSetting.
    """
    found, chosen = scan(clean(typed), PROFILE_OPTIONS), chosen_of(options)
    values = {flag.option.name: flag.value for flag in found.flags} | chosen
    limit = size_of(values["limit"]) if "limit" in values else None
    if isinstance(limit, Ratio):
        raise BadSize(text=values["limit"])
    loras = tuple(name for part in re.split("[,，、]", values.get("loras", "")) if (name := words_of(part)))
    return EditProfile(
        loras=loras or None,
        limit=limit,
        language=language_of(values["language"]) if "language" in values else None,
        reset=_reset_of(found, chosen, _PROFILE_OF),
    )


def preset_of(
    typed: str = "",
    *,
    name: str = "",
    job: str = "",
    delete: bool = False,
) -> EditPresets:
    """Return the ``/preset`` of a text, or of the options of a menu, which has the ``name`` apart.

    Raises:
        NotUnderstood: The name or an option is invalid.
    """
    found = scan(clean(typed), _PRESET_FLAGS)
    values = {flag.option.name: flag.value for flag in found.flags}
    prompt = found.prompt
    if not name:
        name, _, prompt = prompt.partition(" ")
    if not name:
        return EditPresets()
    job_id = (job or values.get("job", "")).lstrip("#＃")[:MAX_WORD_CHARS]
    options = replace(read_options(found), prompt=prompt.strip(" ,，、"))
    return EditPresets(preset_name_of(name), options, job_id, delete or "delete" in values)


ASKING_MAKERS: dict[type[Command], Callable[[str], Command]] = {
    EditSettings: settings_of,
    EditPresets: preset_of,
    EditProfile: profile_of,
}

ASKING_MENUS: dict[type[Command], Callable[[Mapping[str, Any]], Command]] = {
    EditSettings: lambda options: settings_of(options=options),
    EditPresets: lambda options: preset_of(
        **{"typed" if name == "options" else name: value for name, value in options.items()}
    ),
    EditProfile: lambda options: profile_of(options=options),
}
"""The same for the options of a menu."""
