"""The configuration of the engine: one frozen value, made from the bot's settings, and the plan in it.

The plan says where each part of the model lives on the card, and in which number format. The planner makes it
in the parent before anything is loaded; the worker carries it out.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

BUILT_IN = "built-in"
PUBLISHED = "Tongyi-MAI/Z-Image-Turbo"
PUBLISHED_COMMIT = "f332072aa78be7aecdf3ee76d5c247082da564a6"
"""The commit of ``PUBLISHED`` on the Hub that is used unless the settings name another; later commits up to
2026-11 changed no weights."""
PUBLISHED_COPY_BYTES = 12_400_000_000
"""What a converted copy of ``PUBLISHED`` takes on the disk."""
# What a worker holds on the card beside torch's tensors: CUDA's context, kernels, and gaps of the allocator.
# On an H200 a worker with a budget peaked 0.71 and 0.79 GiB above them (driver 580.159.04, 2026-11-29).
CONTEXT_BYTES = 800 * 2**20
AUTO = "auto"  # the precision that the planner chooses
# The largest picture that passes the VAE whole if there is memory for that: Z-Image-Turbo's largest one from
# noise. Larger ones pass it in strips on every card, so that neither their bits nor their need of memory
# depend on what is free.
WHOLE_VAE_PIXELS = 1024 * 1536
VAE_PARTS_SHARE = 0.5  # of the VAE's memory, in strips: two tensors of the widest layer instead of four
LORA_VERSIONS = "lora-versions"  # the folder of LoRA files that waiting jobs need, in ``data_dir``
PROMPTS = "prompts"  # the folder of embeddings of prompts, in ``data_dir``
TRITON_DIR = "TRITON_CACHE_DIR"  # the environment variable with the folder of Triton's kernels


class WeightFormat(StrEnum):
    """The number format of the transformer's large layers on the card.

    In an eight-bit format the text encoder's matrices are int8, too; everything else is in bfloat16.
    """

    BF16 = "bf16"
    FP8 = "fp8"
    INT8 = "int8"


def format_without_plan(precision: str) -> WeightFormat:
    """Return the format of the setting ``precision`` where there is no plan: ``auto`` is bf16 then."""
    return WeightFormat.BF16 if precision == AUTO else WeightFormat(precision)


class WeightLocation(StrEnum):
    """The memory that holds the transformer's pristine weights, or the text encoder's layers."""

    CARD = "card"  # pristine weights beside the merged copy, so a switch takes milliseconds
    PINNED = "pinned"  # page-locked main memory: what is needed passes over the link
    DISK = "disk"  # the checkpoint's files, for a machine with little main memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where the model lives.

    Attributes:
        weight_format: The format that the large layers are multiplied in.
        base: The location of the pristine weights. Unless it is the card, the card holds one merged copy.
        resident_blocks: The number of main blocks that keep their place on the card, spread evenly; the
            others are copied to it in every step. None keeps all. The worker adapts it to the free memory.
        encoder: The location of the text encoder.
        vae_in_parts: Whether pictures are decoded in parts, in less memory: strips, or the library's tiles.
        lora_cache_bytes: Limit of the LoRAs that are kept on the card.
        budget_bytes: The most that the worker may hold on the card; None for no limit but the card's.
    """

    weight_format: WeightFormat = WeightFormat.BF16
    base: WeightLocation = WeightLocation.CARD
    resident_blocks: int | None = None
    encoder: WeightLocation = WeightLocation.CARD
    vae_in_parts: bool = False
    lora_cache_bytes: int = 2**30
    budget_bytes: int | None = None

    @property
    def kind(self) -> str:
        """What decides the costs of a plan; budget and number of resident blocks only shift them."""
        blocks = "all blocks" if self.resident_blocks is None else "streamed blocks"
        decoder = ", tiles" if self.vae_in_parts else ""
        return f"{self.weight_format}, base {self.base}, {blocks}, encoder {self.encoder}{decoder}"

    @property
    def has_encoder_in_eight_bits(self) -> bool:
        """Whether the text encoder's weights are in int8: wherever they are, if the transformer is narrow."""
        return self.weight_format is not WeightFormat.BF16

    def has_vae_in_parts(self, width_px: int, height_px: int) -> bool:
        """Whether a picture of this size passes the VAE in parts."""
        return self.vae_in_parts or width_px * height_px > WHOLE_VAE_PIXELS


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """The model, the LoRAs, and how the engine may use the machine.

    Attributes:
        model: ``built-in``, a folder in diffusers' layout, or a Hub name: ``Tongyi-MAI/Z-Image-Turbo``.
        revision: The pinned commit of a Hub name; required for one, ignored otherwise.
        source: ``hub`` or ``modelscope``: the source of a Hub name.
        endpoint: The address of the source or its mirror; empty for the usual one.
        data_dir: The engine writes only below it: ``models/``, ``triton/``, ``prompts/``, ``cost.json``.
        lora_dir: The folder of the host's own LoRA files.
        device: ``auto``, ``cuda``, ``cuda:1``, ``cpu``.
        precision: ``bf16``, or ``fp8`` or ``int8`` for a card that multiplies in eight bits: faster, with
            slightly different pictures; ``auto`` for the planner's choice. A plan's ``weight_format`` counts
            instead, if there is a plan.
        plan: Where the model lives on the card; None puts everything on it.
        reserve_bytes: Memory kept free on the card for others.
        keeps_spare: Keep a second process with its libraries imported, so that a lost worker on a card is
            replaced in seconds; it takes about half a GiB of main memory.
        idle_release_s: After so long without a job a worker gives its card back, until the next; 0: never.
        start_timeout_s: How long a worker may take until it is ready.
        step_timeout_s: How long one denoising step may take before the worker counts as hung, while none was
            measured; then ten times a usual step, but at least 25 s, is enough.
    """

    data_dir: Path
    lora_dir: Path
    model: str = BUILT_IN
    revision: str = ""
    source: str = "hub"
    endpoint: str = ""
    device: str = "auto"
    precision: str = AUTO
    plan: Plan | None = None
    reserve_bytes: int = 512 * 2**20
    keeps_spare: bool = True
    idle_release_s: float = 900.0
    start_timeout_s: float = 300.0
    step_timeout_s: float = 120.0

    @property
    def lora_versions_dir(self) -> Path:
        """The folder of private copies of LoRA files that waiting jobs need."""
        return self.data_dir / LORA_VERSIONS

    @property
    def kernels_dir(self) -> Path:
        """The folder of the kernels that were built for the card."""
        return self.data_dir / "triton"
