"""The content of the panel beside the conversation."""

from dataclasses import dataclass, field

from bot.outcomes import Service


@dataclass(frozen=True, slots=True)
class CardPanel:
    """The state of the card and its queue at one moment.

    Attributes:
        name: A name for people: ``NVIDIA H200``, ``CPU, 2 threads``.
        used_bytes: Used by all programs, of ``total_bytes``.
        free_bytes: Available to a job, including our own model; so it differs from ``total`` minus ``used``.
        waiting: Jobs that wait for the card.
        drawing: The job on the card; empty if the card is idle.
        step: Completed steps of the current picture, of ``steps``; both are 0 if the card is idle.
        service: Whether a host has paused the drawing.
        is_card: Whether it is a card's memory, not the machine's.
        default_lora: The default for chats without their own; empty means none.
    """

    name: str
    used_bytes: int
    free_bytes: int
    total_bytes: int
    waiting: int = 0
    drawing: str = ""
    step: int = 0
    steps: int = 0
    default_lora: str = ""
    service: Service = field(default=Service())
    is_card: bool = True

    @property
    def used_percent(self) -> int:
        """Share of the memory in use, 0 … 100; 0 if the total is unknown."""
        return round(100 * self.used_bytes / self.total_bytes) if self.total_bytes else 0
