"""What a person learns about the shelf and its defaults."""

from dataclasses import dataclass

from bot.commands.values import Scope


@dataclass(frozen=True, slots=True)
class LoraSummary:
    """One LoRA of the shelf, for display.

    Attributes:
        titles: Locale → what people call it, e.g. ``{"en": "Sugar face", "zh-CN": "Sugar 面部"}``.
        trigger: The word that the desk puts before the prompt; empty if the LoRA needs none.
        weight: The recommended strength.
    """

    name: str
    titles: dict[str, str]
    trigger: str
    weight: float


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
