"""The configuration of the engine: one frozen value, made from the bot's settings."""

from dataclasses import dataclass
from pathlib import Path

BUILT_IN = "built-in"
TRITON_DIR = "TRITON_CACHE_DIR"  # the environment variable with the folder of Triton's kernels


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """The model, the LoRAs, and how the engine may use the machine.

    Attributes:
        model: ``built-in``, a folder in diffusers' layout, or a Hub name: ``Tongyi-MAI/Z-Image-Turbo``.
        revision: The pinned commit of a Hub name; required for one, ignored otherwise.
        source: ``hub`` or ``modelscope``: the source of a Hub name.
        data_dir: The engine writes only below it: ``models/``, ``triton/``, ``cost.json``.
        lora_dir: The folder of the host's own LoRA files.
        device: ``auto``, ``cuda``, ``cuda:1``, ``cpu``.
        precision: ``bf16``, or ``fp8`` for a card that multiplies in eight bits: faster, with other pictures.
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
        """The folder of the kernels that were built for the card."""
        return self.data_dir / "triton"
