"""Cleans text, normalizes names and numbers, and converts command words to Traditional characters."""

import re
import unicodedata

# Prompts have no control characters: NUL ends strings in C libraries, and bidi overrides can disguise text in
# a log or caption. Emoji, joiners and right-to-left text stay.
_DROPPED = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_CLEANED = str.maketrans(_DROPPED | {"\n": " ", "\r": " ", "\t": " "})
_LOOK_ALIKES = str.maketrans({"−": "-", "‐": "-", "∶": ":", "×": "x", "✕": "x", "✖": "x"})
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# The characters of ``table`` in the form that Taiwan uses, one for one.
_SIMPLIFIED = "种张数权强随机肤红妆仅画图额余务关联绑账号帮么换这里风无质"
_TRADITIONAL = "種張數權強隨機膚紅妝僅畫圖額餘務關聯綁帳號幫麼換這裡風無質"
_TO_TRADITIONAL = str.maketrans(_SIMPLIFIED, _TRADITIONAL)
_TO_SIMPLIFIED = str.maketrans(_TRADITIONAL, _SIMPLIFIED)


def clean(text: str) -> str:
    """Remove control characters, bidi overrides, line breaks and outer spaces.

    A lone surrogate, which UTF-8 cannot encode, becomes U+FFFD. Everything else is kept byte for byte.
    """
    return _LONE_SURROGATE.sub("\ufffd", text.replace("\r\n", "\n").translate(_CLEANED)).strip()


def normalize(text: str) -> str:
    """Return a name or number for comparison: half-width, lower case, with one form of look-alike signs."""
    return unicodedata.normalize("NFKC", text).translate(_LOOK_ALIKES).casefold().strip()


def traditional(word: str) -> str:
    """Return the word in Traditional characters."""
    return word.translate(_TO_TRADITIONAL)


def simplified(word: str) -> str:
    """Return the word in Simplified characters."""
    return word.translate(_TO_SIMPLIFIED)
