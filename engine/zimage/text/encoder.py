"""Faster layers for the text encoder on a card: 14 kernels per layer instead of 62.

A prompt is so short that launches dominate, even in a graph. The library's layers stay and hold the weights.
Their products are fused as in the transformer; RMS norm and RoPE of queries and keys are one kernel.
"""

from typing import Any

import structlog
import torch
import torch.nn.functional as nn
from torch import Tensor

from engine.cuda.kernel_fallback import fallback_reason, kernel_errors
from engine.zimage.forward.fuse import concatenate_weights

TOLERANCE = 0.03  # relative error of one layer's change of its input, in bfloat16
TRIED = 8  # tokens

log = structlog.get_logger("engine.zimage")


def speed_up(encoder: Any) -> None:
    """Replace the layers in place if the card's kernels work; otherwise log a warning.

    Args:
        encoder: A ``Qwen3Model`` on its device, for inference.
    """
    if encoder.device.type != "cuda" or isinstance(encoder.layers[0], EncoderLayer):
        return
    try:
        from engine.zimage.forward import kernels  # noqa: PLC0415 - Triton, too
        from engine.zimage.text import rope_kernel  # noqa: PLC0415 - Triton is there only where a card may be

        replace_layers(encoder, rope_kernel.apply_rope, kernels.swiglu)
    except kernel_errors() as error:
        reason = fallback_reason(error)
        log.warning("the encoder runs without the card's own kernels: prompts take longer", reason=reason)


@torch.no_grad()
def replace_layers(encoder: Any, apply_rope: Any, swiglu: Any) -> None:
    """Replace all layers after testing the first against the library's.

    Args:
        encoder: As for ``speed_up``, on any device.
        apply_rope: As ``engine.zimage.text.rope_kernel.apply_rope``.
        swiglu: As ``engine.zimage.forward.kernels.swiglu``.

    Raises:
        RuntimeError: The results differ.
    """
    weight, first = encoder.embed_tokens.weight, encoder.layers[0]
    x = torch.randn(1, TRIED, weight.shape[1], generator=torch.Generator().manual_seed(0)).to(weight)
    rotary = encoder.rotary_emb(x, torch.arange(TRIED, device=x.device)[None])
    expected = (first(x, position_embeddings=rotary) - x).float()
    tried = EncoderLayer(first, apply_rope, swiglu)
    found = (tried(x, position_embeddings=rotary) - x).float()
    error = float((found - expected).norm() / expected.norm())
    if not error <= TOLERANCE:
        raise RuntimeError(f"a layer's result is off by {error:.3f}")
    others = [EncoderLayer(layer, apply_rope, swiglu) for layer in encoder.layers[1:]]
    encoder.layers = torch.nn.ModuleList([tried, *others])


class EncoderLayer(torch.nn.Module):
    """One layer of the encoder, for one prompt.

    Args:
        layer: The library's ``Qwen3DecoderLayer``. Its weights become views of fused ones.
        apply_rope: As ``engine.zimage.text.rope_kernel.apply_rope``.
        swiglu: As ``engine.zimage.forward.kernels.swiglu``.
    """

    def __init__(self, layer: Any, apply_rope: Any, swiglu: Any) -> None:
        super().__init__()
        attention, feed = layer.self_attn, layer.mlp
        self._layer = layer
        self._apply_rope, self._swiglu = apply_rope, swiglu
        self._queries = attention.q_proj.out_features // attention.head_dim
        self._qkv = concatenate_weights([attention.q_proj, attention.k_proj, attention.v_proj])
        self._w13 = concatenate_weights([feed.gate_proj, feed.up_proj])
        self._norms = torch.stack([attention.q_norm.weight, attention.k_norm.weight])

    def forward(self, x: Tensor, *, position_embeddings: tuple[Tensor, Tensor], **_: Any) -> Tensor:
        """``x`` [1, tokens, width]; ``position_embeddings``: cosines and sines, each [1, tokens, head]."""
        attention, feed = self._layer.self_attn, self._layer.mlp
        x = x[0]
        qkv = nn.linear(_norm(x, self._layer.input_layernorm), self._qkv).view(len(x), -1, attention.head_dim)
        cos, sin = position_embeddings
        self._apply_rope(qkv, self._norms, cos[0], sin[0], self._queries, attention.q_norm.variance_epsilon)
        keys = (qkv.shape[1] - self._queries) // 2
        query, key, value = torch.split(qkv.transpose(0, 1)[None], [self._queries, keys, keys], dim=1)
        attended = nn.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)
        x = torch.addmm(x, attended[0].transpose(0, 1).flatten(1), attention.o_proj.weight.mT)
        opened = nn.linear(_norm(x, self._layer.post_attention_layernorm), self._w13)
        return x.addmm_(self._swiglu(opened), feed.down_proj.weight.mT)[None]


def _norm(x: Tensor, norm: Any) -> Tensor:
    return nn.rms_norm(x, x.shape[-1:], norm.weight, norm.variance_epsilon)
