"""The operations of ``fusions`` in torch, for any device; the kernels are tested against these."""

import torch
import torch.nn.functional as nn
from torch import Tensor

from engine.zimage.forward.packing import Rows

EPSILON = 1e-5  # of every RMS norm in Z-Image


def norm(x: Tensor, weight: Tensor, scale: Tensor | None, rows: Rows) -> Tensor:
    """See ``Fusions.norm``."""
    normed = nn.rms_norm(x, weight.shape, weight, EPSILON)
    return normed if scale is None else normed * rows.spread(1 + scale)


def add(x: Tensor, y: Tensor, weight: Tensor, gate: Tensor | None, rows: Rows) -> Tensor:
    """See ``Fusions.add``."""
    normed = nn.rms_norm(y, weight.shape, weight, EPSILON)
    return x + (normed if gate is None else normed * rows.spread(gate.tanh()))


def add_norm(
    x: Tensor,
    y: Tensor,
    weight: Tensor,
    gate: Tensor | None,
    next_weight: Tensor,
    next_scale: Tensor | None,
    rows: Rows,
) -> tuple[Tensor, Tensor]:
    """See ``Fusions.add_norm``."""
    added = add(x, y, weight, gate, rows)
    return added, norm(added, next_weight, next_scale, rows)


def apply_rope(qkv: Tensor, norms: Tensor, rotations: Tensor) -> Tensor:
    """See ``Fusions.apply_rope``."""
    head = norms.shape[-1]
    parts = qkv.view(len(qkv), 3, -1, head)
    both = nn.rms_norm(parts[:, :2], (head,), eps=EPSILON) * norms[:, None]
    even, odd = both.float().view(*both.shape[:-1], -1, 2).unbind(-1)
    cos, sin = rotations[:, :, None, None]
    rotated = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
    return torch.cat([rotated.flatten(-2).to(qkv.dtype), parts[:, 2:]], dim=1)


def swiglu(opened: Tensor) -> Tensor:
    """See ``Fusions.swiglu``."""
    gate, value = opened.chunk(2, dim=-1)
    return nn.silu(gate) * value


def pack(x: Tensor) -> Tensor:
    """See ``Fusions.pack``."""
    return x
