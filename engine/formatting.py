"""Text for a terminal or a log: sizes in binary units, and text from outside made safe or comparable.

A terminal obeys control characters: a name with an escape sequence clears the screen, forges a line or sets
the window's title. Bidirectional overrides show text in another order than it is stored.
"""

import re
import unicodedata

MIB = 2**20
GIB = 2**30
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 and C1 without tab and line feed
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"  # direction marks, overrides, invisible ones
    "\u2028\u2029\ud800-\udfff\U000e0000-\U000e007f]"  # line separators, lone surrogates, tags
)
_PASSWORD = re.compile(r"(?<=://)([^\s/:@]*):[^\s/]+(?=@)")
_LINE_ENDS = re.compile("[\t\n]")
_LOOK_ALIKES = str.maketrans({"−": "-", "‐": "-", "∶": ":", "×": "x", "✕": "x", "✖": "x"})


def in_mib(count_bytes: int, digits: int = 1) -> str:
    """The number of MiB, without the unit."""
    return f"{count_bytes / MIB:.{digits}f}"


def in_gib(count_bytes: int, digits: int = 1) -> str:
    """The number of GiB, without the unit, for a sentence that contains the unit."""
    return f"{count_bytes / GIB:.{digits}f}"


def format_gib(count_bytes: int, digits: int = 1) -> str:
    """The number of GiB with its unit, as ``1.5 GiB``."""
    return f"{count_bytes / GIB:.{digits}f} GiB"


def format_size(count_bytes: int) -> str:
    """A size with its unit: ``1.5 GiB``, and ``3 MiB`` where GiB would be nearly zero."""
    is_small = count_bytes < 0.1 * GIB
    return f"{in_mib(count_bytes, 0)} MiB" if is_small else format_gib(count_bytes)


def printable(text: str, *, is_one_line: bool = True) -> str:
    r"""Escape control characters, an escape as ``\x1b``; all other text stays.

    Args:
        text: From anywhere.
        is_one_line: Escape line feeds and tabs too, as for a log, where a line feed forges an entry.
    """
    shown = _UNSAFE.sub(_escaped, text)
    return _LINE_ENDS.sub(_escaped, shown) if is_one_line else shown


def without_passwords(text: str) -> str:
    """Replace the password inside each address by ``***``."""
    return _PASSWORD.sub(r"\1:***", text)


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def normalize(text: str) -> str:
    """Return a name or number for comparison: half-width, lower case, with one form of look-alike signs."""
    return unicodedata.normalize("NFKC", text).translate(_LOOK_ALIKES).casefold().strip()
