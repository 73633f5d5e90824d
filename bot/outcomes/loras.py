"""What a person learns about the shelf and its defaults."""

from dataclasses import dataclass

from bot.commands.values import Scope
from bot.outcomes.places import Platform


@dataclass(frozen=True, slots=True)
class LoraSummary:
    """One LoRA of the shelf, for display.

    Attributes:
        titles: Locale → what people call it, e.g. ``{"en": "Sugar face", "zh-CN": "Sugar 面部"}``.
        trigger: The word that the desk puts before the prompt; empty if the LoRA needs none.
        weight: The recommended strength.
        sha256: Of its file; ``#`` and its start may stand for the name.
    """

    name: str
    titles: dict[str, str]
    trigger: str
    weight: float
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class LoraListing:
    """All LoRAs, and the default of this chat (empty: none)."""

    loras: tuple[LoraSummary, ...]
    default: str


@dataclass(frozen=True, slots=True)
class LoraSwitched:
    """The default LoRA has changed. Waiting jobs keep their LoRAs."""

    lora: str
    weight: float
    scope: Scope


@dataclass(frozen=True, slots=True)
class LoraAllowed:
    """A person or chat may use a LoRA; an empty ``subject``: it is not withdrawn any more."""

    lora: str
    subject: str


@dataclass(frozen=True, slots=True)
class LoraRevoked:
    """A LoRA was taken back from a person or chat, or from everybody; ``ended`` jobs with it have ended."""

    lora: str
    subject: str
    ended: int


@dataclass(frozen=True, slots=True)
class WeightBounded:
    """A LoRA gets another strength than the person ``asked``: its host allows ``least`` to ``most``."""

    lora: str
    asked: float
    weight: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class WeightsScaled:
    """The LoRAs of a picture weigh ``total`` together, more than ``limit``: all are scaled down.

    Attributes:
        scaled: Name, strength before and after, of each.
    """

    total: float
    limit: float
    scaled: tuple[tuple[str, float, float], ...]


@dataclass(frozen=True, slots=True)
class HelperAttached:
    """A LoRA is always drawn with its helper."""

    lora: str
    helper: str
    weight: float


@dataclass(frozen=True, slots=True)
class HelperMissing:
    """The helper of a LoRA is not on the shelf; the picture is drawn without it."""

    lora: str
    helper: str


@dataclass(frozen=True, slots=True)
class FacesMixed:
    """Several LoRAs of a picture each change who is drawn."""

    loras: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StepsChanged:
    """The picture is drawn in as many steps as a distillation LoRA needs."""

    lora: str
    steps: int


StackNote = WeightBounded | WeightsScaled | HelperAttached | HelperMissing | FacesMixed | StepsChanged
"""What a person should know about the LoRAs of a request that the desk accepts."""


@dataclass(frozen=True, slots=True)
class LoraUse:
    """How often a LoRA was used in a month: jobs with pictures, these pictures, and different people."""

    lora: str
    jobs: int
    pictures: int
    people: int


@dataclass(frozen=True, slots=True)
class Letter:
    """A report to the owner of LoRAs, for their private chat.

    Attributes:
        id: The same letter has the same id, so that a chat can recognise a repetition.
        month: As ``2026-10``.
    """

    id: int
    platform: Platform
    user_id: str
    locale: str
    month: str
    uses: tuple[LoraUse, ...]
