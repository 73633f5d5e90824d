"""Where the model runs, and in which numbers; decided before any library of models is imported."""

from dataclasses import dataclass

import torch

from engine.errors import ModelError


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the model runs, and in which numbers.

    Attributes:
        name: For people: ``NVIDIA H200``, ``CPU, 2 threads``.
        dtype_reason: Why this format, for the log.
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
    """Turn the ``device`` setting into a place.

    Args:
        wanted: ``auto``, ``cuda``, ``cuda:1``, ``cpu``.

    Raises:
        ModelError: There is no such device; the host changes the setting or mends the driver.
    """
    has_card = torch.cuda.is_available()
    if wanted == "cpu" or (wanted == "auto" and not has_card):
        why = "asked for by the setting" if wanted == "cpu" else "no CUDA card is visible"
        name = f"CPU, {torch.get_num_threads()} threads"
        return Placement(
            torch.device("cpu"), name, torch.float32, f"{why}; processors are fastest in float32"
        )
    number = int(wanted.removeprefix("cuda:")) if wanted.startswith("cuda:") else 0
    if not has_card or number >= torch.cuda.device_count():
        raise ModelError(f"There is no device {wanted} here.", device=wanted)
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    name = torch.cuda.get_device_name(device)
    major, minor = torch.cuda.get_device_capability(device)
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return Placement(device, name, torch.bfloat16, f"compute capability {major}.{minor} has bfloat16")
    # Float16 is no way out: Z-Image's activations leave its range and the pictures turn black.
    reason = f"compute capability {major}.{minor} has no bfloat16"
    return Placement(device, name, torch.float32, reason)
