"""The code that joins two chats: eight characters, 40 bits, easy to read aloud and to type on a phone."""

from random import Random

CODE_CHARS = 8
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U to misread
_MEANT = str.maketrans("OIL", "011")


def new_code(random: Random) -> str:
    """A code nobody can guess, if ``random`` is the system's."""
    return "".join(random.choice(_DIGITS) for _ in range(CODE_CHARS))


def shown(code: str) -> str:
    """The code as people read it: ``K3F9-7QXM``."""
    return f"{code[: CODE_CHARS // 2]}-{code[CODE_CHARS // 2 :]}"


def code_of(typed: str) -> str:
    """The code that somebody typed, dashes, spaces and small letters forgiven; it may be no code at all."""
    return "".join(char for char in typed if char.isalnum()).upper().translate(_MEANT)


def is_code(typed: str) -> bool:
    """Whether this can only be meant as a code."""
    code = code_of(typed)
    return len(code) == CODE_CHARS and set(code) <= set(_DIGITS)
