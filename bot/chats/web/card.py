"""What the panel beside the conversation says of the machine."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CardView:
    """The card and its queue at one moment.

    Attributes:
        name: For people: ``NVIDIA H200``, ``CPU, 2 threads``.
        used_bytes: What everybody uses; ``total_bytes`` what there is.
        free_bytes: What a job may hold, our own model included; so it is not ``total`` less ``used``.
        reason: Where the memory figures come from, in one line.
        waiting: Jobs that wait for the card.
        drawing: The job on the card; empty when it is idle.
        step: Of ``steps`` done in the picture under way; 0 of 0 when idle or unknown.
        default_lora: Used wherever no chat has its own; empty means none.
    """

    name: str
    used_bytes: int
    free_bytes: int
    total_bytes: int
    reason: str
    waiting: int = 0
    drawing: str = ""
    step: int = 0
    steps: int = 0
    default_lora: str = ""

    @property
    def used_percent(self) -> int:
        """Share of the memory in use, 0 … 100; 0 where the total is unknown."""
        return round(100 * self.used_bytes / self.total_bytes) if self.total_bytes else 0
