"""The face slots, and the final prompt from prompt, slots and trigger words.

Z-Image responds to concrete features in the order trigger, face, skin, blush, lips, eyes, lashes. We add only
the LoRAs' triggers, no words such as ``masterpiece`` or ``8k``.
"""

import re
from collections.abc import Sequence
from dataclasses import astuple

from bot.commands.values import Face

SUGGESTED: dict[str, tuple[tuple[str, str], ...]] = {
    "skin": (
        ("清透水光肌", "dewy skin"),
        ("雾面奶油肌", "creamy matte skin"),
        ("冷白瓷肌", "porcelain skin"),
        ("小麦色肌肤", "tan skin"),
        ("深棕肌肤", "deep brown skin"),
    ),
    "blush": (
        ("微醺蜜桃腮红", "peach blush"),
        ("玫瑰腮红", "rose blush"),
        ("无腮红", "no blush"),
    ),
    "lips": (
        ("薄涂裸粉唇釉", "nude lip glaze"),
        ("正红唇", "classic red lips"),
        ("浆果唇", "berry lips"),
    ),
    "eyes": (
        ("眼尾轻挑带慵懒笑意", "eyes with upturned corners"),
        ("圆润杏眼", "round eyes"),
        ("慵懒笑意", "lazy smiling eyes"),
    ),
    "lashes": (
        ("细碎睫毛轻颤", "fine lashes"),
        ("浓密卷翘睫毛", "thick lashes"),
    ),
}
"""(Chinese, English) suggestions for each slot, the article's wording first.

The built-in model knows all of them, so that a newcomer sees the effect of a slot.
"""

_EAST_ASIAN = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")


def suggestions(slot: str, typed: str = "", locale: str = "en") -> tuple[str, ...]:
    """Return the suggestions for a slot that contain the typed text, in this language."""
    column = 0 if locale == "zh-CN" else 1
    wanted = typed.strip().casefold()
    return tuple(
        pair[column]
        for pair in SUGGESTED[slot]
        if not wanted or any(wanted in text.casefold() for text in pair)
    )


def compose(prompt: str, face: Face, triggers: Sequence[str]) -> str:
    """Return the final prompt: missing triggers, the unchanged prompt, then the slots.

    The separator is ``，`` if any part is Chinese or Japanese, else comma and space. A trigger that the text
    contains already, in any case, is not added.
    """
    written = [part for part in (prompt, *astuple(face)) if part]
    missing: list[str] = []
    for trigger in triggers:
        if trigger and not any(trigger.casefold() in part.casefold() for part in [*written, *missing]):
            missing.append(trigger)
    parts = [*missing, *written]
    comma = "，" if any(_EAST_ASIAN.search(part) for part in parts) else ", "
    return comma.join(parts)
