"""How much memory of the card a picture may use now, and how much it will use."""

from typing import Protocol

import torch

from engine.config import CONTEXT_BYTES, VAE_PARTS_SHARE
from engine.formatting import GIB, MIB

# Of one picture, beside everything that stays on the card; measured on an H200: peaks of 0.7, 0.9 and 1.8 GiB
# above the weights and one LoRA at 512 x 512, 512 x 768 and 1024 x 1024.
FIXED_BYTES = 300 * MIB  # work space of the products, recorded steps, embeddings
BYTES_A_TOKEN = 110_000  # of a step: the opened feed-forward is the widest
BYTES_A_PIXEL = 1_600  # of the decoder
PIXELS_A_TOKEN = 256
CAPTION_TOKENS = 512  # of the longest prompt
RATE = 0.1  # part of an overestimate that one picture corrects; an underestimate is corrected at once


class MemoryReading(Protocol):
    """The memory of one device, read now."""

    def room_bytes(self) -> int | None:
        """Return what torch may still allocate; None on a device whose memory is not measured."""

    def held_bytes(self) -> int:
        """Return what torch has allocated."""

    def forget_peak(self) -> None:
        """Let the peak of the present job be the most that is allocated from now on."""


class TorchMemory:
    """The memory of a card: what the driver has free, and what torch holds but does not use.

    Args:
        device: The card.
        budget_bytes: The most that this process may hold, the driver's context included; None for no limit.
            Torch then refuses to allocate more.
    """

    def __init__(self, device: torch.device, budget_bytes: int | None = None) -> None:
        self._device = device
        self._budget_bytes = None
        if budget_bytes is not None:
            total = torch.cuda.mem_get_info(device)[1]
            self._budget_bytes = min(total, max(0, budget_bytes - CONTEXT_BYTES))
            torch.cuda.set_per_process_memory_fraction(self._budget_bytes / total, device)

    def held_bytes(self) -> int:
        """Return what torch has allocated."""
        return torch.cuda.memory_allocated(self._device)

    def room_bytes(self) -> int:
        """Return what torch may still allocate."""
        used = self.held_bytes()
        room = torch.cuda.mem_get_info(self._device)[0] + torch.cuda.memory_reserved(self._device) - used
        return room if self._budget_bytes is None else min(room, self._budget_bytes - used)

    def forget_peak(self) -> None:
        """Let the peak of the present job be the most that is allocated from now on."""
        torch.cuda.reset_peak_memory_stats(self._device)


class UnmeasuredMemory:
    """The memory of a processor: pictures are small, so nothing is measured."""

    def held_bytes(self) -> int:
        """Return nothing."""
        return 0

    def room_bytes(self) -> None:
        """Return None."""

    def forget_peak(self) -> None:
        """Do nothing."""


def memory_of(device: torch.device, budget_bytes: int | None) -> MemoryReading:
    """Return the memory of a device; on a card, limit it."""
    return TorchMemory(device, budget_bytes) if device.type == "cuda" else UnmeasuredMemory()


class ActivationEstimate:
    """Predicts the memory of a picture beside the weights, and learns from the peaks of earlier pictures."""

    def __init__(self) -> None:
        self._factor = {False: 1.0, True: 1.0}  # whether the decoder is lean → measured ÷ predicted

    def of(self, width_px: int, height_px: int, *, is_lean: bool) -> int:
        """Return the bytes of a picture of this size."""
        return round(_prior(width_px * height_px, is_lean) * self._factor[is_lean])

    def learn(self, width_px: int, height_px: int, used_bytes: int, *, is_lean: bool) -> None:
        """Note what a picture of this size took."""
        factor, known = used_bytes / _prior(width_px * height_px, is_lean), self._factor[is_lean]
        self._factor[is_lean] = max(factor, known - RATE * (known - factor))


def _prior(pixels: int, is_lean: bool) -> float:
    tokens = pixels / PIXELS_A_TOKEN + CAPTION_TOKENS
    decoder = pixels * BYTES_A_PIXEL * (VAE_PARTS_SHARE if is_lean else 1)
    return FIXED_BYTES + max(tokens * BYTES_A_TOKEN, decoder)


def fitting_blocks(room_bytes: int, block_bytes: int, blocks: int, ring: int) -> int:
    """Return how many blocks can keep a slot of their own.

    Args:
        room_bytes: For all slots, those of the ring included.
        block_bytes: Of one slot.
        blocks: Number of blocks.
        ring: Number of slots that the other blocks share.
    """
    if room_bytes >= blocks * block_bytes:
        return blocks
    return max(0, min(blocks - ring - 1, room_bytes // block_bytes - ring))


GROWTH_MARGIN = GIB // 4  # more than that must be free before something takes more memory
