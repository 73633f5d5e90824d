"""The short table of cards: what each size of memory draws in, from the long table of the host's guide."""

from engine.planner.placement.table import card_table
from tests.docs.markdown import table

CLASSES_GIB = ((0, 8), (10, 12), (15, 16), (20, 32), (40, 1000))
HEADS = {
    "en": ("memory", "cards", "512 × 768", "1024 × 1024"),
    "zh-CN": ("显存", "显卡", "512 × 768", "1024 × 1024"),
}
WORDS = {
    "en": {
        "to": "{least} to {most} s",
        "sizes": "{least} to {most} GB",
        "more": "{least} GB and more",
        "comma": ", ",
    },
    "zh-CN": {
        "to": "{least} 到 {most} 秒",
        "sizes": "{least} 到 {most} GB",
        "more": "{least} GB 以上",
        "comma": "、",
    },
}


def card_classes(locale: str) -> str:
    """Return a row for each size of memory, with the range of the predicted seconds."""
    words = WORDS[locale]
    lines = [line for line in card_table("en").splitlines() if line.startswith("|")][2:]
    cards = [line.strip("| ").split(" | ") for line in lines]
    rows = []
    for least, most in CLASSES_GIB:
        found = [cells for cells in cards if least <= float(cells[1]) <= most]
        sizes = [round(float(cells[1])) for cells in found]
        if max(sizes) > 32:
            memory = words["more"].format(least=min(sizes))
        elif min(sizes) == max(sizes):
            memory = f"{max(sizes)} GB"
        else:
            memory = words["sizes"].format(least=min(sizes), most=max(sizes))
        names = words["comma"].join(cells[0] for cells in found)
        rows.append((memory, names, *(_range(found, column, words["to"]) for column in (5, 6))))
    return table(HEADS[locale], rows)


def _range(cards: list[list[str]], column: int, to: str) -> str:
    seconds = sorted((cells[column] for cells in cards), key=float)
    return to.format(least=seconds[0], most=seconds[-1])
