"""A transformer with Z-Image-Turbo's exact configuration and random weights, and random LoRAs for it."""

from typing import Any

import torch
from diffusers import ZImageTransformer2DModel
from torch import Tensor

from engine.lora.bank import convert
from engine.lora.formats import Pair
from engine.lora.ways import Adapter, Matrices

# transformer/config.json of Z-Image-Turbo; 6,154,908,736 parameters.
TURBO: dict[str, Any] = {
    "in_channels": 16, "dim": 3840, "n_layers": 30, "n_refiner_layers": 2, "n_heads": 30, "n_kv_heads": 30,
    "norm_eps": 1e-5, "qk_norm": True, "cap_feat_dim": 2560, "rope_theta": 256.0, "t_scale": 1000.0,
    "axes_dims": [32, 48, 48], "axes_lens": [1536, 512, 512],
}  # fmt: skip
TINY = TURBO | {
    "dim": 128, "n_layers": 2, "n_refiner_layers": 1, "n_heads": 4, "n_kv_heads": 4, "cap_feat_dim": 64,
    "axes_dims": [8, 12, 12],
}  # fmt: skip
SPREAD = 0.02  # of a LoRA's random numbers: enough to change the result, not enough to drown it


def random_transformer(
    config: dict[str, Any], device: torch.device, dtype: torch.dtype
) -> ZImageTransformer2DModel:
    """Make one, on its device and in its number format from the start: full size is 12.3 GB in bfloat16."""
    torch.manual_seed(0)
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            transformer = ZImageTransformer2DModel(**config)
    finally:
        torch.set_default_dtype(usual)
    return transformer.requires_grad_(False).eval()


def random_lora(matrices: Matrices, seed: int, rank: int) -> Adapter:
    """A LoRA on every linear layer."""
    weight = next(iter(matrices.values())).weight
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * SPREAD

    pairs = {
        part: Pair(numbers(rank, matrix.weight.shape[1]), numbers(len(matrix.weight[rows]), rank))
        for matrix in matrices.values()
        for part, rows in matrix.parts.items()
    }
    return convert(pairs, weight.dtype, is_pinned=weight.is_cuda).on(weight.device)


def as_file(adapter: Adapter) -> dict[str, Tensor]:
    """The same LoRA as the library reads it."""
    tensors: dict[str, Tensor] = {}
    for part, pair in adapter.pairs.items():
        tensors[f"transformer.{part}.lora_A.weight"] = pair.down
        tensors[f"transformer.{part}.lora_B.weight"] = pair.up
    return tensors
