"""The card and its worker as a host sees them: the answer to ``/gpu``."""

from dataclasses import dataclass, field

from engine.planner.card import CardSensors
from engine.planner.headroom import Headroom
from engine.planner.placement.values import PlanReason


@dataclass(frozen=True, slots=True)
class WorkerError:
    """An end of a worker that nobody wanted; ``at_s`` is unix time, ``detail`` one line without prompts."""

    at_s: float
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CardReport:
    """The state of the card.

    Attributes:
        state: ``loading``, ``ready``, ``moving``, ``released`` or ``lost``, as in ``HostState``.
        memory: The newest reading.
        sensors: The newest reading; None without a card.
        plan: Where the model lives, and why; None without a card.
        waiting: Jobs that wait.
        loading_s: How long a start takes about, while no model is loaded.
        errors: The last ones, oldest first.
        default_lora: The LoRA of requests that name none, where the report is read; empty for none, None if
            it is unknown.
        png: A picture of the last hour; empty before the first reading.
    """

    device_name: str
    state: str
    memory: Headroom
    sensors: CardSensors | None = None
    plan: PlanReason | None = None
    waiting: int = 0
    loading_s: float | None = None
    errors: tuple[WorkerError, ...] = ()
    default_lora: str | None = None
    png: bytes = field(default=b"", repr=False)
