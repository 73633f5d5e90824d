"""Makes a pipeline with Z-Image-Turbo's exact configuration and random weights, and random LoRAs."""

from collections.abc import Callable
from typing import Any, TypeVar

import diffusers
import torch
import transformers
from diffusers import (
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from torch import Tensor
from transformers import AutoTokenizer, Qwen3Config, Qwen3Model

from engine.checkpoint.model import BUILT_IN_WEIGHTS
from engine.lora.adapter import Adapter, convert
from engine.lora.patches import Matrices
from engine.lora.updates import FileUpdates, LowRank, Update

# transformer/config.json of Z-Image-Turbo; 6,154,908,736 parameters.
TURBO: dict[str, Any] = {
    "in_channels": 16, "dim": 3840, "n_layers": 30, "n_refiner_layers": 2, "n_heads": 30, "n_kv_heads": 30,
    "norm_eps": 1e-5, "qk_norm": True, "cap_feat_dim": 2560, "rope_theta": 256.0, "t_scale": 1000.0,
    "axes_dims": [32, 48, 48], "axes_lens": [1536, 512, 512],
}  # fmt: skip
# All widths, also the feed-forward's 512, are multiples of 16, so that it can be drawn in fp8.
TINY = TURBO | {
    "dim": 192, "n_layers": 2, "n_refiner_layers": 1, "n_heads": 6, "n_kv_heads": 6, "cap_feat_dim": 64,
    "axes_dims": [8, 12, 12],
}  # fmt: skip
# text_encoder/config.json: Qwen3-4B, 4,022,468,096 parameters with the embedding.
QWEN: dict[str, Any] = {
    "vocab_size": 151936, "hidden_size": 2560, "intermediate_size": 9728, "num_hidden_layers": 36,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "max_position_embeddings": 40960,
    "rope_theta": 1_000_000,
}  # fmt: skip
TINY_QWEN = QWEN | {
    "vocab_size": 512, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32,
}  # fmt: skip
# vae/config.json: 83,819,683 parameters.
VAE: dict[str, Any] = {
    "down_block_types": ["DownEncoderBlock2D"] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [128, 256, 512, 512], "layers_per_block": 2, "latent_channels": 16,
    "sample_size": 1024, "scaling_factor": 0.3611, "shift_factor": 0.1159, "use_quant_conv": False,
    "use_post_quant_conv": False,
}  # fmt: skip
TINY_VAE = VAE | {"block_out_channels": [32] * 4, "layers_per_block": 1}
# The limits that engine.checkpoint.model gives Z-Image-Turbo, and small ones for the tiny model.
LIMITS: dict[str, Any] = {
    "native_width_px": 512, "native_height_px": 768, "min_side_px": 256, "max_side_px": 1536,
    "max_area_px": 1024 * 1536,
}  # fmt: skip
TINY_LIMITS: dict[str, Any] = {
    "native_width_px": 64, "native_height_px": 96, "min_side_px": 32, "max_side_px": 192,
    "max_area_px": 128 * 192,
}  # fmt: skip
SHIFT = 3.0  # scheduler/scheduler_config.json
SPREAD = 0.02  # of a LoRA's random numbers: changes the result without dominating it


Model = TypeVar("Model", bound=torch.nn.Module)


def random_pipeline(device: torch.device, dtype: torch.dtype, *, is_tiny: bool = False) -> ZImagePipeline:
    """Make a pipeline on its device: 20.5 GB in bfloat16. It uses the built-in model's tokenizer.

    Args:
        device: The device on which the weights are created.
        dtype: The number format in which they are created.
        is_tiny: The same layout in a few MB, to try a script without a card.
    """
    text, vae = (TINY_QWEN, TINY_VAE) if is_tiny else (QWEN, VAE)
    return ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=SHIFT),
        vae=_made(lambda: AutoencoderKL(**vae), device, dtype),
        text_encoder=_made(lambda: Qwen3Model(Qwen3Config(**text)), device, dtype),
        tokenizer=AutoTokenizer.from_pretrained(BUILT_IN_WEIGHTS / "tokenizer"),
        transformer=random_transformer(TINY if is_tiny else TURBO, device, dtype),
    )


def random_transformer(
    config: dict[str, Any], device: torch.device, dtype: torch.dtype
) -> ZImageTransformer2DModel:
    """Make a transformer on its device and in its number format; full size is 12.3 GB in bfloat16."""
    return _made(lambda: ZImageTransformer2DModel(**config), device, dtype)


def _made(make: Callable[[], Model], device: torch.device, dtype: torch.dtype) -> Model:
    torch.manual_seed(0)
    usual = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            model = make()
    finally:
        torch.set_default_dtype(usual)
    return model.requires_grad_(False).eval()


def random_lora(matrices: Matrices, seed: int, rank: int) -> Adapter:
    """Make a LoRA on every linear layer."""
    weight = next(iter(matrices.values())).weight
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * SPREAD

    pairs = {
        part: LowRank(numbers(rank, matrix.weight.shape[1]), numbers(len(matrix.weight[rows]), rank))
        for matrix in matrices.values()
        for part, rows in matrix.parts.items()
    }
    updates = FileUpdates({part: Update((pair,)) for part, pair in pairs.items()})
    bases = {part: matrix.weight[rows] for matrix in matrices.values() for part, rows in matrix.parts.items()}
    return convert(updates, weight.dtype, bases.__getitem__, is_pinned=weight.is_cuda).on(weight.device)


def as_file(adapter: Adapter) -> dict[str, Tensor]:
    """Return the same LoRA in the library's layout."""
    tensors: dict[str, Tensor] = {}
    for part, pair in adapter.pairs.items():
        tensors[f"transformer.{part}.lora_A.weight"] = pair.down
        tensors[f"transformer.{part}.lora_B.weight"] = pair.up
    return tensors


def silence_libraries() -> None:
    """Let diffusers and transformers log errors only, and show no progress bars."""
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
