"""Converts a drawing to the text that asks for it again, for "copy" buttons, recipes and the history.

``parse(render(draw)) == draw`` for every drawing that ``parse`` returns.
"""

import re
from dataclasses import asdict

from bot.commands.flags import scan
from bot.commands.values import Draw, LoraWish, Ratio, Size
from bot.errors import NotUnderstood

_PLAIN_NAME = re.compile(r"[\w.()+@/]+(-[\w.()+@/]+)*")  # needs no quotes
_PLAIN_WORDS = re.compile(r"\w+( \w+)*")


def render(draw: Draw) -> str:
    """Return the shortest ``/sugar …`` that asks for this drawing again.

    The prompt comes first. If it contains text that reads as an option, such as ``--seed``, it comes last,
    behind a bare ``--`` that ends the options.
    """
    flags = _flags(draw)
    text = " ".join(part for part in (draw.prompt, *flags) if part)
    if _reads_as(text, draw.prompt, len(flags)):
        return f"/sugar {text}"
    return " ".join(["/sugar", *flags, "--", draw.prompt])


def size_text(size: Size) -> str:
    """Return ``2:3`` or ``512x768``."""
    return f"{size.width}:{size.height}" if isinstance(size, Ratio) else f"{size.width_px}x{size.height_px}"


def lora_text(wish: LoraWish) -> str:
    """Return ``--lora sugar:0.8``, with quotes if the name needs them."""
    weight = "" if wish.weight is None else f":{wish.weight:g}"
    return f"--lora {name_text(wish.name, weight)}"


def name_text(name: str, weight: str = "") -> str:
    """Return the name of a LoRA as it is typed, with quotes if it needs them."""
    return f"{name}{weight}" if _PLAIN_NAME.fullmatch(name) else f'"{name}{weight}"'


def _flags(draw: Draw) -> list[str]:
    flags = [f"--{slot} {_slot_text(words)}" for slot, words in asdict(draw.face).items() if words]
    flags += [lora_text(wish) if wish.name else f"--weight {wish.weight:g}" for wish in draw.loras]
    if draw.size:
        flags.append(f"--size {size_text(draw.size)}")
    if draw.seed is not None:
        flags.append(f"--seed {draw.seed}")
    if draw.count is not None:
        flags.append(f"-n {draw.count}")
    for on, off, is_on in (
        ("private", "public", draw.private),
        ("spoiler", "no-spoiler", draw.spoiler),
        ("surprise", "", draw.surprise or None),
        ("dry", "", draw.dry or None),
        ("again", "", draw.again or None),
    ):
        if is_on is not None:
            flags.append(f"--{on if is_on else off}")
    if draw.negative:
        flags.append(f'--no "{draw.negative}"')
    if draw.preset:
        flags.append(f"--preset {draw.preset}")
    return flags


def _slot_text(words: str) -> str:
    return words if _PLAIN_WORDS.fullmatch(words) and _reads_as(words, words, 0) else f'"{words}"'


def _reads_as(text: str, prompt: str, option_count: int) -> bool:
    """Whether a text is read as this prompt and this number of options."""
    try:
        found = scan(text)
    except NotUnderstood:
        return False
    return found.prompt == prompt and len(found.flags) + len(found.tags) == option_count
