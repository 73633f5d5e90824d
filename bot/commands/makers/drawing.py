"""Reads a drawing from a sentence, or from the options of a menu or form."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields, replace
from types import MappingProxyType

from bot.commands.flags import Scan, scan
from bot.commands.prompts.face import surprise_of
from bot.commands.reading import (
    NO_LORA,
    OptionValue,
    as_typed,
    count_of,
    lora_of,
    preset_name_of,
    seed_of,
    size_of,
    weight_of,
    words_of,
)
from bot.commands.table import FACE_SLOTS, OFF
from bot.commands.text import clean, normalize
from bot.commands.values import Draw, Face, LoraWish
from bot.errors import EmptyPrompt, TooManyLoras
from engine.request import MAX_LORAS

MAX_TEXT_CHARS = 8_000  # three times what 512 tokens of English need, with room for every option
_LORA = "lora"
_MENU_LORA = re.compile(r'(?:"[^"]*"|[^,，])+')  # a name with a comma is in quotes


def draw_of(prompt: str, **options: OptionValue) -> Draw:
    """Return the drawing of menu options or a form; ``lora`` may name several, separated by commas.

    Options inside the prompt count too; an argument wins over them.

    Raises:
        NotUnderstood: As for ``parse``.
    """
    return read_drawing(scan(clean(prompt, limit=MAX_TEXT_CHARS)), chosen_of(options))


def chosen_of(options: Mapping[str, OptionValue]) -> dict[str, str]:
    """Convert the options of a menu or form to texts, without those that were left out."""
    chosen = {name: typed for name, value in options.items() if (typed := as_typed(value))}
    switches = {name: "" if value else OFF for name, value in options.items() if isinstance(value, bool)}
    return chosen | switches


def read_drawing(found: Scan, chosen: Mapping[str, str] = MappingProxyType({})) -> Draw:
    """Read a scanned sentence as ``read_options`` does.

    Raises:
        NotUnderstood: EmptyPrompt if there is nothing to draw.
    """
    draw = read_options(found, chosen)
    if not any((draw.prompt, draw.preset, draw.surprise, *astuple(draw.face))):
        raise EmptyPrompt
    return draw


def read_options(found: Scan, chosen: Mapping[str, str] = MappingProxyType({})) -> Draw:
    """Read a scanned sentence, which may be options alone; those in ``chosen`` win over those in the text.

    Of LoRAs, the menu's count, else those of ``--lora``, else those of tags.
    """
    values = {**{flag.option.name: flag.value for flag in found.flags}, **chosen}
    if _LORA in chosen:
        parts = _MENU_LORA.findall(chosen[_LORA])
        loras = [lora_of(part.replace('"', "")) for part in parts if part.strip()]
    else:
        typed = [flag for flag in found.flags if flag.option.name == _LORA]
        loras = [replace(lora_of(flag.value), joined=flag.joined) for flag in typed]
        loras = loras or list(map(lora_of, found.tags))
    face = {slot: surprise_of(slot, words_of(values[slot])) for slot in FACE_SLOTS if slot in values}
    return Draw(
        prompt=found.prompt,
        face=Face(**face),
        loras=_loras(loras, values.get("weight")) if loras or "weight" in values else (),
        size=size_of(values["size"]) if "size" in values else None,
        seed=seed_of(values["seed"]) if "seed" in values else None,
        count=count_of(values["count"]) if "count" in values else None,
        private=read_switch("private", values),
        spoiler=read_switch("spoiler", values),
        surprise=bool(read_switch("surprise", values)),
        negative=words_of(values.get("no", "")),
        preset=preset_name_of(values["preset"]) if "preset" in values else "",
        dry=bool(read_switch("dry", values)),
        again=bool(read_switch("again", values)),
    )


def change_drawing(base: Draw, found: Scan) -> Draw:
    """Return the drawing with what a scanned sentence says instead: words replace the prompt, options theirs.

    Raises:
        NotUnderstood: As for ``parse``.
    """
    changes = read_drawing(replace(found, prompt=found.prompt or base.prompt))
    face = {slot: words for slot in FACE_SLOTS if (words := getattr(changes.face, slot))}
    given = {
        field.name: value
        for field in fields(Draw)
        if field.name != "face" and (value := getattr(changes, field.name)) not in (None, (), "", False)
    }
    given |= {name: False for name in ("private", "spoiler") if getattr(changes, name) is False}
    if changes.loras and not changes.loras[0].name and base.loras:  # a weight alone is for what is there
        given["loras"] = tuple(replace(wish, weight=changes.loras[0].weight) for wish in base.loras)
    return replace(base, face=replace(base.face, **face), **given)


def read_switch(name: str, values: Mapping[str, str]) -> bool | None:
    """Return whether a switch is turned on; None if nobody said."""
    return None if name not in values else values[name] != OFF


def _loras(named: Sequence[LoraWish], weight: str | None) -> tuple[LoraWish, ...]:
    """Return the named LoRAs; a weight alone is for the default LoRA."""
    # Of two equal names, the last counts.
    wishes = {normalize(wish.name): wish for wish in named}
    if len(wishes) > 1:
        wishes.pop(NO_LORA, None)
    if len(wishes) > MAX_LORAS:
        raise TooManyLoras(limit=MAX_LORAS)
    if weight is None:
        return tuple(wishes.values())
    strength = weight_of(weight)
    if not wishes:
        return (LoraWish("", strength),)
    return tuple(
        replace(wish, weight=strength) if wish.weight is None and wish.name != NO_LORA else wish
        for wish in wishes.values()
    )
