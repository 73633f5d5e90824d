"""The transformer's forward on whole batches, with the same result as the library's.

The library processes a batch picture by picture, which is too slow for thousands of training steps. Here all
captions of a batch are padded to one length, as the library pads a caption of that length, so no mask is
needed. ``tests/integration/demo`` compares the two.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as nn
from diffusers import ZImageTransformer2DModel
from diffusers.models.transformers.transformer_z_image import ZImageTransformerBlock
from torch import Tensor

BlockFunction = Callable[[ZImageTransformerBlock, Tensor, Tensor, Tensor | None], Tensor]
CAPTION_STEP = 32  # captions are padded to a multiple of this; Z-Image's own number


def padded_length(length: int) -> int:
    """Return a caption's length in tokens after padding."""
    return -(-length // CAPTION_STEP) * CAPTION_STEP


def batched_forward(
    transformer: ZImageTransformer2DModel, latents: Tensor, times: Tensor, captions: Tensor, lengths: Tensor,
    block: BlockFunction | None = None,
) -> Tensor:  # fmt: skip
    """Predict ``clean - noise`` for a batch.

    Args:
        transformer: Of the library's class, LoRA layers allowed.
        latents: float [B, 16, h, w]; (h / 2) · (w / 2) may be any number.
        times: float [B], 1 - sigma: 0 is noise, 1 is a picture.
        captions: float [B, L, D], L a multiple of 32; tokens past a caption's length are ignored.
        lengths: int [B], tokens of each caption.
        block: :func:`run_block`, or the same compiled.

    Returns:
        float [B, 16, h, w].
    """
    run = block or run_block
    batch, channels, height, width = latents.shape
    rows, columns = height // 2, width // 2
    caption_tokens = captions.shape[1]
    adaln = transformer.t_embedder(times * transformer.t_scale)
    patches = latents.view(batch, channels, rows, 2, columns, 2).permute(0, 2, 4, 3, 5, 1)
    x = transformer.all_x_embedder["2-1"](patches.reshape(batch, rows * columns, 4 * channels))
    picture_pad = -(rows * columns) % CAPTION_STEP
    if picture_pad:
        x = torch.cat([x, transformer.x_pad_token.to(x.dtype).expand(batch, picture_pad, -1)], 1)
    rotations = _rotations(transformer, (rows, columns, picture_pad, caption_tokens), latents.device)
    picture_rotations, caption_rotations = rotations[:, : x.shape[1]], rotations[:, x.shape[1] :]
    for layer in transformer.noise_refiner:
        x = run(layer, x, picture_rotations, adaln)
    caption = transformer.cap_embedder(captions)
    past = torch.arange(caption_tokens, device=captions.device)[None] >= lengths[:, None]
    caption = torch.where(past[..., None], transformer.cap_pad_token.to(caption.dtype), caption)
    for layer in transformer.context_refiner:
        caption = run(layer, caption, caption_rotations, None)
    x = torch.cat([x, caption], 1)
    for layer in transformer.layers:
        x = run(layer, x, rotations, adaln)
    out: Tensor = transformer.all_final_layer["2-1"](x, c=adaln)[:, : rows * columns]
    return out.view(batch, rows, columns, 2, 2, channels).permute(0, 5, 1, 3, 2, 4).reshape(latents.shape)


def _rotations(
    transformer: ZImageTransformer2DModel, shape: tuple[int, int, int, int], device: torch.device
) -> Tensor:
    """RoPE of a whole sequence, cosines and sines: float [2, L, D / 2]."""
    rotations = transformer.rope_embedder(_positions(*shape).to(device))
    return torch.stack([rotations.real, rotations.imag])


def _positions(rows: int, columns: int, picture_pad: int, caption_tokens: int) -> Tensor:
    """Return positions on the three axes of RoPE: the picture after its caption, as in Z-Image."""
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    start = torch.full((rows * columns,), caption_tokens + 1)
    picture = torch.stack([start, y.flatten(), x.flatten()], -1)
    nowhere = torch.zeros(picture_pad, 3, dtype=torch.long)
    order = torch.arange(1, caption_tokens + 1)
    caption = torch.stack([order, torch.zeros_like(order), torch.zeros_like(order)], -1)
    return torch.cat([picture, nowhere, caption])


def _rotate(x: Tensor, rotations: Tensor) -> Tensor:
    """RoPE in real numbers: ``x`` [B, L, heads, D], ``rotations`` [2, L, D / 2]."""
    cos, sin = rotations[0, None, :, None], rotations[1, None, :, None]
    a, b = x.float().view(*x.shape[:-1], -1, 2).unbind(-1)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2).to(x.dtype)


def _attend(block: ZImageTransformerBlock, x: Tensor, rotations: Tensor) -> Tensor:
    a = block.attention
    q, k, v = (project(x).unflatten(-1, (a.heads, -1)) for project in (a.to_q, a.to_k, a.to_v))
    q, k = _rotate(a.norm_q(q), rotations), _rotate(a.norm_k(k), rotations)
    q, k, v = (part.transpose(1, 2).to(v.dtype) for part in (q, k, v))
    out: Tensor = a.to_out[0](nn.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
    return out


def run_block(block: ZImageTransformerBlock, x: Tensor, rotations: Tensor, adaln: Tensor | None) -> Tensor:
    """Run one block; ``adaln`` is None for blocks without a time embedding."""
    if adaln is None:
        x = x + block.attention_norm2(_attend(block, block.attention_norm1(x), rotations))
        out: Tensor = x + block.ffn_norm2(block.feed_forward(block.ffn_norm1(x)))
        return out
    scale_a, gate_a, scale_f, gate_f = block.adaLN_modulation(adaln)[:, None].chunk(4, dim=2)
    attended = _attend(block, block.attention_norm1(x) * (1 + scale_a), rotations)
    x = x + gate_a.tanh() * block.attention_norm2(attended)
    fed = block.feed_forward(block.ffn_norm1(x) * (1 + scale_f))
    moved: Tensor = x + gate_f.tanh() * block.ffn_norm2(fed)
    return moved
