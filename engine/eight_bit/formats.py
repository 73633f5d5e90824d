"""The two 8-bit formats, and which layers of a model are in one."""

from collections.abc import Collection
from typing import NamedTuple

import structlog
import torch

from engine.config import WeightFormat
from engine.eight_bit.supported import is_supported

LARGEST_GROUP = 256  # numbers that are rotated together: ConvRot's group
SCALE_FLOOR = 1e-12  # of a row's largest number, so that a row of zeros is not divided by zero

log = structlog.get_logger("engine.forward")


class EightBitFormat(NamedTuple):
    """A number format of eight bits.

    Attributes:
        name: As the settings name it.
        dtype: Of the values.
        largest: The largest value.
        is_rotated: Whether weights and inputs are rotated first.
        side_multiple: On a card, both sides of a weight must be multiples of this.
    """

    name: WeightFormat
    dtype: torch.dtype
    largest: float
    is_rotated: bool
    side_multiple: int

    def group(self, width: int) -> int:
        """Return how many neighbouring numbers of a row are rotated together; 1 means no rotation.

        Args:
            width: Of the row. The group is the largest power of two in it, at most 256: 256 in 3840 and
                10240, the widths of Z-Image, and 2 in 682, the inner width of the built-in model.
        """
        return min(width & -width, LARGEST_GROUP) if self.is_rotated else 1


FP8 = EightBitFormat(WeightFormat.FP8, torch.float8_e4m3fn, 448.0, is_rotated=False, side_multiple=16)
INT8 = EightBitFormat(WeightFormat.INT8, torch.int8, 127.0, is_rotated=True, side_multiple=8)
EIGHT_BIT = {each.name: each for each in (FP8, INT8)}
_BY_DTYPE = {each.dtype: each for each in (FP8, INT8)}


class EightBitLayers(NamedTuple):
    """The layers of a model that are in an 8-bit format; none without a format."""

    format: EightBitFormat | None = None
    names: Collection[str] = ()

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __bool__(self) -> bool:
        return bool(self.names)

    def dtype_of(self, layer: str, otherwise: torch.dtype) -> torch.dtype:
        """Return the number format of a layer's weight; ``otherwise`` is that of the others."""
        return self.format.dtype if self.format is not None and layer in self.names else otherwise


NO_LAYERS = EightBitLayers()


def format_of(dtype: torch.dtype) -> EightBitFormat | None:
    """Return the format whose values are in ``dtype``, or None."""
    return _BY_DTYPE.get(dtype)


def can_multiply(weight_format: WeightFormat, device: torch.device) -> bool:
    """Return whether the device multiplies in this format; eight bits need a card that has them."""
    if weight_format not in EIGHT_BIT:
        return True
    return device.type == "cuda" and is_supported(weight_format, torch.cuda.get_device_capability(device))


def usable_format(wanted: WeightFormat, device: torch.device) -> WeightFormat:
    """Return the wanted format if the device multiplies in it; otherwise bf16, with a warning.

    Args:
        wanted: From the plan or the settings.
        device: The model's.
    """
    if can_multiply(wanted, device):
        return wanted
    log.warning(
        f"this device cannot multiply in {wanted}: pictures are drawn in full precision", format=str(wanted)
    )
    return WeightFormat.BF16
