"""Cleans and compares text, composes final prompts."""

import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass

from bot.commands.values import Face
from bot.errors import TextTooLong
from engine.formatting import normalize as normalize  # one rule for what people type and for file names

# Prompts have no control characters: NUL ends strings in C libraries, and bidi overrides can disguise text in
# a log or caption. Emoji, joiners and right-to-left text stay.
BIDI_OVERRIDES = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_DROPPED = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), *BIDI_OVERRIDES])
_CLEANED = str.maketrans(_DROPPED | {"\n": " ", "\r": " ", "\t": " "})
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_EAST_ASIAN = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")


def clean(text: str, *, limit: int | None = None) -> str:
    """Remove control characters, bidi overrides, line breaks and outer spaces.

    A lone surrogate, which UTF-8 cannot encode, becomes U+FFFD. Everything else is kept byte for byte.

    Raises:
        TextTooLong: The text has more than ``limit`` characters.
    """
    if limit is not None and len(text) > limit:
        raise TextTooLong(length=len(text), limit=limit)
    return _LONE_SURROGATE.sub("\ufffd", text.replace("\r\n", "\n").translate(_CLEANED)).strip()


@dataclass(frozen=True, slots=True)
class ComposedPrompt:
    """The text to draw, and its parts, as ``bot.outcomes.Recipe`` has them."""

    final: str
    typed: str
    triggers: tuple[str, ...]


def compose_prompt(prompt: str, face: Face, triggers: Sequence[str]) -> ComposedPrompt:
    """Return the text to draw: missing triggers, the unchanged prompt, then the slots.

    Z-Image responds to concrete features in the order trigger, face, skin, blush, lips, eyes, lashes. We add
    only the LoRAs' triggers, no words such as ``masterpiece`` or ``8k``.

    The separator is ``，`` if any part is Chinese or Japanese, else comma and space. A trigger that the text
    contains already, in any case, is not added.
    """
    written = [part for part in (prompt, *astuple(face)) if part]
    missing = missing_triggers(triggers, written)
    return ComposedPrompt(join_parts([*missing, *written]), join_parts(written), missing)


def is_east_asian(text: str) -> bool:
    """Whether a text has Chinese or Japanese characters."""
    return _EAST_ASIAN.search(text) is not None


def missing_triggers(triggers: Sequence[str], written: Sequence[str]) -> tuple[str, ...]:
    """Return the triggers that nothing of what is written contains, in any case."""
    missing: list[str] = []
    for trigger in triggers:
        if trigger and not any(trigger.casefold() in part.casefold() for part in [*written, *missing]):
            missing.append(trigger)
    return tuple(missing)


def join_parts(parts: Sequence[str]) -> str:
    """Join the parts of a prompt with the comma of their language."""
    comma = "，" if any(map(is_east_asian, parts)) else ", "
    return comma.join(parts)
