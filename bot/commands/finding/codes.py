"""Recipe codes: how they are made, written, read with typos noticed, and found inside a text.

A code has ten random digits and two check digits, written ``K3F9-7QXM-2AWV``. Fifty random bits cannot be
guessed; the check digits notice every one or two wrong digits and every two that changed places.
"""

import re
import unicodedata
from random import Random

from bot.commands.reading import CODE_DIGITS, link_code_of
from bot.errors import BadRecipeCode

RECIPE_CODE_CHARS = 12
START_PREFIX = "r_"
"""Begins the payload of a link that opens a recipe: ``?start=r_K3F97QXM2AWV``."""

_RANDOM_CHARS = 10
_GROUP = 4
_DASHES = "‐‒–—―-"  # after NFKC; the last one must stay last inside a character class
_GROUPED = re.compile(
    rf"(?<![\w{_DASHES}])(?:[rR]_)?([0-9A-Za-z]{{4}})[{_DASHES}]([0-9A-Za-z]{{4}})[{_DASHES}]([0-9A-Za-z]{{4}})"
    rf"(?![\w{_DASHES}])",
    re.ASCII,
)
_LINKED = re.compile(rf"[?&]start={START_PREFIX}([0-9A-Za-z]{{{RECIPE_CODE_CHARS}}})(?!\w)", re.ASCII)

_PRIMITIVE = 0b100101  # x^5 + x^2 + 1 makes the 32 digits a field
_POWERS = [1]
while len(_POWERS) < 31:
    _doubled = _POWERS[-1] << 1
    _POWERS.append(_doubled ^ _PRIMITIVE if _doubled & 32 else _doubled)
_LOGARITHMS = {power: exponent for exponent, power in enumerate(_POWERS)}
_PRODUCTS = [
    [_POWERS[(_LOGARITHMS[one] + _LOGARITHMS[other]) % 31] if one and other else 0 for other in range(32)]
    for one in range(32)
]
_INVERSE = [0, *(_POWERS[-_LOGARITHMS[one] % 31] for one in range(1, 32))]


def new_recipe_code(random: Random) -> str:
    """Return a new code without dashes; ``random`` must be a SystemRandom, so that nobody can guess it."""
    digits = [random.randrange(32) for _ in range(_RANDOM_CHARS)]
    # The last two digits make both sums of ``_sums`` zero: two equations with two unknowns.
    plain, weighted = _sums(digits)
    above = weighted ^ _PRODUCTS[plain][_POWERS[_RANDOM_CHARS]]
    last = _PRODUCTS[above][_INVERSE[_POWERS[_RANDOM_CHARS] ^ _POWERS[_RANDOM_CHARS + 1]]]
    return "".join([CODE_DIGITS[digit] for digit in [*digits, plain ^ last, last]])


def format_recipe_code(code: str) -> str:
    """Return the code as people read it: ``K3F9-7QXM-2AWV``."""
    return "-".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))


def recipe_code_of(typed: str) -> str:
    """Return a typed code without dashes, spaces and lower case; ``r_`` in front of it does not count.

    Raises:
        BadRecipeCode: It has another length, or its digits do not belong together: a typo.
    """
    text = unicodedata.normalize("NFKC", typed).strip()
    code = link_code_of(text[len(START_PREFIX) :] if text.lower().startswith(START_PREFIX) else text)
    if not is_recipe_code(code):
        raise BadRecipeCode(text=typed)
    return code


def is_recipe_code(code: str) -> bool:
    """Whether these are twelve digits of a code that belong together."""
    if len(code) != RECIPE_CODE_CHARS or not set(code) <= set(CODE_DIGITS):
        return False
    return _sums([CODE_DIGITS.index(char) for char in code]) == (0, 0)


def find_recipe_code(text: str) -> str:
    """Return the first code in a text that is written with its dashes or in a link; empty without one.

    Text that only looks like a code does not count: its digits do not belong together.
    """
    return next((code for code in map(link_code_of, written_codes(text)) if is_recipe_code(code)), "")


def written_codes(text: str) -> list[str]:
    """Return what is written in a text as a code is, with its dashes or in a link, right or wrong."""
    normal = unicodedata.normalize("NFKC", text)
    written = ["".join(match.groups()) for match in _GROUPED.finditer(normal)]
    return written + [match[1] for match in _LINKED.finditer(normal)]


def looks_like_recipe_code(text: str) -> bool:
    """Whether a whole text is written like a code, right or wrong."""
    return _GROUPED.fullmatch(unicodedata.normalize("NFKC", text).strip()) is not None


def _sums(digits: list[int]) -> tuple[int, int]:
    """Return the sum of the digits, and their sum with a weight for each place; in the field of 32."""
    plain = weighted = 0
    for place, digit in enumerate(digits):
        plain ^= digit
        weighted ^= _PRODUCTS[digit][_POWERS[place]]
    return plain, weighted
