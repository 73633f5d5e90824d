"""The fonts of this machine, and what they can write. Nothing is downloaded.

Pillow has a font with Latin letters. Chinese is written with the first known font that is installed.
"""

from functools import cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# File names on Linux, Windows and macOS, by how common they are.
CHINESE_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "msyh.ttc",
    "PingFang.ttc",
)
_NO_CHARACTER = "\U000f0000"  # of the private use area: every font shows its sign for what it lacks


@cache
def chinese_font(size: int) -> ImageFont.FreeTypeFont | None:
    """Return the first of ``CHINESE_FONTS`` that is installed; Pillow looks in the system's folders."""
    for name in CHINESE_FONTS:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return None


@cache
def best_font(size: int) -> Font:
    """Return a font for words of any kind: one with Chinese characters, or else Pillow's own."""
    return chinese_font(size) or ImageFont.load_default(size)


def writable(words: str, fallback: str, font: Font) -> str:
    """Return the words without the characters that the font lacks; ``fallback`` if half of them are lacking.

    Args:
        words: On one line.
        fallback: Words that every font can write.
        font: What they are written with.
    """
    kept = "".join(each for each in words if each.isspace() or _has(font, each)).strip()
    return kept if 2 * len(kept) > len(words) else fallback


def wrapped(words: str, font: Font, width_px: int, most_lines: int) -> list[str]:
    """Break words into lines of this width; the last one ends with an ellipsis if words are left."""
    lines: list[str] = []
    rest = words.strip()
    while rest and len(lines) < most_lines:
        line = _fitting(rest, font, width_px)
        if len(line) < len(rest):
            if len(lines) == most_lines - 1:
                lines.append(_fitting(rest, font, width_px - round(font.getlength("…"))).rstrip() + "…")
                break
            space = line.rfind(" ")
            if rest[len(line)] != " " and space > 0:  # Chinese has no spaces and breaks anywhere
                line = line[:space]
        lines.append(line.rstrip())
        rest = rest[len(line) :].lstrip()
    return lines


def _fitting(words: str, font: Font, width_px: int) -> str:
    """Return the longest beginning of the words that fits; at least one character."""
    least, most = 1, len(words)
    while least < most:
        middle = (least + most + 1) // 2
        if font.getlength(words[:middle]) <= width_px:
            least = middle
        else:
            most = middle - 1
    return words[:least]


def _has(font: Font, character: str) -> bool:
    return bytes(font.getmask(character)) != _sign_for_lacking(font)


@cache
def _sign_for_lacking(font: Font) -> bytes:
    return bytes(font.getmask(_NO_CHARACTER))
