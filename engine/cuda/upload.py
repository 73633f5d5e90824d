"""Host memory → device, without waiting for what the card still has to do."""

import torch
from torch import Tensor


def upload(tensor: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor in its turn of the card's work, and return at once.

    A copy from ordinary memory would wait until the card has done everything before it, and the card would
    then wait for this process.
    """
    if device.type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
