"""The suggestions for each face slot, in Chinese and English, and the words that ask for any of them."""

from dataclasses import asdict

from bot.commands.text import normalize
from bot.commands.values import Face
from bot.languages import is_chinese, typed_forms

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


SURPRISE = ("给我惊喜", "surprise me")
"""(Chinese, English) value of a slot that asks for any suggestion."""


def suggestions(slot: str, typed: str = "", locale: str = "en") -> tuple[str, ...]:
    """Return the suggestions for a slot that contain the typed text, in this language; a surprise last."""
    column = 0 if is_chinese(locale) else 1
    wanted = typed.strip().casefold()
    return tuple(
        pair[column]
        for pair in (*SUGGESTED[slot], SURPRISE)
        if not wanted or any(wanted in text.casefold() for text in pair)
    )


SLOT_WORDS = {"skin": "肤质", "blush": "腮红", "lips": "唇妆", "eyes": "眼神", "lashes": "睫毛"}
"""The zh-CN names of the slots."""

SURPRISE_WORDS = (*SURPRISE, "surprise", "random", "any", "随机", "随便", "惊喜", "任意")
"""Every value of a slot that asks for any suggestion."""

_SURPRISES = frozenset(form for word in SURPRISE_WORDS for form in typed_forms(word))
_SLOT_OF_WORD = {form: slot for slot, word in SLOT_WORDS.items() for form in typed_forms(word)}


def wildcard_of(slot: str, locale: str) -> str:
    """Return the wildcard that means any suggestion of a slot: ``__lips__``, ``__唇妆__``."""
    return f"__{SLOT_WORDS[slot] if is_chinese(locale) else slot}__"


def slot_of_wildcard(typed: str) -> tuple[str, int] | None:
    """Return the slot that ``__lips__`` names, and the column of ``SUGGESTED`` in its language."""
    name = typed.strip("_")
    if name in SUGGESTED:
        return name, 1
    slot = _SLOT_OF_WORD.get(name)
    return None if slot is None else (slot, 0)


def with_surprises(face: Face, locale: str) -> Face:
    """Return the face with a wildcard in every empty slot."""
    slots = asdict(face)
    return Face(**{slot: words or wildcard_of(slot, locale) for slot, words in slots.items()})


def surprise_of(slot: str, typed: str) -> str:
    """Return the value of a slot: as typed, or its wildcard if the text asks for a surprise."""
    if normalize(typed) not in _SURPRISES:
        return typed
    return wildcard_of(slot, "en" if typed.isascii() else "zh-CN")
