"""The answer to ``/doctor``."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class FoundFault:
    """A fault of the set-up, or something worth knowing; keys of ``bot.messages.checks``.

    Attributes:
        facts: Values for the sentence; never a secret.
        is_note: It is no fault.
    """

    part: str
    code: str
    facts: Mapping[str, object] = field(default_factory=dict)
    is_note: bool = False


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What a running bot finds of itself: faults before notes, and how many checks found nothing.

    Attributes:
        unanswered: Platforms that did not answer in time.
    """

    faults: tuple[FoundFault, ...]
    fine: int
    unanswered: tuple[str, ...] = ()
