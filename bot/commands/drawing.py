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


def draw_of(
    prompt: str,
    *,
    lora: str | None = None,
    weight: OptionValue = None,
    size: str | None = None,
    seed: OptionValue = None,
    count: OptionValue = None,
    skin: str | None = None,
    blush: str | None = None,
    lips: str | None = None,
    eyes: str | None = None,
    lashes: str | None = None,
    private: bool | None = None,
    spoiler: bool | None = None,
    surprise: bool | None = None,
    dry: bool | None = None,
    again: bool | None = None,
) -> Draw:
    """Return the drawing of menu options or a form; ``lora`` may name several, separated by commas.

    Options inside the prompt count too; an argument wins over them.

    Raises:
        NotUnderstood: As for ``parse``.
    """
    face = dict(zip(FACE_SLOTS, (skin, blush, lips, eyes, lashes), strict=True))
    arguments = {"lora": lora, "weight": weight, "size": size, "seed": seed, "count": count, **face}
    chosen = {name: typed for name, value in arguments.items() if (typed := as_typed(value))}
    switches = {"private": private, "spoiler": spoiler, "surprise": surprise, "dry": dry, "again": again}
    chosen |= {name: "" if is_on else OFF for name, is_on in switches.items() if is_on is not None}
    return read_drawing(scan(clean(prompt, limit=MAX_TEXT_CHARS)), chosen)


def read_drawing(found: Scan, chosen: Mapping[str, str] = MappingProxyType({})) -> Draw:
    """Read a scanned sentence; the options in ``chosen`` win over those in the text.

    Of LoRAs, the menu's count, else those of ``--lora``, else those of tags.
    """
    values = {**{flag.option.name: flag.value for flag in found.flags}, **chosen}
    loras: Sequence[str] = [flag.value for flag in found.flags if flag.option.name == _LORA] or found.tags
    if _LORA in chosen:
        loras = [part.replace('"', "") for part in _MENU_LORA.findall(chosen[_LORA]) if part.strip()]
    draw = Draw(
        prompt=found.prompt,
        face=Face(
            **{slot: surprise_of(slot, words_of(values[slot])) for slot in FACE_SLOTS if slot in values}
        ),
        loras=_loras(loras, values.get("weight")) if loras or "weight" in values else (),
        size=size_of(values["size"]) if "size" in values else None,
        seed=seed_of(values["seed"]) if "seed" in values else None,
        count=count_of(values["count"]) if "count" in values else None,
        private=_switch("private", values),
        spoiler=_switch("spoiler", values),
        surprise=bool(_switch("surprise", values)),
        dry=bool(_switch("dry", values)),
        again=bool(_switch("again", values)),
    )
    if not any((draw.prompt, draw.surprise, *astuple(draw.face))):
        raise EmptyPrompt
    return draw


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


def _switch(name: str, values: Mapping[str, str]) -> bool | None:
    """Return whether a switch is turned on; None if nobody said."""
    return None if name not in values else values[name] != OFF


def _loras(texts: Sequence[str], weight: str | None) -> tuple[LoraWish, ...]:
    """Return the named LoRAs; a weight alone is for the default LoRA."""
    # Of two equal names, the last counts.
    wishes = {normalize(wish.name): wish for wish in map(lora_of, texts)}
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
