"""Text from people, files, platforms and libraries on its way to a terminal or a log.

A terminal obeys control characters: a name with an escape sequence clears the screen, forges a line or sets
the window's title. Bidirectional overrides show text in another order than it is stored.
"""

import re

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1 without tab and line feed
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"  # direction marks, overrides, invisible ones
    "\u2028\u2029\ud800-\udfff\U000e0000-\U000e007f]"  # line separators, lone surrogates, tags
)
_LINE_ENDS = re.compile("[\t\n]")


def printable(text: str, *, is_one_line: bool = True) -> str:
    r"""Write control characters out, ``\x1b`` for an escape; all other text stays as it is.

    Args:
        text: From anywhere.
        is_one_line: Write out line feeds and tabs too, as in a log, where a line feed forges an entry.
    """
    shown = _UNSAFE.sub(_written_out, text)
    return _LINE_ENDS.sub(_written_out, shown) if is_one_line else shown


def _written_out(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
