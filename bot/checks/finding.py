"""The result of one check."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Level(StrEnum):
    """Fine, worth knowing, or a fault to repair."""

    FINE = "✓"
    NOTE = "–"
    WRONG = "✗"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of a check.

    Attributes:
        part: The part of the set-up; key of its title in ``bot.messages.checks``.
        code: Key of its sentence there.
        facts: Values for the sentence; never a secret. ``error`` is an exception with a sentence of its own.
    """

    level: Level
    part: str
    code: str
    facts: Mapping[str, object] = field(default_factory=dict)
