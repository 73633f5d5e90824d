"""Chooses the device and the number format, before any model library is imported."""

from dataclasses import dataclass

import torch

from engine.errors import ModelError


@dataclass(frozen=True, slots=True)
class Placement:
    """Device and number format of the model.

    Attributes:
        name: Readable name: ``NVIDIA H200``, ``CPU, 2 threads``.
        dtype_reason: Why this number format, for the log.
    """

    device: torch.device
    name: str
    dtype: torch.dtype
    dtype_reason: str

    @property
    def is_card(self) -> bool:
        """Whether it is a CUDA card."""
        return self.device.type == "cuda"


def choose_placement(wanted: str) -> Placement:
    """Resolve the ``device`` setting.

    Args:
        wanted: ``auto``, ``cuda``, ``cuda:1``, ``cpu``.

    Raises:
        ModelError: There is no such device. The host must change the setting or repair the driver.
    """
    has_card = torch.cuda.is_available()
    if wanted == "cpu" or (wanted == "auto" and not has_card):
        why = "required by the setting" if wanted == "cpu" else "no CUDA card is visible"
        name = f"CPU, {torch.get_num_threads()} threads"
        return Placement(
            torch.device("cpu"), name, torch.float32, f"{why}; processors are fastest in float32"
        )
    number = int(wanted.removeprefix("cuda:")) if wanted.startswith("cuda:") else 0
    if not has_card or number >= torch.cuda.device_count():
        raise ModelError(f"This machine has no device {wanted}.", device=wanted)
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    name = torch.cuda.get_device_name(device)
    major, minor = torch.cuda.get_device_capability(device)
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return Placement(device, name, torch.bfloat16, f"compute capability {major}.{minor} has bfloat16")
    # Not float16: Z-Image's activations overflow it and the pictures turn black.
    reason = f"compute capability {major}.{minor} has no bfloat16"
    return Placement(device, name, torch.float32, reason)
