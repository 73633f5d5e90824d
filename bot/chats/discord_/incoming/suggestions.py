"""What Discord suggests while a person types an option; answered from memory, at once."""

import re
from collections.abc import Sequence

from bot.chats.contract import Desk
from bot.chats.discord_.incoming.parsing import LABEL_CHARS, address_of, context_of, locale_of
from bot.chats.discord_.library_internals import Interaction
from bot.commands.prompts.face import SUGGESTED
from bot.commands.prompts.face import suggestions as face_suggestions
from bot.commands.table import Option, OptionKind
from bot.commands.text import normalize
from bot.languages import in_script, is_chinese, title_of, typed_forms
from bot.outcomes import LoraSummary


def suggest_values(
    desk: Desk, option: Option, typed: str, interaction: Interaction
) -> Sequence[tuple[str, str]]:
    """(label, value) pairs for one option, best first."""
    locale = locale_of(interaction)
    if option.kind is OptionKind.LORA:
        context = context_of(interaction, address_of(interaction, is_private=True))
        head, _, last = typed.rpartition(",") if option.is_list else ("", "", typed)
        found = desk.suggest_loras(last, context)
        if head:
            joined = [f"{head},{_value(lora)}" for lora in found]
            return [(value, value) for value in joined if len(value) <= LABEL_CHARS]
        return [(_label(title_of(lora.titles, locale), lora.name), _value(lora)) for lora in found]
    if option.name in SUGGESTED:
        values = face_suggestions(option.name, typed, locale)
    elif option.name in ("preset", "name"):
        context = context_of(interaction, address_of(interaction, is_private=True))
        values = desk.suggest_presets(typed, context)
    else:
        return _named_values(option, normalize(typed), locale)
    return [(value[:LABEL_CHARS], value[:LABEL_CHARS]) for value in values]


def _named_values(option: Option, wanted: str, locale: str) -> list[tuple[str, str]]:
    """Return the values of an option that have names, once each, that contain the text."""
    found: dict[str, tuple[str, str]] = {}
    for choice in option.named:
        label = in_script(choice.word, locale) if is_chinese(locale) else choice.name
        label = f"{label} {choice.value}" if option.name == "size" else label
        if any(wanted in each for each in (label, choice.value, choice.name, *typed_forms(choice.word))):
            found.setdefault(choice.value, (label, choice.name))
    return list(found.values())


def _label(title: str, name: str) -> str:
    return (f"{title} · {name}" if title and title != name else name)[:LABEL_CHARS]


def _value(lora: LoraSummary) -> str:
    """Return the name, or the hash if the name is too long or would be read as several."""
    is_one = len(lora.name) <= LABEL_CHARS and not re.search("[,，]", lora.name)
    return lora.name if is_one else f"#{lora.sha256[:32]}"
