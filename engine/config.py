"""What the engine is told at start: one frozen value, handed down from the bot's settings."""

from dataclasses import dataclass
from pathlib import Path

BUILT_IN = "built-in"
TRITON_DIR = "TRITON_CACHE_DIR"  # the environment variable by which Triton is told where its kernels lie


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Where the engine finds its model and LoRAs, and how it may use the machine.

    Attributes:
        model: ``built-in``, a folder in diffusers' layout, or a Hub name: ``Tongyi-MAI/Z-Image-Turbo``.
        revision: The pinned commit of a Hub name; required for one, ignored otherwise.
        source: ``hub`` or ``modelscope``: where a Hub name is fetched from.
        data_dir: Everything the engine writes lies below: ``models/``, ``triton/``, ``cost.json``.
        lora_dir: The shelf of the host's own LoRA files.
        device: ``auto``, ``cuda``, ``cuda:1``, ``cpu``.
        precision: ``bf16``, or ``fp8`` for a card that multiplies in eight bits: faster, and another picture.
        reserve_bytes: Memory kept free on the card for others.
        start_timeout_s: How long a worker may take until it is ready.
        step_timeout_s: How long one denoising step may take before the worker counts as hung.
    """

    data_dir: Path
    lora_dir: Path
    model: str = BUILT_IN
    revision: str = ""
    source: str = "hub"
    device: str = "auto"
    precision: str = "bf16"
    reserve_bytes: int = 512 * 2**20
    start_timeout_s: float = 300.0
    step_timeout_s: float = 120.0

    @property
    def kernels_dir(self) -> Path:
        """Where the card's kernels are kept once they are built."""
        return self.data_dir / "triton"
