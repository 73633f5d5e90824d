"""The messages about a person's settings and presets."""

from typing import assert_never

from bot.commands.prompts.advice import AdviceKind
from bot.commands.reading import LANGUAGES
from bot.commands.render import render, size_text
from bot.commands.table import SUGAR_OPTIONS
from bot.commands.table.asking import SETTINGS_OPTIONS
from bot.languages import in_script, is_chinese
from bot.messages.catalogue import N_, format_fact, join_facts, shorten, text
from bot.outcomes import (
    Advice,
    AskingNote,
    DefaultSkipped,
    FromDefaults,
    PresetDeleted,
    PresetList,
    PresetSaved,
    ProfileShown,
    SavedPreset,
    SettingsShown,
    SizeLimited,
)

ADVICE: dict[AdviceKind, str] = {
    AdviceKind.NEGATIVE: N_(
        "this model can't use a negative prompt, so I left yours out. Describe what you want to see instead."
    ),
    AdviceKind.QUALITY: N_(
        "words like “masterpiece, best quality” are tags of other models. This one reads plain descriptions, "
        "such as skin, light and mood."
    ),
    AdviceKind.RESOLUTION: N_("“8k” makes no picture larger; --size sets its pixels."),
    AdviceKind.WEIGHTS: N_(
        "this model reads “(word:1.3)” as plain text, not as a weight. To stress something, describe it more."
    ),
}
"""What cannot work; each person reads each once. Of faces, ``FacesMixed`` names them."""

PRESET_CHARS = 80  # of one preset in a list of twenty
_COMMAND = "/sugar"


AskingOutcome = SettingsShown | PresetList | PresetSaved | PresetDeleted | ProfileShown


_NO_PRESETS = N_(
    "You have no presets yet. Save one like this: /preset cosy --size 2:3 soft light. Then write "
    "--preset cosy behind a prompt."
)


def format_asking(outcome: AskingOutcome, locale: str) -> str:
    """Return the answer to ``/settings``, ``/preset`` or ``/profile``."""
    match outcome:
        case ProfileShown():
            return _profile(outcome, locale)
        case SettingsShown():
            return _settings(outcome, locale)
        case PresetList(presets=()):
            return text(_NO_PRESETS, locale)
        case PresetList(presets=presets, limit=limit):
            first = text(N_("Your presets ({count} of {limit}):"), locale, count=len(presets), limit=limit)
            last = N_("Use one with --preset and its name; delete it with /preset, its name and --delete.")
            return "\n".join([first, *map(_preset, presets), text(last, locale)])
        case PresetSaved(preset=preset, is_new=is_new):
            sentence = N_("Saved. Use it with --preset {name}:")
            if not is_new:
                sentence = N_("Saved in place of the earlier one. Use it with --preset {name}:")
            return "\n".join([text(sentence, locale, name=preset.name), _preset(preset)])
        case PresetDeleted(name=name):
            return text(N_("The preset {name} is deleted."), locale, name=name)
    assert_never(outcome)


def format_asking_note(note: AskingNote, locale: str) -> str:
    """Return what a request got from the person's settings, in a sentence."""
    match note:
        case FromDefaults(settings=settings, preset=preset):
            words = {option.name: option.word for option in SUGAR_OPTIONS}
            named = [_name(one, words[one], locale) for one in settings]
            sentences = []
            if preset:
                sentences.append(text(N_("With your preset {name}."), locale, name=preset))
            if named:
                sentence = N_("From your settings: {names}. /settings shows them.")
                sentences.append(text(sentence, locale, names=named))
            return ("" if is_chinese(locale) else " ").join(sentences)
        case DefaultSkipped(lora=lora):
            sentence = N_("Your own default LoRA {lora} can't be used here, so this is drawn without it.")
            return text(sentence, locale, lora=lora)
        case SizeLimited(width_px=width_px, height_px=height_px):
            sentence = N_("Pictures of this chat are limited, so this one will be {size}.")
            return text(sentence, locale, size=(width_px, height_px))
        case Advice(kind=kind):
            return text(N_("Tip: {tip}"), locale, tip=text(ADVICE[kind], locale))
    assert_never(note)


def _settings(shown: SettingsShown, locale: str) -> str:
    settings, options = shown.settings, shown.settings.options
    locale = settings.language or locale  # at once, if it was just chosen
    first = N_("Saved. Your settings:") if shown.is_changed else N_("Your settings:")
    usual = text(N_("as usual"), locale)
    yes, no = text(N_("yes"), locale), text(N_("no"), locale)
    loras = [lora.name if lora.weight is None else f"{lora.name} {lora.weight:g}" for lora in options.loras]
    values = {
        "lora": format_fact(loras, locale) or usual,
        "size": size_text(options.size) if options.size else usual,
        "count": str(options.count or usual),
        "private": usual if options.private is None else yes if options.private else no,
        "spoiler": usual if options.spoiler is None else yes if options.spoiler else no,
        "language": _language(settings.language, locale),
        "advice": yes if settings.advice else no,
    }
    words = {option.name: option.word for option in (*SUGAR_OPTIONS, *SETTINGS_OPTIONS)}
    names = {name: _name(name, words[name], locale) for name in values}
    facts = [text(N_("{name}: {value}"), locale, name=names[name], value=values[name]) for name in values]
    last = N_(
        "They hold for every request that does not say otherwise, in all your linked chats. Change one like "
        "this: /settings --size portrait. “/settings reset” returns to the usual."
    )
    return "\n".join([text(first, locale), join_facts(facts), text(last, locale)])


def _profile(shown: ProfileShown, locale: str) -> str:
    profile = shown.profile
    first = N_("Saved. In this chat:") if shown.is_changed else N_("In this chat:")
    limit = profile.limit
    values = {
        N_("default LoRA: {value}"): shown.default_lora or text(N_("none"), locale),
        N_("allowed LoRAs: {value}"): profile.loras or text(N_("all"), locale),
        N_("largest size: {value}"): (limit.width_px, limit.height_px) if limit else text(N_("any"), locale),
        N_("language: {value}"): _language(profile.language, locale),
    }
    facts = [text(sentence, locale, value=value) for sentence, value in values.items()]
    last = N_(
        "This holds for requests, buttons and recipe codes alike. /lora switch sets the default LoRA; "
        "“/profile reset” returns the rest to the usual."
    )
    return "\n".join([text(first, locale), join_facts(facts), text(last, locale)])


def _language(code: str, locale: str) -> str:
    english, chinese = next((one[1], one[2]) for one in LANGUAGES if one[0] == code)
    return in_script(chinese, locale) if is_chinese(locale) else english


def _preset(preset: SavedPreset) -> str:
    options = render(preset.options).removeprefix(_COMMAND).strip()
    return f"{preset.name}: {shorten(options, PRESET_CHARS)}"


def _name(name: str, word: str, locale: str) -> str:
    """Return the name of an option as people read it."""
    if name == "lora":
        return "LoRA"
    return in_script(word, locale) if is_chinese(locale) else name
