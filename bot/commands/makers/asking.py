"""What the texts and menus of ``/settings`` and ``/preset`` ask for; errors as in ``grammar``."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from bot.commands.flags import scan
from bot.commands.makers.drawing import chosen_of, read_options, read_switch
from bot.commands.reading import MAX_WORD_CHARS, OptionValue, language_of, preset_name_of
from bot.commands.table import SUGAR_OPTIONS
from bot.commands.table.asking import PRESET_OPTIONS, SETTINGS_OPTIONS
from bot.commands.text import clean, normalize
from bot.commands.values import SETTINGS, Command, EditPresets, EditSettings
from bot.errors import BadSetting
from bot.languages import typed_forms

_RESET_WORDS = frozenset(form for word in ("reset", "重置", "恢复默认") for form in typed_forms(word))
_ALL_WORDS = frozenset(form for word in ("all", "全部", "所有") for form in typed_forms(word))
_NOT_IN_A_PRESET = ("preset", "dry", "again")
_SAVED = tuple(
    option for option in SUGAR_OPTIONS if option.name not in _NOT_IN_A_PRESET and not option.typed_only
)
_PRESET_FLAGS = (*_SAVED, *(option for option in PRESET_OPTIONS if option.name in ("job", "delete")))
_SETTING_OF = {
    normalize(word): option.name
    for option in SETTINGS_OPTIONS
    if option.name in SETTINGS
    for word in option.spellings
}


def settings_of(typed: str = "", options: Mapping[str, OptionValue] = MappingProxyType({})) -> EditSettings:
    """Return the ``/settings`` of a text, or of the options of a menu.

    Raises:
        NotUnderstood: A value is invalid; BadSetting: there is no such setting to reset.
    """
    found, chosen = scan(clean(typed), SETTINGS_OPTIONS), chosen_of(options)
    values = {flag.option.name: flag.value for flag in found.flags} | chosen
    words = found.prompt.replace(",", " ").replace("，", " ").split()
    if words and normalize(words[0]) not in _RESET_WORDS:
        raise BadSetting(text=found.prompt)
    names = [*words[1:], *chosen.get("reset", "").replace(",", " ").split()]
    return EditSettings(
        options=replace(read_options(found, chosen), prompt=""),
        language=language_of(values["language"]) if "language" in values else None,
        advice=read_switch("advice", values),
        reset=_reset_of(names) if words or names else (),
    )


def is_reset(typed: str) -> bool:
    """Whether a text begins as one that resets settings."""
    return normalize(typed.split()[0]) in _RESET_WORDS


def _reset_of(names: list[str]) -> tuple[str, ...]:
    """Return the settings with these names; all of them without a name."""
    wanted = [normalize(name) for name in names if normalize(name) not in _RESET_WORDS]
    if not wanted or any(name in _ALL_WORDS for name in wanted):
        return SETTINGS
    unknown = [name for name in wanted if name not in _SETTING_OF]
    if unknown:
        raise BadSetting(text=unknown[0])
    return tuple(name for name in SETTINGS if name in {_SETTING_OF[name] for name in wanted})


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
}
