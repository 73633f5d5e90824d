"""A password of which only a hash stays in memory."""

import hashlib
import hmac
import os
import unicodedata
from dataclasses import dataclass, field
from typing import Self

MIN_CHARS, MAX_CHARS = 8, 200
_COST, _BLOCK, _LANES = 2**14, 8, 5  # of scrypt: 16 MiB and about 0.2 s for each try
_SALT = os.urandom(16)  # one for the process: read again, the same password compares equal


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """The scrypt hash of a password; it holds in this process alone and is never written."""

    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, password: str) -> Self:
        """Return the hash of a password. Blocking.

        Raises:
            ValueError: It is shorter than ``MIN_CHARS`` or longer than ``MAX_CHARS``.
        """
        whole = _composed(password)
        if not MIN_CHARS <= len(whole) <= MAX_CHARS:
            raise ValueError
        return cls(_digest(whole))

    def matches(self, candidate: str) -> bool:
        """Whether this is the password; every candidate takes the same time. Blocking."""
        return hmac.compare_digest(self.digest, _digest(_composed(candidate)[: MAX_CHARS + 1]))


def _composed(password: str) -> str:
    """Return one form of each character, however a keyboard composes it."""
    return unicodedata.normalize("NFC", password)


def _digest(password: str) -> bytes:
    whole = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(whole, salt=_SALT, n=_COST, r=_BLOCK, p=_LANES)
