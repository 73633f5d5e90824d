"""A checkpoint folder → a diffusers pipeline on its device, in the number format that suits it.

Only local files and only safetensors are read; nothing is fetched and nothing unpickled.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import ZImagePipeline
from safetensors import SafetensorError

from engine.errors import ModelError, ModelIncomplete, ModelTooLarge
from engine.zimage.forward.weights import require_known
from engine.zimage.quiet import hush
from engine.zimage.room import first_line

# What the libraries raise for a folder that is not what they expect; they have no error of their own for it.
_UNLOADABLE = (
    OSError,
    SafetensorError,
    RuntimeError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
)


@dataclass(frozen=True, slots=True)
class Place:
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


def choose_place(wanted: str) -> Place:
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
        return Place(torch.device("cpu"), name, torch.float32, f"{why}; processors are fastest in float32")
    number = int(wanted.removeprefix("cuda:")) if wanted.startswith("cuda:") else 0
    if not has_card or number >= torch.cuda.device_count():
        raise ModelError(f"There is no device {wanted} here.", device=wanted)
    device = torch.device("cuda", number)
    torch.cuda.set_device(device)
    name = torch.cuda.get_device_name(device)
    major, minor = torch.cuda.get_device_capability(device)
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return Place(device, name, torch.bfloat16, f"compute capability {major}.{minor} has bfloat16")
    # Float16 is no way out: Z-Image's activations leave its range and the pictures turn black.
    reason = f"compute capability {major}.{minor} has no bfloat16"
    return Place(device, name, torch.float32, reason)


def load_pipeline(folder: Path, place: Place) -> Any:
    """Load every part of the checkpoint and put it on the device.

    Returns:
        A ``ZImagePipeline`` (untyped: diffusers carries no types) that only draws: no gradients, no bars.

    Raises:
        ModelIncomplete: Parts are missing, damaged or of other classes. Facts: ``folder``, ``detail``.
        ModelTooLarge: The device has no room for the weights now. Facts: ``device``, ``detail``.
    """
    hush()
    try:
        pipeline = ZImagePipeline.from_pretrained(
            folder,
            dtype=place.dtype,
            local_files_only=True,
            use_safetensors=True,
            low_cpu_mem_usage=True,  # weights go straight into place: one copy in memory, not two
        )
        require_known(pipeline.transformer)
    except torch.OutOfMemoryError as error:
        raise _too_large(place, error) from error
    except _UNLOADABLE as error:
        detail = f"{type(error).__name__}: {error}"
        raise ModelIncomplete(
            f"{folder} cannot be loaded. {detail}", folder=str(folder), detail=detail
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    try:
        for part in (pipeline.text_encoder, pipeline.transformer, pipeline.vae):
            part.requires_grad_(False).eval().to(place.device)
    except torch.OutOfMemoryError as error:
        raise _too_large(place, error) from error
    return pipeline


def _too_large(place: Place, error: torch.OutOfMemoryError) -> ModelTooLarge:
    detail = first_line(error)
    return ModelTooLarge(f"{place.name}: {detail}", device=str(place.device), detail=detail)


def weights_bytes(pipeline: Any) -> int:
    """Memory of all parameters and buffers."""
    parts = (pipeline.text_encoder, pipeline.transformer, pipeline.vae)
    return sum(tensor.nbytes for part in parts for tensor in (*part.parameters(), *part.buffers()))
