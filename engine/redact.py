r"""Finds a prompt in the output of libraries, however they quoted, escaped or shortened it.

Errors do not need this: of a foreign error only the type and the place leave the worker
(``engine.worker.failures``).
"""

import html
import re
import unicodedata
from functools import lru_cache
from urllib.parse import unquote_plus

LETTERS = 8  # in a row: a text that shares them with a prompt does so by more than chance …
WIDE_LETTERS = 3  # … and these suffice in scripts that need fewer letters
MIN_LETTERS = 3  # a shorter prompt reveals nothing
MAX_ROUNDS = 3  # an escaped text that is quoted in an escaped text

_ESCAPES = re.compile(r"(?:\\x[0-9a-fA-F]{2})+|\\u[0-9a-fA-F]{4}|\\U[0-9a-fA-F]{8}|\\[abfnrtv0]")


def repeats(text: str, prompt: str) -> bool:
    """Return whether the text contains a part of the prompt."""
    whole, windows = _needles(prompt)
    haystacks = [_letters(form) for form in _forms(text)]
    return any(
        any(each in letters for each in whole) or not windows.isdisjoint(_windows(letters))
        for letters in haystacks
    )


@lru_cache(maxsize=16)
def _needles(prompt: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the prompt itself if it is short, and all its parts that are long enough to reveal it."""
    forms = [_letters(form) for form in _forms(prompt)]
    whole = frozenset(letters for letters in forms if MIN_LETTERS <= len(letters) < LETTERS)
    return whole, frozenset().union(*map(_windows, forms))


def _windows(letters: str) -> set[str]:
    windows = {letters[at : at + LETTERS] for at in range(len(letters) - LETTERS + 1)}
    wide = (letters[at : at + WIDE_LETTERS] for at in range(len(letters) - WIDE_LETTERS + 1))
    return windows | {part for part in wide if not any(map(str.isascii, part))}


def _forms(text: str) -> list[str]:
    """Return the text as it is and with its escapes decoded, up to ``MAX_ROUNDS`` times."""
    forms = [text]
    for _ in range(MAX_ROUNDS):
        text = _ESCAPES.sub(_unescaped, unquote_plus(html.unescape(forms[-1])))
        if text == forms[-1]:
            break
        forms.append(text)
    return forms


def _unescaped(found: re.Match[str]) -> str:
    escape = found[0]
    if escape.startswith("\\x"):
        return bytes.fromhex(escape.replace("\\x", "")).decode("utf-8", errors="replace")
    if escape[1] in "uU":
        code = int(escape[2:], 16)
        return chr(code) if code < 0x110000 else " "
    return " "


def _letters(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(each for each in folded if unicodedata.category(each) in _REVEALING)


_REVEALING = {"Lu", "Ll", "Lt", "Lm", "Lo", "Nd", "Nl", "No", "So"}
