"""What the planner reads and what it answers: frozen values in bytes and seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from engine.checkpoint.part_sizes import ModelSizes
from engine.config import Plan, WeightFormat

WantedSize = tuple[int, int]  # width and height in pixels

LANE_BYTES_S = {1: 0.25e9, 2: 0.5e9, 3: 0.985e9, 4: 1.969e9, 5: 3.938e9, 6: 7.563e9}  # PCI-SIG, one lane
LINK_SHARE = (
    0.8  # of the lanes' rate reaches memory: 0.79 on a 4.0 x16 card, 0.87 measured on an H200's 5.0 x16
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRates:
    """What a card sustains.

    Attributes:
        bf16_flops: Operations a second of a matrix product in bf16.
        fp8_flops, int8_flops: The same in eight bits; 0 if the card cannot multiply in that format.
        memory_bytes_s: Data-sheet rate of the card's memory.
        source: Where the figures are from.
    """

    bf16_flops: float
    fp8_flops: float
    int8_flops: float
    memory_bytes_s: float
    source: str

    def flops(self, weight_format: WeightFormat) -> float:
        """Return the rate for weights of this format."""
        match weight_format:
            case WeightFormat.BF16:
                return self.bf16_flops
            case WeightFormat.FP8:
                return self.fp8_flops
            case WeightFormat.INT8:
                return self.int8_flops


@dataclass(frozen=True, slots=True, kw_only=True)
class CardInfo:
    """One card, as it is now.

    Attributes:
        name: For people: ``NVIDIA A10``.
        total_bytes: The card's memory.
        free_bytes: What our worker may hold of it now: free, plus what the worker holds already, less the
            reserve for others.
        pcie_generation, pcie_width: Of the link that the slot allows.
    """

    name: str
    total_bytes: int
    free_bytes: int
    pcie_generation: int
    pcie_width: int
    rates: CardRates

    @property
    def link_bytes_s(self) -> float:
        """The rate of copies from page-locked main memory to the card."""
        return LANE_BYTES_S[self.pcie_generation] * self.pcie_width * LINK_SHARE

    def with_free(self, free_bytes: int) -> "CardInfo":
        """Return the card with so much free for our worker."""
        return replace(self, free_bytes=max(0, free_bytes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that a plan depends on.

    Attributes:
        ram_free_bytes: Main memory that the worker may use, with what it holds already.
        sizes: The picture sizes to serve, the most usual first.
        formats: The formats that the host allows; among several, bf16 comes first where it fits.
    """

    card: CardInfo
    ram_free_bytes: int
    model: ModelSizes
    sizes: tuple[WantedSize, ...]
    formats: frozenset[WeightFormat] = frozenset({WeightFormat.BF16})
    steps: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What one picture of a size takes under a plan.

    Attributes:
        resident_blocks: The main blocks that keep their place on the card meanwhile; the others are streamed.
        bytes: The most that the worker holds, as the driver counts it.
        step_s: One denoising step.
        picture_s: A picture with the prompt and the LoRA of the previous one.
        prompt_s: What a new prompt adds.
        lora_s: What a LoRA adds that must be read from its file and merged.
    """

    size: WantedSize
    resident_blocks: int
    bytes: int
    step_s: float
    picture_s: float
    prompt_s: float
    lora_s: float

    @property
    def first_s(self) -> float:
        """A picture with a new prompt and a new LoRA."""
        return self.picture_s + self.prompt_s + self.lora_s


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacementOption:
    """A plan and what it takes.

    Attributes:
        predictions: One for each size of the situation, in its order.
        streamed_bytes: What passes over the link in each step of a picture of the first size.
        ram_bytes: Main memory that it needs.
        expected_s: Mean seconds of a picture, if most have the first size, and prompts and LoRAs change now
            and then.
    """

    plan: Plan
    predictions: tuple[Prediction, ...]
    streamed_bytes: int
    ram_bytes: int
    expected_s: float

    @property
    def bytes(self) -> int:
        """The most that any size takes."""
        return max(each.bytes for each in self.predictions)


@dataclass(frozen=True, slots=True)
class PlanReason:
    """Why a plan was chosen, as data; ``bot.messages.plans`` has the sentences.

    Attributes:
        code: The layout: ``two_copies``, ``one_copy``, ``one_copy_disk``, ``streamed``, ``streamed_disk``.
        facts: ``format``, ``encoder``, ``seconds``, ``size``, ``resident``, ``blocks``, ``largest`` …
        hint: ``""``; ``eight_bits``: eight bits were chosen, because bf16 does not fit and takes ``bf16_s``;
            ``allow_eight_bits``: bf16 takes more than 1.3 times as long as ``other`` with ``other_s``;
            ``no_units``: the card cannot multiply in the ``wanted`` format.
    """

    code: str
    facts: Mapping[str, object] = field(default_factory=dict)
    hint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The answer: a plan that fits.

    Attributes:
        sizes: The wanted sizes that fit; the others are refused.
        alternatives: The other plans that fit, fastest first; at most one for each layout and format.
    """

    option: PlacementOption
    reason: PlanReason
    sizes: tuple[WantedSize, ...]
    alternatives: tuple[PlacementOption, ...] = ()

    @property
    def plan(self) -> Plan:
        """The plan itself."""
        return self.option.plan


@dataclass(frozen=True, slots=True, kw_only=True)
class NoPlan:
    """The answer: nothing fits, not even the smallest plan at the smallest wanted size.

    Attributes:
        missing_bytes: How much more the card must have free.
        advice: ``close_programs``: the card is large enough; ``allow_int8``: an eight-bit format would fit;
            ``larger_card``: it would not fit if the card were empty.
    """

    needed_bytes: int
    missing_bytes: int
    advice: str
