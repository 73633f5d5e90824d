"""What is taken out of a text before anything reads it, and how names and numbers are compared."""

import re
import unicodedata

# Control characters reach no prompt: NUL ends strings in C libraries, bidi overrides can make a log or a
# caption read as something else. Emoji, joiners and right-to-left text itself stay as they are.
_DROPPED = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_CLEANED = str.maketrans(_DROPPED | {"\n": " ", "\r": " ", "\t": " "})
_LOOK_ALIKES = str.maketrans({"−": "-", "‐": "-", "∶": ":", "×": "x", "✕": "x", "✖": "x"})
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """The text without control characters and bidi overrides, on one line, its ends trimmed.

    A lone surrogate, which no UTF-8 can carry, becomes U+FFFD. Everything else is kept byte for byte.
    """
    return _LONE_SURROGATE.sub("\ufffd", text.replace("\r\n", "\n").translate(_CLEANED)).strip()


def plain(text: str) -> str:
    """A name or number as it is compared: half-width, lower case, look-alike signs made the same."""
    return unicodedata.normalize("NFKC", text).translate(_LOOK_ALIKES).casefold().strip()
