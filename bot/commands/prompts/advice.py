"""Finds what cannot work in a prompt for a distilled model; it is drawn all the same."""

import re
from enum import StrEnum


class AdviceKind(StrEnum):
    """The kinds of advice; a person reads each once. The values equal the CHECK list of advice_given.kind.

    NEGATIVE    a negative prompt: the model draws without guidance, which it would steer
    QUALITY     ``masterpiece, best quality``: tags of other models
    RESOLUTION  ``8k``: it changes no pixel count
    WEIGHTS     ``(word:1.3)``: the text encoder reads it as it is written
    FACES       several LoRAs that each change who is drawn
    """

    NEGATIVE = "negative"
    QUALITY = "quality"
    RESOLUTION = "resolution"
    WEIGHTS = "weights"
    FACES = "faces"


PATTERNS = {
    AdviceKind.QUALITY: re.compile(
        r"\b(?:masterpiece|(?:best|high(?:est)?|top|amazing)[ _-]quality"
        r"|(?:ultra|highly|extremely)[ _-]detailed|award[ _-]winning|trending on artstation)\b"
        r"|杰作|傑作|(?:最佳|最高|高)(?:质量|質量|品质|品質|画质|畫質)|(?:超|极致|極致)(?:精细|精細|细节|細節)",
        re.IGNORECASE,
    ),
    AdviceKind.RESOLUTION: re.compile(
        r"(?<![\w.])(?:4|8|16|32)k(?!\w)|\b(?:uhd|ultra[ _-]?hd)\b|超高清", re.IGNORECASE
    ),
    AdviceKind.WEIGHTS: re.compile(r"[(（][^()（）]{1,200}[:：]\s*\d?\.\d{1,2}\s*[)）]"),
}
"""What a prompt contains of which its person should know."""
