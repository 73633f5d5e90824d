"""The small networks: Z-Image-Turbo's classes with small configurations, and their files on disk."""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3Model

HERE = Path(__file__).parent
WEIGHTS, LORAS, SPARE, PROBE = HERE / "weights", HERE / "loras", HERE / "spare", HERE / "probe.safetensors"
NATIVE = (128, 192)  # width, height in px
SHAPES = ((128, 192), (192, 128), (128, 128), (144, 160), (160, 144), (128, 160), (160, 128))
CARD = {
    "name": "Sugarbot built-in", "native_width_px": 128, "native_height_px": 192,
    "min_side_px": 128, "max_side_px": 192, "max_area_px": 128 * 192,
    "larger_strength": 0.06,  # trained at no larger size: at 0.1 necks get stripes, at 0.3 eyes are lost
}  # fmt: skip
SHIFT = 2.0  # the scheduler's; small pictures need less time at high noise than Z-Image-Turbo's 3.0 gives
STEPS = 8

VAE = {
    "latent_channels": 16, "block_out_channels": (48, 80, 112, 112), "layers_per_block": 1,
    "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
    "norm_num_groups": 16, "use_quant_conv": False, "use_post_quant_conv": False,
}  # fmt: skip
TRANSFORMER = {
    "dim": 256, "n_layers": 6, "n_refiner_layers": 1, "n_heads": 4, "n_kv_heads": 4, "cap_feat_dim": 160,
    "axes_dims": [16, 24, 24], "axes_lens": [1024, 32, 32],
}  # fmt: skip
# The pipeline reads the second-to-last layer, so two of the three layers have an effect.
TEXT = {
    "hidden_size": 160, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 40, "intermediate_size": 320, "max_position_embeddings": 512,
}  # fmt: skip


def new_vae() -> AutoencoderKL:
    """Make a VAE with random weights: 16 latent channels, an eighth of the size."""
    return AutoencoderKL(**VAE)


def new_transformer() -> ZImageTransformer2DModel:
    """Make a transformer with random weights. Its pad tokens start small and random."""
    transformer = ZImageTransformer2DModel(**TRANSFORMER)
    for block in [*transformer.layers, *transformer.noise_refiner]:
        nn.init.zeros_(block.adaLN_modulation[0].weight)
        nn.init.zeros_(block.adaLN_modulation[0].bias)
        block.adaLN_modulation[0].bias.data.unflatten(0, (4, -1))[[1, 3]] = 0.5  # the gates start half open
    head = transformer.all_final_layer["2-1"]
    nn.init.zeros_(head.linear.weight)
    nn.init.zeros_(head.linear.bias)
    nn.init.normal_(transformer.x_pad_token, std=0.02)
    nn.init.normal_(transformer.cap_pad_token, std=0.02)
    return transformer


def new_text_encoder(tokens: int) -> Qwen3Model:
    """Make a text encoder with random weights for a vocabulary of ``tokens``."""
    return Qwen3Model(Qwen3Config(vocab_size=tokens, **TEXT))


def save_pipeline(
    folder: Path, vae: AutoencoderKL, transformer: ZImageTransformer2DModel, text_encoder: Qwen3Model,
    tokenizer: PreTrainedTokenizerFast,
) -> None:  # fmt: skip
    """Write a folder for ``ZImagePipeline.from_pretrained`` in bfloat16, with ``sugarbot.json``."""
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=SHIFT)
    for part in (vae, transformer, text_encoder):
        nn.Module.to(part, torch.bfloat16)
    ZImagePipeline(scheduler, vae, text_encoder, tokenizer, transformer).save_pretrained(folder)
    (folder / "sugarbot.json").write_text(json.dumps(CARD, indent=2) + "\n", encoding="utf-8")


def load_pipeline(folder: Path = WEIGHTS, device: str = "cpu") -> ZImagePipeline:
    """Load the built-in model with diffusers, in float32."""
    pipe = ZImagePipeline.from_pretrained(str(folder), dtype=torch.float32).to(device)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def to_latents(vae: AutoencoderKL, moments_mean: Tensor) -> Tensor:
    """The VAE's latents → the transformer's, with mean 0 and standard deviation 1."""
    latents: Tensor = (moments_mean - vae.config.shift_factor) * vae.config.scaling_factor
    return latents
