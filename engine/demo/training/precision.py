"""The number format of training: bfloat16 on a card, float32 on a CPU.

On a CPU without bfloat16 instructions (AVX-512 BF16, AMX) a bfloat16 convolution is sixty times slower than
in
float32: two pictures through the VAE took 31 s instead of 0.5 s on two cores with AVX2.
"""

import torch


def working_dtype(device: torch.device) -> torch.dtype:
    """Return the dtype of activations on this device."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def working_precision(device: torch.device) -> torch.autocast:
    """Return a context in which float32 modules compute in :func:`working_dtype`."""
    dtype = working_dtype(device)
    return torch.autocast(device.type, dtype, enabled=dtype is not torch.float32)
