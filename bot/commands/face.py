"""The suggestions for each face slot, in Chinese and English."""

from bot.languages import is_chinese

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


def suggestions(slot: str, typed: str = "", locale: str = "en") -> tuple[str, ...]:
    """Return the suggestions for a slot that contain the typed text, in this language."""
    column = 0 if is_chinese(locale) else 1
    wanted = typed.strip().casefold()
    return tuple(
        pair[column]
        for pair in SUGGESTED[slot]
        if not wanted or any(wanted in text.casefold() for text in pair)
    )
