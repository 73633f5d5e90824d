"""What a course computes in: bfloat16 on a card, float32 on a CPU.

A CPU without bfloat16 instructions (AVX-512 BF16, AMX) has a convolution for them that is sixty times slower
than its float32 one: two pictures through the VAE took 31 s instead of 0.5 s on two cores with AVX2 alone.
"""

import torch


def working_dtype(device: torch.device) -> torch.dtype:
    """The dtype that activations have on this device."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def working_precision(device: torch.device) -> torch.autocast:
    """A context in which float32 modules compute in :func:`working_dtype`."""
    dtype = working_dtype(device)
    return torch.autocast(device.type, dtype, enabled=dtype is not torch.float32)
