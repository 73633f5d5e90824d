"""The parts that the event tables of Discord and Telegram share.

Each chat platform sorts every event it can receive into kinds. Its table has one rule per kind: how the bot
answers, or why it ignores the event.
"""

from dataclasses import dataclass
from typing import Any

LORA_SUFFIX = ".safetensors"
PICTURE_SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")

RawEvent = dict[str, Any]
"""One event of a platform, or a part of one: decoded JSON, not yet validated."""


@dataclass(frozen=True, slots=True)
class EventRule:
    """What the bot does with one kind of event.

    Attributes:
        action: How the bot answers, or why it ignores the event.
        is_answered: Whether the person gets an answer.
    """

    action: str
    is_answered: bool = True


def ignored(reason: str) -> EventRule:
    """Make the rule of a kind that gets no answer."""
    return EventRule(reason, is_answered=False)


def is_lora_file(name: object) -> bool:
    """Return whether a file of this name looks like a LoRA."""
    return str(name).lower().endswith(LORA_SUFFIX)


def is_picture_file(name: object) -> bool:
    """Return whether a file of this name looks like a picture whose settings can be read."""
    return str(name).lower().endswith(PICTURE_SUFFIXES)
