"""Text from files and libraries on its way to a log or a terminal."""

import re

# Control characters, marks that reorder or hide text, line separators, lone surrogates and tags.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def printable(text: str) -> str:
    r"""Write out whatever a terminal obeys, ``\x1b`` for an escape; the result is one line."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)
