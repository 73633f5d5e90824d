"""What the host says about a LoRA file in the ``NAME.toml`` beside it: how it is used, and by whom."""

from dataclasses import dataclass
from enum import StrEnum

MAX_WEIGHT = 2.0


class LoraKind(StrEnum):
    """What a LoRA changes: ``FACE`` who is drawn, ``STYLE`` how; a ``HELPER`` is attached to others."""

    FACE = "face"
    STYLE = "style"
    HELPER = "helper"


@dataclass(frozen=True, slots=True)
class Helper:
    """A LoRA that is attached by itself, at this strength."""

    name: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Sidecar:
    """The statements of one sidecar; a missing field has its default.

    Attributes:
        least_weight, most_weight: The strengths that a request may ask for.
        steps: Forwards of a distillation LoRA; None for any model's own number.
        helpers: Attached to every request of this LoRA.
        depicts_person: A real person is recognisable; without ``people`` and ``chats`` only the owner may
            use it.
        consent: Who agreed, and to what.
        owner: ``platform:user_id`` of the person who may allow and revoke, and who gets the reports.
        people: ``platform:user_id`` of those who may use it; ``platform:*`` for all of a platform.
        chats: ``platform:chat_id`` of the chats where everybody may, ``discord:guild_id`` or ``platform:*``.
        expires_ms: The moment, UTC, from which nobody may use it; None for never.
    """

    least_weight: float = -MAX_WEIGHT
    most_weight: float = MAX_WEIGHT
    steps: int | None = None
    kind: LoraKind = LoraKind.STYLE
    helpers: tuple[Helper, ...] = ()
    depicts_person: bool = False
    consent: str = ""
    owner: str = ""
    people: frozenset[str] = frozenset()
    chats: frozenset[str] = frozenset()
    expires_ms: int | None = None
